"""What each operation of a batch with ids does, the earlier operations of the batch counted in. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Final

from dxops.rooms.logs.identities import Known
from dxops.rooms.logs.recent import Stored
from dxops.wire.elastic.bulk import Bulk, time_of_document
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.bulk_answer import NO_VERSION, Outcome, Result
from dxops.wire.elastic.documents import BadSource
from dxops.wire.elastic.errors import Fault, document_missing, illegal_argument, version_conflict
from dxops.wire.elastic.partial import Update, merged, read_update
from dxops.wire.es.fields import SourceFilter
from dxops.wire.logs.frame import TIME_GIVEN, TIME_TAKEN, LogFrame

NOT_STORED: Final = -1


class Decisions:
    """`known` says what the ids name now, `found` has the documents that updates need and those that ids of ours name.

    `lacking`: updates of documents that are not in `found`; they have no outcome, the batch must be decided again.
    `places` are the operations to be stored, in order; `sources` their documents.
    """

    def __init__(
        self,
        bulk: Bulk,
        known: dict[tuple[str, str], Known],
        found: Mapping[int, Stored | None],
        seq_of: Callable[[str], int | None],
    ) -> None:
        self.places: list[int] = []
        self.lacking: set[int] = set()
        self.errors: dict[int, Fault] = dict(bulk.errors)
        self.results: list[Result] = ["created"] * len(bulk)
        self.versions = [1] * len(bulk)
        self.sources = list(bulk.sources)
        self.times_ms = array("q", bulk.times_ms)
        self.got: dict[int, tuple[SourceFilter, bytes]] = {}
        self._seqs: dict[int, int] = {}
        self._replaced: list[int] = []
        self._known = known
        self._found = found
        self._seq_of = seq_of
        self._latest: dict[tuple[str, str], int] = {}
        self._undated = set(bulk.undated)
        for place in range(len(bulk)):
            if place in bulk.dropped:
                self.results[place], self.versions[place] = "noop", NO_VERSION
            elif place not in self.errors:
                self._decide(place, bulk.actions[place], bulk.ids[place])

    def _decide(self, place: int, action: Action, name: str | None) -> None:
        if name is None:
            self._keep(place, -1)
            return
        key = (action.index, name)
        before = self._known.get(key) or self._automatic(action.index, name)
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
        if action.op == "update" and not self._update(place, key, before):
            return
        if action.op == "delete" and not alive:
            self.results[place] = "not_found"
            self.versions[place] = before.version + 1 if before is not None else 1
            return
        self._write(place, key, before, deletes=action.op == "delete")

    def _write(self, place: int, key: tuple[str, str], before: Known | None, *, deletes: bool) -> None:
        alive = before is not None and before.alive
        version = 1 if before is None else before.version + 1
        self._keep(place, before.seq if before is not None and alive else -1)
        self.versions[place] = version
        self.results[place] = "deleted" if deletes else "updated" if alive else "created"
        # until it has a number, an operation of this batch is known by its place in the frame
        self._known[key] = Known(-1 - len(self.places), version, not deletes)
        self._latest[key] = place

    def _automatic(self, index: str, name: str) -> Known | None:
        """A document whose id we made. The id may also name a copy elsewhere, which is another document."""
        seq = self._seq_of(name)
        stored = None if seq is None else self._found.get(seq)
        if stored is None or stored.stream != index or stored.id:
            return None
        return Known(stored.seq, stored.version, True)

    def _update(self, place: int, key: tuple[str, str], before: Known | None) -> bool:
        """Whether there is something to write: `sources` and `times_ms` then have the whole document."""
        try:
            update = read_update(self.sources[place])
            if before is None or not before.alive:
                return self._upsert(place, key, update)
            current = self._current(key, before)
            if current is None:
                return False if before.seq in self.lacking else self._upsert(place, key, update)
            source, ts_ms, dated = current
            document = merged(source, update.doc, detect_noop=update.detect_noop)
        except BadSource as bad:
            self.errors[place] = illegal_argument(bad.reason)
            return False
        if document is None:
            self.results[place], self.versions[place] = "noop", before.version
            self._seqs[place] = before.seq
            self._show(place, update, source)
            return False
        return self._dated(place, key, update, document, None if dated else ts_ms)

    def _upsert(self, place: int, key: tuple[str, str], update: Update) -> bool:
        if update.upsert is None:
            self.errors[place] = document_missing(*key)
            return False
        return self._dated(place, key, update, update.upsert, None)

    def _dated(self, place: int, key: tuple[str, str], update: Update, document: bytes, kept_ms: int | None) -> bool:
        """A document without a time of its own keeps the time of its first version, or has that of its receipt."""
        time_ms = time_of_document(document, key[1])
        if isinstance(time_ms, Fault):
            self.errors[place] = time_ms
            return False
        if time_ms is None:
            self._undated.add(place)
            time_ms = self.times_ms[place] if kept_ms is None else kept_ms
        self.sources[place] = document
        self.times_ms[place] = time_ms
        self._show(place, update, document)
        return True

    def _current(self, key: tuple[str, str], before: Known) -> tuple[bytes, int, bool] | None:
        """(source, time, whether it carries that time) of the document as it is before this operation."""
        place = self._latest.get(key)
        if place is not None:
            return self.sources[place], self.times_ms[place], place not in self._undated
        if before.seq not in self._found:
            self.lacking.add(before.seq)
            return None
        stored = self._found[before.seq]
        return None if stored is None else (stored.source, stored.ts_ms, stored.flags == TIME_GIVEN)

    def _show(self, place: int, update: Update, document: bytes) -> None:
        if update.shown is not None:
            self.got[place] = (update.shown, document)

    def _keep(self, place: int, replaced: int) -> None:
        self.places.append(place)
        self._replaced.append(replaced)

    def frame(self, bulk: Bulk) -> LogFrame:
        """What is to be stored."""
        places = self.places
        names: dict[str, int] = {}
        which = array("H", [names.setdefault(bulk.actions[place].index, len(names)) for place in places])
        flags = None
        if self._undated:
            flags = bytes(TIME_TAKEN if place in self._undated else TIME_GIVEN for place in places)
        return LogFrame(
            indices=tuple(names),
            times_ms=array("q", [self.times_ms[place] for place in places]),
            documents=[self.sources[place] for place in places],
            index_of=None if len(names) == 1 else which,
            flags=flags,
            ids=[bulk.ids[place] or "" for place in places],
            versions=array("I", [self.versions[place] for place in places]),
            replaced=array("q", self._replaced),
        )

    def outcome(self, bulk: Bulk, base: int, id_of: Callable[[int], str]) -> Outcome:
        """`base` is the number of the first that was stored."""
        numbers = [NOT_STORED] * len(bulk)
        for seq, place in enumerate(self.places, base):
            numbers[place] = seq
        for place, seq in self._seqs.items():  # nothing changed: still that of the version before
            numbers[place] = seq if seq >= 0 else base - 2 - seq
        ids = [
            name if name is not None else id_of(number) if number >= 0 else None
            for name, number in zip(bulk.ids, numbers, strict=True)
        ]
        return Outcome(
            ids=ids, seq_nos=numbers, results=self.results, versions=self.versions, errors=self.errors, got=self.got
        )
