"""The spool with one thing done wrong each. The simulation must find every one, or it proves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence

import msgspec
import pytest

from dxops.engines.spool import consumer as consumers
from dxops.engines.spool import doubt, loading, recovery
from dxops.engines.spool.consumer import Batch, Consumer
from dxops.engines.spool.model import ConsumerState, Mark, encode_mark
from dxops.engines.spool.reader import StreamReader
from dxops.engines.spool.segment_writer import Outgoing, SegmentWriter, Written
from tests.engines.spool.simulated_store import SimulatedStore
from tests.engines.spool.world import World

Arrange = Callable[[World], None]


def no_sync(patch: pytest.MonkeyPatch) -> Arrange:
    """The bytes of segments are never synced."""

    def arrange(world: World) -> None:
        world.disk.skips_sync = lambda path: ".seg" in path

    return arrange


def no_directory_sync(patch: pytest.MonkeyPatch) -> Arrange:
    """New names are never synced."""

    def arrange(world: World) -> None:
        world.disk.skips_directories = True

    return arrange


def acknowledged_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    """A batch is answered when it is written; it is synced with the next one."""
    append = SegmentWriter.append

    def hasty(self: SegmentWriter, frames: Sequence[Outgoing], now_ms: int) -> Written:
        class Later:
            def __getattr__(self, name: str) -> object:
                return getattr(file, name)

            def sync(self) -> None: ...

        written = append(self, frames, now_ms)
        if (file := self._file) is not None and not isinstance(file, Later):
            self._file = Later()  # type: ignore[assignment]
        return written

    patch.setattr(SegmentWriter, "append", hasty)


def read_beyond_the_mark(patch: pytest.MonkeyPatch) -> None:
    """Readers take what is written, durable or not, so that numbers they saw come back with other records."""
    mark = StreamReader.mark

    def eager(self: StreamReader) -> Mark | None:
        found = mark(self)
        segment = self.segment(found.segment) if found is not None else None
        if found is None or segment is None:
            return found
        return msgspec.structs.replace(found, offset=max(found.offset, segment.size()))

    patch.setattr(StreamReader, "mark", eager)


def tail_taken_for_durable(patch: pytest.MonkeyPatch) -> None:
    """Recovery believes what it reads behind the mark, without making it durable."""
    rewrite = recovery._Recovery._rewrite

    def trusting(self: recovery._Recovery, path: str, data: bytes) -> None:
        inode = self._disk.disk.entries[path]  # type: ignore[attr-defined]
        if bytes(inode.data[: len(data)]) == data:
            inode.data = bytearray(data)
        else:
            rewrite(self, path, data)

    patch.setattr(recovery._Recovery, "_rewrite", trusting)


def numbers_used_again(patch: pytest.MonkeyPatch) -> None:
    """After a restart numbering goes on behind what is readable, not behind what was ever given out, and a mark that
    is ahead of its sync makes that visible."""
    read_beyond_the_mark(patch)
    patch.setattr(recovery._Recovery, "_numbered", lambda self, mark, old: mark)


def published_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    """The mark is moved before the bytes are durable."""
    numbered = SegmentWriter._numbered

    def eager(self: SegmentWriter, frames: Sequence[Outgoing]) -> object:
        parts, seqs = numbered(self, frames)
        offset = self._offset + sum(map(len, parts))
        count = sum(frame.records for frame in frames)
        mark = Mark(self._base, offset, self._next_seq, self._mark.records + count, self._mark.payload_bytes)
        try:
            self._durable.write(encode_mark(mark), sync=False)
        except OSError:
            self.unpublished = True
        return parts, seqs

    patch.setattr(SegmentWriter, "_numbered", eager)


def no_intent(patch: pytest.MonkeyPatch) -> None:
    """Batches are not written down before they are given out."""
    store = Consumer._store

    def forgetful(self: Consumer, state: ConsumerState) -> None:
        if state.intent:
            self._state = state
        else:
            store(self, state)

    patch.setattr(Consumer, "_store", forgetful)


def intent_not_synced(patch: pytest.MonkeyPatch) -> Arrange:
    """They are written down, but not durably."""

    def arrange(world: World) -> None:
        world.disk.skips_sync = lambda path: path.endswith("/store")

    return arrange


def intent_believed_at_start(patch: pytest.MonkeyPatch) -> None:
    """A killed consumer's place is taken up as it is read, which may be not durable."""
    take_up = Consumer._take_up

    def trusting(self: Consumer, start: str) -> None:
        renew = self._slots.renew
        if self._slots.read() is not None:
            self._slots.renew = lambda payload, spare="": None  # type: ignore[method-assign]
        take_up(self, start)
        self._slots.renew = renew  # type: ignore[method-assign]

    patch.setattr(Consumer, "_take_up", trusting)


def committed_before_it_is_loaded(patch: pytest.MonkeyPatch) -> None:
    """The place moves on before the store has answered."""
    load = loading.Loader._load

    async def hasty(self: loading.Loader, batch: Batch) -> None:
        state = self._consumer.state
        await self._consumer.commit(batch)
        await self._consumer._write(msgspec.structs.replace(self._consumer.state, intent=0))
        try:
            await load(self, batch)
        except ValueError:
            del state

    patch.setattr(loading.Loader, "_load", hasty)


def a_new_token_each_time(patch: pytest.MonkeyPatch) -> None:
    """The same records come with another token when they come again."""
    counter = itertools.count()
    make = consumers.Batch

    def fresh(stream: str, token: str, *rest: object) -> Batch:
        return make(stream, f"{token}.{next(counter)}", *rest)  # type: ignore[arg-type]

    patch.setattr(consumers, "Batch", fresh)


def poison_taken_apart_in_memory_only(patch: pytest.MonkeyPatch) -> None:
    """The halves of a refused batch are loaded under the whole batch's intent."""
    load = loading.Loader._load

    async def careless(self: loading.Loader, batch: Batch) -> None:
        try:
            with contextlib.suppress(doubt.Doubtful):
                await self._sink.load(batch)
        except loading.PoisonBatch:
            if batch.records > 1:
                piece = batch.pieces[0]
                half = msgspec.structs.replace(batch, pieces=[piece], token=f"{batch.token}/1")
                with contextlib.suppress(loading.PoisonBatch):
                    await self._sink.load(half)
        await load(self, batch)

    patch.setattr(loading.Loader, "_load", careless)


def committed_before_the_quarantine(patch: pytest.MonkeyPatch) -> None:
    """A refused record is passed first and kept afterwards."""
    put_away = loading.Loader._put_away

    async def hasty(self: loading.Loader, batch: Batch, bad: dict[int, str]) -> None:
        if not bad:
            await put_away(self, batch, bad)
            return
        await self._until_done(lambda: self._consumer.commit(batch, quarantined=len(bad)))
        records = [
            self._quarantined(piece, seq, bad[seq]) for seq in sorted(bad) for piece in loading._holding(batch, seq)
        ]
        await self._until_done(lambda: self._consumer.quarantine.add(records))

    patch.setattr(loading.Loader, "_put_away", hasty)


def taken_apart_without_asking(patch: pytest.MonkeyPatch) -> None:
    """Whoever is tired of a doubtful refusal blames the data, without a look at the store."""
    patch.setattr(SimulatedStore, "vouches", lambda self: asyncio.sleep(0, True))
    patch.setattr(doubt.Doubts, "over", lambda self, records, now_s: self.tries >= 2)


MUTATIONS = [
    no_sync,
    no_directory_sync,
    acknowledged_before_the_sync,
    read_beyond_the_mark,
    published_before_the_sync,
    tail_taken_for_durable,
    numbers_used_again,
    no_intent,
    intent_not_synced,
    intent_believed_at_start,
    committed_before_it_is_loaded,
    a_new_token_each_time,
    poison_taken_apart_in_memory_only,
    committed_before_the_quarantine,
    taken_apart_without_asking,
]
