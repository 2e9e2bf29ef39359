"""Ingest pipelines on batches: which of them run, what becomes of the documents, and how long they may take."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from dxops.rooms.logs.pipelines import IndexPipelines, MemoryPipelines
from dxops.rooms.logs.piping import Piping
from dxops.wire.elastic.bulk import Bulk, parse_bulk
from dxops.wire.elastic.bulk_actions import Defaults
from dxops.wire.elastic.bulk_answer import encode_answer
from tests.rooms.logs.test_writing import IDS, NOW, stage

PIPELINES = {
    "access": {
        "processors": [
            {"grok": {"field": "message", "patterns": ["%{IP:ip} %{NUMBER:status:int}"]}},
            {"date": {"field": "when", "formats": ["ISO8601"], "if": "ctx.when != null"}},
            {"drop": {"if": "ctx.status == 204"}},
            {"set": {"field": "_index", "value": "errors", "if": "ctx.status == 500"}},
        ]
    },
    "stamp": {"processors": [{"append": {"field": "by", "value": "{{_ingest.pipeline}}"}}]},
    "last": {"processors": [{"append": {"field": "by", "value": "last"}}]},
    "moves": {"processors": [{"set": {"field": "_index", "value": "elsewhere"}}]},
    "names": {"processors": [{"set": {"field": "_id", "value": "{{key}}"}}]},
    "catches": {
        "processors": [{"json": {"field": "message"}}],
        "on_failure": [{"set": {"field": "failed", "value": "{{_ingest.on_failure_message}}"}}],
    },
    "slow": {"processors": [{"gsub": {"field": "message", "pattern": "(a|aa|a?)+c(d+)+$", "replacement": ""}}]},
}
INDICES = {
    "app": IndexPipelines(default="stamp", final="last"),
    "bad": IndexPipelines(final="moves"),
}


async def piped(body: bytes, defaults: Defaults | None = None) -> Bulk:
    piping = Piping(MemoryPipelines(PIPELINES, INDICES))
    bulk = parse_bulk(body, defaults or Defaults(), now_ms=NOW)
    await piping.run(bulk, now_ms=NOW)
    piping.close()
    return bulk


def body(*pairs: tuple[dict[str, Any], dict[str, Any] | None]) -> bytes:
    return b"".join(
        orjson.dumps(head) + b"\n" + (b"" if source is None else orjson.dumps(source) + b"\n") for head, source in pairs
    )


def log(text: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"index": {"_index": "web", "pipeline": "access"}}, {"message": text, **more}


async def test_documents_are_parsed_dated_dropped_and_moved_and_fail_alone(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        bulk = await piped(
            body(
                log("10.0.0.1 200", when="2026-01-01T00:00:00Z"), log("10.0.0.1 204"), log("10.0.0.1 500"), log("wat"),
                ({"index": {"_index": "web"}}, {"message": "plain"}),
            )
        )  # fmt: skip
        outcome, end = await on.writing.store(bulk, tenant="t")
        answer = orjson.loads(encode_answer(bulk, outcome, took_ms=0))["items"]
        found = [next(iter(each.values())) for each in answer]
        assert [each["status"] for each in found] == [201, 200, 201, 400, 201]
        assert (found[1]["result"], found[1]["_id"], found[1]["_shards"]["total"]) == ("noop", "auto-generated", 0)
        assert "_seq_no" not in found[1]
        assert found[2]["_index"] == "errors"
        assert "Provided Grok expressions do not match" in found[3]["error"]["reason"]
        assert bulk.times_ms[0] == 1_767_225_600_000
        first = await on.writing.current.get(["web"], IDS.id_of(end - 3))
        assert first is not None
        assert orjson.loads(first.source)["status"] == 200


async def test_default_and_final_pipelines_of_an_index() -> None:
    bulk = await piped(
        body(
            ({"index": {"_index": "app"}}, {}),
            ({"index": {"_index": "app", "pipeline": "_none"}}, {}),
            ({"index": {"_index": "app", "pipeline": "nope"}}, {}),
            ({"create": {"_index": "other", "pipeline": "stamp"}}, {}),
            ({"index": {"_index": "bad"}}, {}),
            ({"delete": {"_index": "app", "_id": "1"}}, None),
            ({"update": {"_index": "app", "_id": "1"}}, {"doc": {"n": 1}}),
            ({"update": {"_index": "app", "_id": "1"}}, {"doc": {"n": 1}, "doc_as_upsert": True}),
            ({"update": {"_index": "app", "_id": "1"}}, {"doc": {"n": 1}, "upsert": {"k": 1}}),
        )
    )
    sources = [orjson.loads(each) if each else None for each in bulk.sources]
    assert [sources[place] for place in (0, 1, 3)] == [{"by": ["stamp", "last"]}, {"by": ["last"]}, {"by": ["stamp"]}]
    assert set(bulk.errors) == {2, 4}
    assert "does not exist" in bulk.errors[2].reason
    assert "can't change the target index" in bulk.errors[4].reason
    assert sources[6] == {"doc": {"n": 1}}
    assert sources[7] == {"doc": {"n": 1, "by": ["stamp", "last"]}, "doc_as_upsert": True}
    assert sources[8] == {"doc": {"n": 1}, "upsert": {"k": 1, "by": ["stamp", "last"]}}


async def test_an_id_made_by_a_pipeline_counts(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        head: dict[str, Any] = {"create": {"_index": "web", "pipeline": "names"}}
        bulk = await piped(body((head, {"key": "k1", "n": 1}), (head, {"key": "k1", "n": 2})))
        outcome, _ = await on.writing.store(bulk, tenant="t")
        assert outcome.ids[0] == "k1"
        assert outcome.errors[1].status == 409


async def test_failures_can_be_caught() -> None:
    bulk = await piped(body(({"index": {"_index": "x"}}, {"message": "{"})), Defaults(pipeline="catches"))
    assert not bulk.errors
    assert orjson.loads(bulk.sources[0])["failed"]


@pytest.mark.fault
async def test_a_pattern_that_runs_for_ever_fails_its_documents_and_stops_nobody() -> None:
    head = {"index": {"_index": "x", "pipeline": "slow"}}
    evil = {"message": "a" * 60 + "cb"}
    waits: list[float] = []

    async def others() -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            waits.append(time.perf_counter() - started)

    task = asyncio.create_task(others())
    bulk = await piped(body(*[(head, evil)] * 12, (head, {"message": "fine"})))
    task.cancel()
    slow = [fault for fault in bulk.errors.values() if fault.status == 400]
    assert "took longer than" in slow[0].reason
    assert 1 <= len(slow) < 12
    assert {fault.status for place, fault in bulk.errors.items() if place > len(slow)} <= {429}
    assert len(waits) > 50  # the loop went on
