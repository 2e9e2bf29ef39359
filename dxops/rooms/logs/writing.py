"""Operations on documents into the spool: what is decided before anything is stored, and the order of it.

Operations without ids of their own go straight through. Those with ids are decided one request at a time, by what the
newest operation on the id was: `create` of a living one, and `if_seq_no` of another, are conflicts.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from typing import Final

from dxops.engines.spool import Spool
from dxops.rooms.logs.identities import Identities, Known
from dxops.rooms.logs.sink import STREAM
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.bulk import Bulk
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.bulk_answer import Outcome, Result
from dxops.wire.elastic.errors import Fault, document_missing, illegal_argument, version_conflict
from dxops.wire.logs.frame import TIME_GIVEN, TIME_TAKEN, LogFrame, encode_frame, settled

PLAIN: Final = 0
WITH_IDS: Final = 1
"""Kinds of frames: only the second need to be read to know the ids."""


class Writing:
    """One per writer process. `identities` is up to date with the spool when this is made, and only this changes it."""

    def __init__(self, spool: Spool, identities: Identities, auto_ids: AutoIds) -> None:
        self._spool = spool
        self._identities = identities
        self._auto_ids = auto_ids
        self._deciding = asyncio.Lock()

    async def store(self, bulk: Bulk, *, tenant: str) -> tuple[Outcome, int]:
        """Decide and store; the outcome of each operation, and the number behind the last that was stored (0: none).

        Durable on return. Raises what `Spool.append` raises, having changed nothing.
        """
        if bulk.has_ids or any(action.op in ("update", "delete") for action in distinct(bulk)):
            async with self._deciding:
                return await self._decided(bulk, tenant)
        places = _good(bulk)
        if not places:
            return _outcome(bulk, [None] * len(bulk), [-1] * len(bulk), {}), 0
        frame = _frame(bulk, places)
        base = await self._spool.append(STREAM, encode_frame(frame), records=len(places), tenant=tenant, kind=PLAIN)
        if len(places) == len(bulk):
            seqs: Sequence[int] = range(base, base + len(bulk))
            return _outcome(bulk, self._auto_ids.ids_of(base, len(bulk)), seqs, {}), base + len(bulk)
        numbers = [-1] * len(bulk)
        ids: list[str | None] = [None] * len(bulk)
        for seq, place in enumerate(places, base):
            numbers[place] = seq
            ids[place] = self._auto_ids.id_of(seq)
        return _outcome(bulk, ids, numbers, {}), base + len(places)

    async def _decided(self, bulk: Bulk, tenant: str) -> tuple[Outcome, int]:
        wanted = [(action.index, name) for action, name in zip(bulk.actions, bulk.ids, strict=True) if name]
        known = await asyncio.to_thread(self._identities.find, list(dict.fromkeys(wanted)))
        decided = _Decisions(bulk, known, self._auto_ids)
        if not decided.places:
            return decided.outcome(bulk, [-1] * len(bulk), self._auto_ids), 0
        frame = decided.frame(bulk)
        base = await self._spool.append(
            STREAM, encode_frame(frame), records=len(decided.places), tenant=tenant, kind=WITH_IDS
        )
        end = base + len(decided.places)
        await asyncio.to_thread(self._identities.apply, [(base, settled(frame, base))], end)
        numbers = [-1] * len(bulk)
        for seq, place in enumerate(decided.places, base):
            numbers[place] = seq
        return decided.outcome(bulk, numbers, self._auto_ids), end


class _Decisions:
    """What each operation of a batch with ids does, the earlier operations of the batch counted in."""

    def __init__(self, bulk: Bulk, known: dict[tuple[str, str], Known], auto_ids: AutoIds) -> None:
        self.places: list[int] = []
        self.errors: dict[int, Fault] = dict(bulk.errors)
        self.results: list[Result] = ["created"] * len(bulk)
        self.versions = [1] * len(bulk)
        self._replaced: list[int] = []
        self._missing: set[int] = set()
        self._known = known
        self._auto_ids = auto_ids
        for place in range(len(bulk)):
            if place not in self.errors:
                self._decide(place, bulk.actions[place], bulk.ids[place])

    def _decide(self, place: int, action: Action, name: str | None) -> None:
        if name is None:
            self._keep(place, -1)
            return
        key = (action.index, name)
        before = self._known.get(key) or self._automatic(name)
        alive = before is not None and before.alive
        if action.op == "create" and before is not None and alive:
            self.errors[place] = version_conflict(
                action.index, name, f"document already exists (current version [{before.version}])"
            )
            return
        if action.if_seq_no is not None and (before is None or not alive or before.seq != action.if_seq_no):
            found = "but no document was found" if before is None else f"current document has seqNo [{before.seq}]"
            self.errors[place] = version_conflict(
                action.index, name, f"required seqNo [{action.if_seq_no}], primary term [1]. {found}"
            )
            return
        if action.op == "update":
            self.errors[place] = (
                illegal_argument("partial updates are not supported yet; index the whole document")
                if alive
                else document_missing(action.index, name)
            )
            return
        if action.op == "delete" and not alive:
            self.results[place] = "not_found"
            self._missing.add(place)
            self.versions[place] = before.version + 1 if before is not None else 1
            return
        version = 1 if before is None else before.version + 1
        replaced = before.seq if before is not None and alive else -1
        self._keep(place, replaced)
        self.versions[place] = version
        self.results[place] = "deleted" if action.op == "delete" else "updated" if alive else "created"
        # until it has a number, an operation of this batch is known by its place in the frame
        self._known[key] = Known(-1 - len(self.places), version, action.op != "delete")

    def _automatic(self, name: str) -> Known | None:
        """A document whose id we made: it is there as far as its number was given out."""
        seq = self._auto_ids.seq_of(name)
        return None if seq is None else Known(seq, 1, True)

    def _keep(self, place: int, replaced: int) -> None:
        self.places.append(place)
        self._replaced.append(replaced)

    def frame(self, bulk: Bulk) -> LogFrame:
        made = _frame(bulk, self.places)
        return LogFrame(
            indices=made.indices,
            times_ms=made.times_ms,
            documents=made.documents,
            index_of=made.index_of,
            flags=made.flags,
            ids=[bulk.ids[place] or "" for place in self.places],
            versions=array("I", [self.versions[place] for place in self.places]),
            replaced=array("q", self._replaced),
        )

    def outcome(self, bulk: Bulk, numbers: list[int], auto_ids: AutoIds) -> Outcome:
        ids = [
            name if name is not None else auto_ids.id_of(number) if number >= 0 else None
            for name, number in zip(bulk.ids, numbers, strict=True)
        ]
        return Outcome(ids=ids, seq_nos=numbers, results=self.results, versions=self.versions, errors=self.errors)


def distinct(bulk: Bulk) -> list[Action]:
    """The different actions of a batch."""
    if bulk.uniform is not None:
        return [bulk.uniform]
    return list({id(action): action for action in bulk.actions}.values())


def _good(bulk: Bulk) -> Sequence[int]:
    if not bulk.errors:
        return range(len(bulk))
    return [place for place in range(len(bulk)) if place not in bulk.errors]


def _frame(bulk: Bulk, places: Sequence[int]) -> LogFrame:
    every = len(places) == len(bulk)
    names: dict[str, int] = {}
    if bulk.uniform is not None:
        names[bulk.uniform.index] = 0
        index_of = None
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


def _outcome(bulk: Bulk, ids: Sequence[str | None], seqs: Sequence[int], more: dict[int, Fault]) -> Outcome:
    return Outcome(ids=ids, seq_nos=seqs, errors={**bulk.errors, **more})
