"""Documents as they are now, loaded or not: from memory, from the store, and from the spool's files between the two."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from dxops.engines.spool import Position, Spool
from dxops.engines.spool.frames import SEGMENT_BYTES
from dxops.engines.spool.model import SpoolPaths
from dxops.engines.spool.reader import StreamReader
from dxops.engines.spool.real_disk import RealDisk
from dxops.engines.spool.segments import list_segments
from dxops.rooms.logs.fields import literals
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.recent import Recent, Stored, stored_of
from dxops.rooms.logs.selecting import LINE_COLUMNS, line_of
from dxops.rooms.logs.sink import CONSUMER, STREAM
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.logs.frame import decode_frame, settled

_CHUNK: Final = 2_000
_READ_BYTES: Final = 8 << 20


class Current:
    """`store` None: only what the spool still has. All methods belong to one event loop."""

    def __init__(
        self, spool: Spool, identities: Identities, auto_ids: AutoIds, recent: Recent, store: Rows | None
    ) -> None:
        self._spool = spool
        self._identities = identities
        self._auto_ids = auto_ids
        self._recent = recent
        self._store = store

    async def get(self, streams: Sequence[str], name: str) -> Stored | None:
        """The living document of this id in one of the streams, right after it was acknowledged.

        Raises `Unavailable` while the store is away, unless the document is not loaded yet.
        """
        return (await self.get_many([(tuple(streams), name)]))[0]

    async def get_many(self, wanted: Sequence[tuple[tuple[str, ...], str]]) -> list[Stored | None]:
        """See `get`."""
        keys = [(stream, name) for streams, name in wanted for stream in streams]
        known = await asyncio.to_thread(self._identities.find, list(dict.fromkeys(keys)))
        made = {name: seq for _, name in wanted if (seq := self._auto_ids.seq_of(name)) is not None}
        seqs = [each.seq for each in known.values() if each.alive] + list(made.values())
        found = await self.by_seq(seqs)
        unknown: dict[tuple[str, ...], list[str]] = {}
        results: list[Stored | None] = []
        for streams, name in wanted:
            mine = [known[stream, name] for stream in streams if (stream, name) in known]
            numbers = [each.seq for each in mine if each.alive]
            numbers += [made[name]] if name in made and not mine else []
            fitting = [stored for seq in numbers if (stored := found[seq]) is not None and stored.stream in streams]
            fitting = [each for each in fitting if (each.id or each.seq) in (name, made.get(name))]
            results.append(max(fitting, key=lambda each: each.seq, default=None))
            if not fitting and not mine:
                unknown.setdefault(streams, []).append(name)
        if unknown:
            await self._add_by_id(wanted, results, unknown)
        return results

    async def _add_by_id(
        self,
        wanted: Sequence[tuple[tuple[str, ...], str]],
        results: list[Stored | None],
        unknown: dict[tuple[str, ...], list[str]],
    ) -> None:
        """What identities do not know: they were lost, or the document came by another way."""
        by_name: dict[tuple[tuple[str, ...], str], Stored] = {}
        for streams, names in unknown.items():
            for start in range(0, len(names) if streams else 0, _CHUNK):
                some = literals(names[start : start + _CHUNK])
                for each in await self._select(f"stream IN ({literals(streams)}) AND id IN ({some})"):
                    before = by_name.get((streams, each.id))
                    if before is None or before.seq < each.seq:
                        by_name[streams, each.id] = each
        for place, (key, result) in enumerate(zip(wanted, results, strict=True)):
            if result is None:
                results[place] = by_name.get((key[0], key[1]))

    async def by_seq(self, seqs: Iterable[int]) -> dict[int, Stored | None]:
        """Living documents by their numbers, None for what is not there (any more)."""
        found: dict[int, Stored | None] = dict.fromkeys(seqs)
        for seq in found:
            if not self._recent.has_ended(seq):
                found[seq] = self._recent.find(seq)
        missing = [seq for seq, stored in found.items() if stored is None and not self._recent.has_ended(seq)]
        if not missing:
            return found
        loaded = self._spool.loaded_before(STREAM, CONSUMER)
        waiting = [seq for seq in missing if seq >= loaded]
        if waiting:
            read = await asyncio.to_thread(self._from_spool, sorted(waiting))
            found |= {seq: each for seq, each in read.items() if each is not None and not self._recent.is_erased(each)}
        missing = [seq for seq in missing if found[seq] is None]
        for start in range(0, len(missing), _CHUNK):
            found |= await self._from_store(missing[start : start + _CHUNK])
        return found

    async def _from_store(self, seqs: Sequence[int]) -> dict[int, Stored | None]:
        numbers = ", ".join(map(str, map(int, seqs)))
        return {each.seq: each for each in await self._select(f"seq IN ({numbers})")}

    async def _select(self, condition: str) -> list[Stored]:
        if self._store is None:
            return []
        sql = (
            f"SELECT {LINE_COLUMNS}, flags FROM log_events WHERE ({condition}) "  # noqa: S608 - numbers and literals
            "AND seq NOT IN (SELECT seq FROM log_dead)"
        )
        found = []
        for row in (await self._store.query(sql)).rows:
            line = line_of(row[:-1], lambda _: "")
            found.append(
                Stored(
                    seq=line.seq, stream=line.stream, id=line.id, version=line.version, ts_ms=line.ts_ms,
                    flags=row[-1], source=line.source,
                )
            )  # fmt: skip
        return found

    def _from_spool(self, seqs: Sequence[int]) -> dict[int, Stored | None]:
        """Reads from the segment of the first on; blocks for as long as 64 MB take."""
        disk, root = RealDisk(), self._spool.root
        reader = StreamReader(disk, root, STREAM, self._spool.id)
        found: dict[int, Stored | None] = {}
        try:
            mark = reader.mark()
            bases = [base for base in list_segments(disk, SpoolPaths(root, STREAM)) if base <= seqs[0]]
            if mark is None or not bases:
                return found
            at = Position(bases[-1], bases[-1], SEGMENT_BYTES, 0)
            while at.seq <= seqs[-1]:
                read = reader.read(at, mark, records=100_000, size_bytes=_READ_BYTES)
                if read.after == at:
                    break
                at = read.after
                for piece in read.pieces:
                    base = piece.frame.seq
                    inside = [seq for seq in seqs if base <= seq < base + piece.frame.records]
                    if inside:
                        frame = settled(decode_frame(piece.frame.payload), base)
                        found |= {seq: stored_of(frame, base, seq) for seq in inside}
        except (OSError, ValueError):
            return found  # gone meanwhile, so loaded; or damaged, so the loader says it
        finally:
            reader.close()
        return found
