"""Bulk operations into a real spool, and on into a real ClickHouse: what each one does to which document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dxops.engines.spool import Consumer, Limits, Spool, SpoolConfig, this_machine
from dxops.engines.spool.config import BatchLimits
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.sink import STREAM, LogSink
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.bulk import parse_bulk
from dxops.wire.elastic.bulk_answer import Outcome
from tests.rooms.logs.local import LocalStore

NOW = 1_767_268_800_000
IDS = AutoIds(b"k" * 16)


class Stage:
    def __init__(self, root: Path, spool: Spool, store: LocalStore) -> None:
        self.store = store
        self.identities = Identities(root / "ids")
        self._sink = LogSink(store)
        self._last: int | None = None
        self.spool = spool
        self.writing = Writing(spool, self.identities, IDS, store)

    async def documents(self) -> list[list[object]]:
        """Everything loaded, living documents only."""
        consumer = await Consumer.open(this_machine(), self.spool.root, STREAM, "test")
        while self._last is not None and consumer.state.position.seq <= self._last:
            batch = await consumer.next_batch(BatchLimits(age_s=0))
            await self._sink.load(batch)
            await consumer.commit(batch)
        await consumer.close()
        answer = await self.store.query(
            "SELECT stream, id, version, message FROM log_events "
            "WHERE seq NOT IN (SELECT seq FROM log_dead) ORDER BY seq"
        )
        return [list(row) for row in answer.rows]

    async def run(self, *bodies: bytes) -> list[Outcome]:
        made = []
        for body in bodies:
            outcome, end = await self.writing.store(parse_bulk(body, now_ms=NOW), tenant="t")
            if end:
                self._last = end - 1
            made.append(outcome)
        return made


@asynccontextmanager
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = LocalStore(tmp_path / "store")
    spool = await Spool.open(str(tmp_path / "spool"), Limits.of(SpoolConfig(min_free_mb=0)))
    try:
        yield Stage(tmp_path, spool, store)
    finally:
        await spool.close()
        store.close()


async def test_documents_without_ids(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        (outcome,) = await on.run(
            b'{"create":{"_index":"a"}}\n{"message":"one"}\n{"create":{"_index":"a"}}\nnot json\n'
            b'{"index":{"_index":"b"}}\n{"message":"two"}\n'
        )
        assert list(outcome.errors) == [1]
        assert outcome.ids[1] is None
        assert IDS.seq_of(outcome.ids[2] or "") == outcome.seq_nos[2] == outcome.seq_nos[0] + 1
        assert await on.documents() == [["a", "", 1, "one"], ["b", "", 1, "two"]]


async def test_ids_are_created_once_overwritten_and_deleted(tmp_path: Path) -> None:
    def operation(op: str, name: str, text: str = "", more: str = "") -> bytes:
        head = f'{{"{op}":{{"_index":"a","_id":"{name}"{more}}}}}\n'
        return (head + (f'{{"message":"{text}"}}\n' if text else "")).encode()

    async with stage(tmp_path) as on:
        first, again, over, gone, missing, back = await on.run(
            operation("create", "1", "one") + operation("create", "1", "again") + operation("index", "2", "two"),
            operation("create", "2", "no"),
            operation("index", "1", "uno") + operation("index", "1", "eins"),
            operation("delete", "2"),
            operation("delete", "2") + operation("delete", "x"),
            operation("create", "2", "deux"),
        )
        assert first.errors[1].status == again.errors[0].status == 409
        assert (over.results, over.versions) == (["updated", "updated"], [2, 3])
        assert (gone.results, gone.versions) == (["deleted"], [2])
        assert missing.results == ["not_found", "not_found"]
        assert (back.results, back.versions) == (["created"], [3])
        assert await on.documents() == [["a", "1", 3, "eins"], ["a", "2", 3, "deux"]]


async def test_a_sequence_number_guards_a_document(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        (made,) = await on.run(b'{"index":{"_index":"a","_id":"1"}}\n{"message":"one"}\n')
        number = made.seq_nos[0]
        head = '{"index":{"_index":"a","_id":"1","if_seq_no":%d,"if_primary_term":1}}\n{"message":"two"}\n'
        good, late = await on.run((head % number).encode(), (head % number).encode())
        assert not good.errors
        assert late.errors[0].type == "version_conflict_engine_exception"
        assert [row[3] for row in await on.documents()] == ["two"]


async def test_a_document_with_an_id_of_ours_can_be_deleted(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        (made,) = await on.run(
            b'{"create":{"_index":"a"}}\n{"message":"one"}\n{"create":{"_index":"a"}}\n{"message":"two"}\n'
        )
        (gone,) = await on.run(f'{{"delete":{{"_index":"a","_id":"{made.ids[0]}"}}}}\n'.encode())
        assert gone.results == ["deleted"]
        assert [row[3] for row in await on.documents()] == ["two"]


async def test_documents_of_more_indices_than_a_request_may_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dxops.rooms.logs.writing.MAX_INDICES", 2)
    async with stage(tmp_path) as at:
        body = b"".join(
            b'{"index":{"_index":"%s"}}\n{"message":"m"}\n' % name for name in (b"a", b"b", b"c", b"a", b"d")
        )
        (outcome,) = await at.run(body)
        assert {place: fault.type for place, fault in outcome.errors.items()} == {
            2: "illegal_argument_exception",
            4: "illegal_argument_exception",
        }
        assert [row[0] for row in await at.documents()] == ["a", "b", "a"]
