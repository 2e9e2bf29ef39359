"""Operations on documents into the spool: what is decided before anything is stored, and the order of it.

Operations without ids of their own go straight through. Those with ids are decided one request at a time, by what the
newest operation on the id was: `create` of a living one, and `if_seq_no` of another, are conflicts.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from dxops.engines.spool import Spool
from dxops.rooms.logs.current import Current
from dxops.rooms.logs.deciding import Decisions
from dxops.rooms.logs.identities import Identities, Known
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.recent import Recent, Stored
from dxops.rooms.logs.sink import STREAM
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.bulk import Bulk
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.bulk_answer import NO_VERSION, Outcome, Result
from dxops.wire.elastic.errors import illegal_argument
from dxops.wire.logs.frame import TIME_GIVEN, TIME_TAKEN, LogFrame, encode_frame, settled

PLAIN: Final = 0
WITH_IDS: Final = 1
"""Kinds of frames: only the second need to be read to know the ids."""
MAX_INDICES: Final = 10_000
"""Of one request."""
_TRIES: Final = 3


class Change(msgspec.Struct, frozen=True):
    """What a version of a document becomes: `document`, or nothing (b"")."""

    stored: Stored
    document: bytes
    ts_ms: int
    flags: int


class Writing:
    """One per writer process. `identities` is up to date with the spool when this is made, and only this changes it."""

    def __init__(
        self,
        spool: Spool,
        identities: Identities,
        auto_ids: AutoIds,
        store: Rows | None = None,
        recent: Recent | None = None,
    ) -> None:
        """`store` is asked for documents that updates change; without it only what is not yet loaded can be."""
        self._spool = spool
        self._identities = identities
        self._auto_ids = auto_ids
        self._recent = recent or Recent()
        self._deciding = asyncio.Lock()
        self.end = 0
        """The number behind the newest operation that was stored here; 0: none yet."""
        self.has_ended = False
        """Whether a document was overwritten or deleted here, or may have been."""
        self.current = Current(spool, identities, auto_ids, self._recent, store)

    async def store(self, bulk: Bulk, *, tenant: str) -> tuple[Outcome, int]:
        """Decide and store; the outcome of each operation, and the number behind the last that was stored (0: none).

        Durable on return. Raises what `Spool.append` raises, having changed nothing.
        """
        _bound_indices(bulk)
        if bulk.has_ids or any(action.op in ("update", "delete") for action in distinct(bulk)):
            return await self._decided(bulk, tenant)
        places = _good(bulk)
        if not places:
            return _outcome(bulk, [None] * len(bulk), [-1] * len(bulk)), 0
        frame = _frame(bulk, places)
        base = await self._spool.append(STREAM, encode_frame(frame), records=len(places), tenant=tenant, kind=PLAIN)
        self._recent.keep(base, frame)
        self.end = max(self.end, base + len(places))
        if len(places) == len(bulk):
            seqs: Sequence[int] = range(base, base + len(bulk))
            return _outcome(bulk, self._auto_ids.ids_later(base, len(bulk)), seqs), base + len(bulk)
        numbers = [-1] * len(bulk)
        ids: list[str | None] = [None] * len(bulk)
        for seq, place in enumerate(places, base):
            numbers[place] = seq
            ids[place] = self._auto_ids.id_of(seq)
        return _outcome(bulk, ids, numbers), base + len(places)

    def forget(self, streams: Sequence[str], before_seq: int, from_seq: int = 0) -> None:
        """None of these streams' documents with these numbers is there any more: they were deleted."""
        for stream in streams:
            self._recent.forget(stream, before_seq, from_seq)

    async def change(self, changes: Sequence[Change], *, tenant: str) -> tuple[set[int], int]:
        """Overwrite or delete these versions of documents; the places of those that were changed meanwhile, which stay
        as they are, and the number behind the last that was stored (0: none).

        Durable on return. Raises what `Spool.append` raises, having changed nothing.
        """
        keys = [(each.stored.stream, each.stored.id or self._auto_ids.id_of(each.stored.seq)) for each in changes]
        async with self._deciding:
            known = await asyncio.to_thread(self._identities.find, list(dict.fromkeys(keys)))
            conflicts = {
                place
                for place, (key, each) in enumerate(zip(keys, changes, strict=True))
                if (key in known and (known[key].seq != each.stored.seq or not known[key].alive))
                or self._recent.has_ended(each.stored.seq)
            }
            places = [place for place in range(len(changes)) if place not in conflicts]
            if not places:
                return conflicts, 0
            _, end = await self._append(
                changed_frame([changes[at] for at in places], [keys[at] for at in places]), tenant
            )
        return conflicts, end

    async def _decided(self, bulk: Bulk, tenant: str) -> tuple[Outcome, int]:
        wanted = [(action.index, name) for action, name in zip(bulk.actions, bulk.ids, strict=True) if name]
        for last in (False,) * _TRIES + (True,):
            found = await self._documents(bulk)  # not while others wait: the store may be slow
            async with self._deciding:
                known = await asyncio.to_thread(self._identities.find, list(dict.fromkeys(wanted)))
                self._add_recent(found, bulk, known)
                decided = Decisions(bulk, known, found, self._auto_ids.seq_of)
                if decided.lacking and not last:
                    continue  # changed by others in between
                return await self._stored(bulk, decided, tenant)
        raise AssertionError("the last try returns")

    async def _stored(self, bulk: Bulk, decided: Decisions, tenant: str) -> tuple[Outcome, int]:
        if not decided.places:
            return decided.outcome(bulk, 0, self._auto_ids.id_of), 0
        base, end = await self._append(decided.frame(bulk), tenant)
        return decided.outcome(bulk, base, self._auto_ids.id_of), end

    async def _append(self, frame: LogFrame, tenant: str) -> tuple[int, int]:
        count = len(frame.documents)
        if frame.replaced is not None and any(number != -1 for number in frame.replaced):
            self.has_ended = True  # before it is stored: whoever sent it may leave meanwhile
        base = await self._spool.append(STREAM, encode_frame(frame), records=count, tenant=tenant, kind=WITH_IDS)
        final = settled(frame, base)
        self.end = max(self.end, base + count)
        self._recent.keep(base, final)
        await asyncio.to_thread(self._identities.apply, [(base, final)], base + count)
        return base, base + count

    async def _documents(self, bulk: Bulk) -> dict[int, Stored | None]:
        """What has to be looked at before it is decided: documents to update, and those that ids of ours name."""
        updates: list[tuple[str, str]] = []
        made: dict[tuple[str, str], int] = {}
        for place, (action, name) in enumerate(zip(bulk.actions, bulk.ids, strict=True)):
            if name is None or place in bulk.errors or place in bulk.dropped:
                continue
            if action.op == "update":
                updates.append((action.index, name))
            seq = self._auto_ids.seq_of(name)
            if seq is not None:
                made[action.index, name] = seq
        if not updates and not made:
            return {}
        keys = list(dict.fromkeys([*updates, *made]))
        known = await asyncio.to_thread(self._identities.find, keys)
        seqs = [known[key].seq for key in updates if key in known and known[key].alive]
        seqs += [seq for key, seq in made.items() if key not in known]
        return await self.current.by_seq(seqs)

    def _add_recent(self, found: dict[int, Stored | None], bulk: Bulk, known: dict[tuple[str, str], Known]) -> None:
        """Documents to update that others wrote in between."""
        if all(action.op != "update" for action in distinct(bulk)):
            return
        for each in known.values():
            if each.alive and each.seq not in found:
                stored = self._recent.find(each.seq)
                if stored is not None:
                    found[each.seq] = stored


def changed_frame(changes: Sequence[Change], keys: Sequence[tuple[str, str]]) -> LogFrame:
    """A deleted document that had no id of its own needs none in the frame: its number is given to no other."""
    names: dict[str, int] = {}
    which = array("H", [names.setdefault(stream, len(names)) for stream, _ in keys])
    return LogFrame(
        indices=tuple(names),
        times_ms=array("q", [each.ts_ms for each in changes]),
        documents=[each.document for each in changes],
        index_of=None if len(names) == 1 else which,
        flags=bytes(each.flags for each in changes),
        ids=[name if each.document else each.stored.id for each, (_, name) in zip(changes, keys, strict=True)],
        versions=array("I", [each.stored.version + 1 for each in changes]),
        replaced=array("q", [each.stored.seq for each in changes]),
    )


def distinct(bulk: Bulk) -> list[Action]:
    """The different actions of a batch."""
    return bulk.distinct()


def _bound_indices(bulk: Bulk) -> None:
    """A frame numbers its indices with 16 bits, so documents of further ones are refused."""
    if len(bulk.distinct()) <= MAX_INDICES:
        return
    names: set[str] = set()
    for place in _good(bulk):
        index = bulk.actions[place].index
        if len(names) < MAX_INDICES:
            names.add(index)
        elif index not in names:
            bulk.errors[place] = illegal_argument(f"a request may name at most {MAX_INDICES} indices")


def _good(bulk: Bulk) -> Sequence[int]:
    if not bulk.errors and not bulk.dropped:
        return range(len(bulk))
    return [place for place in range(len(bulk)) if place not in bulk.errors and place not in bulk.dropped]


def _frame(bulk: Bulk, places: Sequence[int]) -> LogFrame:
    every = len(places) == len(bulk)
    names: dict[str, int] = {}
    if bulk.uniform is not None:
        names[bulk.uniform.index] = 0
        index_of = None
    elif every:
        by_id = {id(action): names.setdefault(action.index, len(names)) for action in bulk.distinct()}
        index_of = None if len(names) == 1 else array("H", map(by_id.__getitem__, map(id, bulk.actions)))
    else:
        which = [names.setdefault(bulk.actions[place].index, len(names)) for place in places]
        index_of = None if len(names) == 1 else array("H", which)
    flags = None
    if bulk.undated:
        undated = set(bulk.undated)
        flags = bytes(TIME_TAKEN if place in undated else TIME_GIVEN for place in places)
    return LogFrame(
        indices=tuple(names),
        times_ms=bulk.times_ms if every else array("q", [bulk.times_ms[place] for place in places]),
        documents=bulk.sources if every else [bulk.sources[place] for place in places],
        index_of=index_of,
        flags=flags,
    )


def _outcome(bulk: Bulk, ids: Sequence[str | None], seqs: Sequence[int]) -> Outcome:
    if not bulk.dropped:
        return Outcome(ids=ids, seq_nos=seqs, errors=bulk.errors)
    dropped = bulk.dropped
    results: list[Result] = ["noop" if place in dropped else "created" for place in range(len(bulk))]
    versions = [NO_VERSION if place in dropped else 1 for place in range(len(bulk))]
    return Outcome(ids=ids, seq_nos=seqs, results=results, versions=versions, errors=bulk.errors)
