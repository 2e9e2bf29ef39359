"""Batches into a store that refuses, loses answers and fails: nothing twice, nothing lost, no neighbour punished."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dxops.base.errors import DxopsError, Refused, TooLarge, Unavailable
from dxops.engines.clickhouse.client import Rows
from dxops.engines.spool.consumer import Batch
from dxops.engines.spool.doubt import Doubtful, Patience
from dxops.engines.spool.loading import PoisonBatch
from dxops.engines.spool.model import Position
from dxops.engines.spool.reader import Frame, Piece
from dxops.rooms.logs.sink import LogSink
from dxops.wire.logs.frame import LogFrame, decode_frame, encode_frame
from dxops.wire.logs.shapes import Alike, Shapes

NOON = 1_767_268_800_000


class FakeStore:
    """Knows tokens. `answers` are raised, one an insert: before it, or after it where `late`."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.answers: list[DxopsError | Exception | None] = []
        self.late = False
        self.there = 0

    async def insert_native(
        self,
        table: str,
        data: bytes,
        *,
        token: str | None,
        columns: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> int:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None and not self.late:
            raise answer
        if token is not None and token not in self.tokens:
            self.tokens.append(token)
        if answer is not None:
            raise answer
        return 0

    async def query(self, sql: str, params: Mapping[str, object] | None = None, **_: Any) -> Rows:
        return Rows(["count()"], ["UInt64"], [[self.there]])


def batch(*documents: bytes, base: int = 1) -> Batch:
    frame = LogFrame(indices=("app",), times_ms=array("q", [NOON] * len(documents)), documents=list(documents))
    payload = b"".join(encode_frame(frame))
    piece = Piece(Frame(base, len(documents), "t", 0, NOON, payload), 0, len(documents))
    end = base + len(documents)
    return Batch("logs", f"s.logs.{base}-{end}", base, end, [piece], Position(end, 1, 100, len(documents)))


DOCUMENTS = (b'{"message":"one"}', b'{"message":"two"}')
OF_THE_DATA = Refused("too large", code="clickhouse_131")


async def test_a_batch_goes_in_under_its_token() -> None:
    store = FakeStore()
    told: list[object] = []
    assert (await LogSink(store, told.append).load(batch(*DOCUMENTS))).bad == ()
    assert store.tokens == ["s.logs.1-3/log_events", "s.logs.1-3/log_shapes", "s.logs.1-3/log_sizes"]
    assert told == [{"app": (2, sum(map(len, DOCUMENTS)))}]


async def test_a_refusal_of_the_data_is_poison_when_nothing_is_stored() -> None:
    store = FakeStore()
    store.answers = [OF_THE_DATA]
    with pytest.raises(PoisonBatch):
        await LogSink(store).load(batch(*DOCUMENTS))


async def test_a_refused_batch_that_is_there_after_all_is_not_taken_apart() -> None:
    """Its first answer was lost; taken apart, its parts would come under other tokens and double it."""
    store = FakeStore()
    store.answers, store.late = [Unavailable("the connection broke")], True
    sink = LogSink(store)
    with pytest.raises(Unavailable):
        await sink.load(batch(*DOCUMENTS))
    store.answers, store.late, store.there = [OF_THE_DATA], False, 2
    assert (await sink.load(batch(*DOCUMENTS))).bad == ()
    assert store.tokens.count("s.logs.1-3/log_events") == 1
    store.answers, store.there = [OF_THE_DATA], 1  # in part: it is asked again, under the same token
    with pytest.raises(Unavailable):
        await sink.load(batch(*DOCUMENTS))


@pytest.mark.parametrize(
    "answers",
    [
        [Refused("No space left on device", code="clickhouse_75")],
        [Refused("Table log_events does not exist", code="clickhouse_60")],
        [Refused("filesystem error: No space left on device", code="clickhouse_1001")],
        [TooLarge("the query ran for longer than it may", code="clickhouse_159")],
        [TooLarge("memory limit exceeded", code="clickhouse_241")],  # of one small document
        [Refused("an answer of whoever is in between")],
        [None, OF_THE_DATA],  # the documents are in: only the shapes are missing
        [ValueError("a fault of this program")],
    ],
)
async def test_everything_else_is_waited_for(answers: list[Any]) -> None:
    store = FakeStore()
    sink = LogSink(store)
    for _ in range(30):  # more often than a loader takes surprises
        store.answers = list(answers)
        with pytest.raises(Unavailable) as found:
            await sink.load(batch(DOCUMENTS[0]))
        assert not isinstance(found.value, Doubtful)
    assert (await sink.load(batch(DOCUMENTS[0]))).bad == ()
    assert sorted(store.tokens) == ["s.logs.1-2/log_events", "s.logs.1-2/log_shapes", "s.logs.1-2/log_sizes"]


async def test_what_may_be_about_either_is_in_doubt() -> None:
    store = FakeStore()
    sink = LogSink(store)
    for code in (49, 469):
        store.answers = [Refused("some reason", code=f"clickhouse_{code}")]
        with pytest.raises(Doubtful, match="the store refuses it: some reason") as found:
            await sink.load(batch(*DOCUMENTS))
        assert found.value.code == f"clickhouse_{code}"
    store.answers, store.there = [Refused("some reason", code="clickhouse_49")], 2
    assert (await sink.load(batch(*DOCUMENTS))).bad == ()  # an earlier try has stored it


async def test_too_little_memory_is_met_with_smaller_batches() -> None:
    store = FakeStore()
    sink = LogSink(store)
    too_much = TooLarge("memory limit exceeded", code="clickhouse_241")
    store.answers = [too_much]
    with pytest.raises(PoisonBatch):
        await sink.load(batch(*DOCUMENTS))
    store.answers = [too_much]
    with pytest.raises(Doubtful):
        await sink.load(batch(b'{"message":"%s"}' % (b"x" * (1 << 20))))


async def test_documents_are_not_held_up_for_ever_by_what_is_told_of_their_streams() -> None:
    store = FakeStore()
    sink = LogSink(store, patience=Patience(tries=3, for_s=0.0))
    for _ in range(2):
        store.answers = [None, OF_THE_DATA]  # the documents, their shapes
        with pytest.raises(Unavailable):
            await sink.load(batch(DOCUMENTS[0]))
    store.answers = [None, OF_THE_DATA]
    assert (await sink.load(batch(DOCUMENTS[0]))).bad == ()
    assert [token.rpartition("/")[2] for token in store.tokens] == ["log_events", "log_sizes"]
    store.answers = [None, Refused("No space left on device", code="clickhouse_75")]
    with pytest.raises(Unavailable):
        await sink.load(batch(DOCUMENTS[0], base=9))
    store.answers = [None, OF_THE_DATA]
    with pytest.raises(Unavailable):  # patience begins anew after anything else
        await sink.load(batch(DOCUMENTS[0], base=9))


async def test_it_vouches_only_while_other_data_goes_in() -> None:
    store = FakeStore()
    sink = LogSink(store)
    assert await sink.vouches()
    for answers in ([Unavailable("away")], [None, Refused("full", code="clickhouse_75")]):
        store.answers = list(answers)
        assert not await sink.vouches()


async def test_one_document_that_no_row_can_be_made_of_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    split = Shapes.split

    def failing(self: Shapes, documents: Sequence[bytes], times_ms: Sequence[int]) -> list[Alike]:
        if any(b"evil" in document for document in documents):
            raise RecursionError("too deep")
        return split(self, documents, times_ms)

    monkeypatch.setattr(Shapes, "split", failing)
    store, told = FakeStore(), []
    mixed = batch(*DOCUMENTS, b'{"message":"evil"}', *DOCUMENTS, b'{"message":"evil too"}', base=10)
    found = await LogSink(store, told.append).load(mixed)
    assert [(record.seq, record.reason) for record in found.bad] == [
        (12, "RecursionError: too deep"),
        (15, "RecursionError: too deep"),
    ]
    assert told[0]["app"][0] == 4


async def test_a_payload_that_is_no_frame_spares_its_neighbours() -> None:
    good = batch(*DOCUMENTS, base=10)
    evil = Piece(Frame(12, 3, "t", 0, NOON, b"\x05\x00\x00\x00noise"), 0, 3)
    whole = Batch("logs", "s.logs.10-15", 10, 15, [*good.pieces, evil], good.after)
    store = FakeStore()
    sink = LogSink(store)
    found = await sink.load(whole)
    assert [record.seq for record in found.bad] == [12, 13, 14]
    assert store.tokens == ["s.logs.10-15/log_events", "s.logs.10-15/log_shapes", "s.logs.10-15/log_sizes"]
    assert sink.extract(evil.frame, 0) == evil.frame.payload
    assert decode_frame(sink.extract(good.pieces[0].frame, 1)).documents == [DOCUMENTS[1]]


async def test_rows_are_made_ahead_once() -> None:
    store = FakeStore()
    sink = LogSink(store)
    first, second = batch(*DOCUMENTS), batch(*DOCUMENTS, base=3)
    sink.prepare(second)
    await sink.load(first)  # another one first: what was prepared is dropped, and made again
    sink.prepare(second)
    made = sink._made[second.token]
    await sink.load(second)
    assert made.done()
    assert not sink._made
    assert [token for token in store.tokens if token.endswith("events")] == [
        "s.logs.1-3/log_events", "s.logs.3-5/log_events",
    ]  # fmt: skip
