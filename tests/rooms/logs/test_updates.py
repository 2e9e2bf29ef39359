"""Updates, and documents that are read right after they were written, held against a dictionary."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from dxops.rooms.logs.recent import Recent
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.bulk import parse_bulk
from dxops.wire.elastic.bulk_answer import encode_answer
from dxops.wire.elastic.documents import BadSource
from dxops.wire.elastic.partial import merged, read_update
from tests.rooms.logs.test_writing import IDS, NOW, Stage, stage

NAMES = ("a", "b", "c", "ünï/c")


def lines(op: str, name: str, body: dict[str, Any] | None = None, **more: Any) -> bytes:
    head = orjson.dumps({op: {"_index": "x", "_id": name, **more}}) + b"\n"
    return head if body is None else head + orjson.dumps(body) + b"\n"


async def items(on: Stage, body: bytes) -> list[dict[str, Any]]:
    (outcome,) = await on.run(body)
    answer = orjson.loads(encode_answer(parse_bulk(body, now_ms=NOW), outcome, took_ms=0))
    return [next(iter(item.values())) for item in answer["items"]]


async def document(on: Stage, name: str) -> Any:
    found = await on.writing.current.get(["x"], name)
    return None if found is None else orjson.loads(found.source)


def test_what_an_update_leaves_alone_keeps_its_bytes() -> None:
    current = b'{"n":1e400, "id": 12345678901234567890123,"o":{"a" : 1.0,"b":[1, 2]}}'
    assert merged(current, b'{"o":{"b":2},"new":null}', detect_noop=True) == (
        b'{"n":1e400,"id":12345678901234567890123,"o":{"a":1.0,"b":2},"new":null}'
    )
    assert merged(current, b'{"o":{"b":[1,2]}}', detect_noop=True) is None
    assert merged(b'{"a":1}', b'{"a":1.0}', detect_noop=True) == b'{"a":1.0}'
    assert merged(b'{"a":1}', b'{"a":1}', detect_noop=False) == b'{"a":1}'
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    assert merged(b'{"s":"\\ud800"}', b'{"b":1}', detect_noop=True) == '{"s":"\ufffd","b":1}'.encode()
    assert merged(deep, b'{"b":1}', detect_noop=False)
    with pytest.raises(BadSource):
        read_update(b'{"doc":{},"doc_as_upsert":"perhaps"}')


async def test_updates_merge_and_tell_what_they_did(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        made = await items(
            on,
            lines("index", "1", {"a": {"b": 1, "c": 2}, "t": [1]})
            + lines("update", "1", {"doc": {"a": {"b": 3}, "t": [2]}, "_source": True})
            + lines("update", "1", {"doc": {"a": {"b": 3}}, "_source": "t"})
            + lines("update", "2", {"doc": {"k": 1}})
            + lines("update", "3", {"doc": {"k": 1}, "upsert": {"first": True}})
            + lines("update", "3", {"doc": {"k": 1}, "upsert": {"first": True}})
            + lines("update", "4", {"doc": {"k": 1}, "doc_as_upsert": True})
            + lines("update", "4", {"script": {"source": "no"}})
            + lines("delete", "4")
            + lines("update", "4", {"doc": {"k": 2}}),
        )
        assert [each.get("result") for each in made] == [
            "created", "updated", "noop", None, "created", "updated", "created", None, "deleted", None
        ]  # fmt: skip
        assert made[1]["get"]["_source"] == {"a": {"b": 3, "c": 2}, "t": [2]}
        assert made[2]["get"] == {
            "_seq_no": made[1]["_seq_no"], "_primary_term": 1, "found": True, "_source": {"t": [2]}
        }  # fmt: skip
        assert (made[2]["_version"], made[2]["_shards"]["total"], made[2]["_seq_no"]) == (2, 0, made[1]["_seq_no"])
        assert [made[place]["error"]["type"] for place in (3, 9)] == ["document_missing_exception"] * 2
        assert made[7]["status"] == 400
        assert await document(on, "3") == {"first": True, "k": 1}
        assert await document(on, "4") is None
        wrong, right = await items(
            on,
            lines("update", "1", {"doc": {"a": 1}}, if_seq_no=made[0]["_seq_no"], if_primary_term=1)
            + lines("update", "1", {"doc": {"a": 1}}, if_seq_no=made[1]["_seq_no"], if_primary_term=1),
        )
        assert (wrong["status"], right["_version"]) == (409, 3)


async def test_a_document_without_a_time_keeps_its_own_when_it_is_updated(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.run(lines("index", "1", {"m": 1}))
        bulk = parse_bulk(lines("update", "1", {"doc": {"m": 2}}), now_ms=NOW + 60_000)
        await on.writing.store(bulk, tenant="t")
        found = await on.writing.current.get(["x"], "1")
        assert found is not None
        assert (found.ts_ms, found.version) == (NOW, 2)
        await on.run(lines("update", "1", {"doc": {"@timestamp": NOW + 5}}))
        found = await on.writing.current.get(["x"], "1")
        assert found is not None
        assert found.ts_ms == NOW + 5


async def test_an_id_of_ours_in_another_index_is_another_document(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        (made,) = await on.run(b'{"create":{"_index":"x"}}\n{"message":"mine"}\n')
        name = made.ids[0] or ""
        copy = orjson.dumps({"index": {"_index": "copy", "_id": name}}) + b'\n{"message":"copied"}\n'
        (outcome,) = await on.run(copy)
        assert outcome.results == ["created"]
        gone = orjson.dumps({"delete": {"_index": "other", "_id": name}}) + b"\n"
        (outcome,) = await on.run(gone)
        assert outcome.results == ["not_found"]
        assert sorted(row[3] for row in await on.documents()) == ["copied", "mine"]  # type: ignore[type-var]
        (outcome,) = await on.run(lines("update", name, {"doc": {"message": "changed"}}))
        assert (outcome.results, outcome.versions) == (["updated"], [2])
        assert await document(on, name) == {"message": "changed"}
        assert sorted(row[3] for row in await on.documents()) == ["changed", "copied"]  # type: ignore[type-var]


@pytest.mark.engine
@pytest.mark.parametrize("seed", range(5))
async def test_any_sequence_of_operations_is_that_on_a_dictionary(tmp_path: Path, seed: int) -> None:
    """Across memory, spool files and store: what is read back is always what was written last."""
    dice = random.Random(seed)
    model: dict[str, dict[str, Any]] = {}
    async with stage(tmp_path) as on:
        for _ in range(8):
            body, expected = b"", []
            for _ in range(dice.randint(1, 6)):
                name, value = (
                    dice.choice(NAMES),
                    {"n": dice.randint(0, 3), "o": {dice.choice("pq"): dice.randint(0, 2)}},
                )
                op = dice.choice(["index", "create", "update", "upsert", "delete"])
                before = model.get(name)
                if op in ("index", "create"):
                    body += lines(op, name, value)
                    expected.append(409 if op == "create" and before else 200 if before else 201)
                    if expected[-1] != 409:
                        model[name] = value
                elif op == "delete":
                    body += lines(op, name)
                    expected.append(200 if model.pop(name, None) else 404)
                else:
                    body += lines("update", name, {"doc": value, "doc_as_upsert": op == "upsert"})
                    expected.append(200 if before else 201 if op == "upsert" else 404)
                    if expected[-1] != 404:
                        old = before or {}
                        model[name] = {**old, **value, "o": {**old.get("o", {}), **value["o"]}}
            assert [each["status"] for each in await items(on, body)] == expected
            if dice.random() < 0.3:
                await on.documents()  # loads
            if dice.random() < 0.3:  # a restart: nothing is in memory any more
                on.writing = Writing(on.spool, on.identities, IDS, on.store, Recent())
            for name in NAMES:
                assert await document(on, name) == model.get(name)
        assert len(await on.documents()) == len(model)
