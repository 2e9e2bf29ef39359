"""Many documents by a query: deleted, written again, copied. Page by page over what was loaded at the start."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec

from dxops.rooms.logs.piping import Piping
from dxops.rooms.logs.recent import Stored
from dxops.rooms.logs.searching import Searcher, Target
from dxops.rooms.logs.working import Check
from dxops.rooms.logs.writing import Change, Writing
from dxops.wire import query_tree as tree
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.bulk import Bulk
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.bulk_answer import Outcome
from dxops.wire.elastic.documents import read_document, write_document
from dxops.wire.elastic.errors import Fault, illegal_argument, version_conflict
from dxops.wire.es.fields import SourceFilter, filter_source
from dxops.wire.logs.frame import TIME_GIVEN, TIME_TAKEN

_MAX_FAILURES: Final = 100


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What to go through. `max_docs` None: all. `per_s` None: no limit. `proceeds`: past version conflicts."""

    query: tree.Node
    target: Target
    max_docs: int | None = None
    proceeds: bool = False
    page: int = 1000
    per_s: float | None = None
    tenant: str = ""


class Progress:
    """What was done so far: the answer at the end, the status before."""

    def __init__(self, per_s: float | None) -> None:
        self.total = self.created = self.updated = self.deleted = self.noops = self.batches = self.conflicts = 0
        self.throttled_s = 0.0
        self.failures: list[dict[str, Any]] = []
        self.end = 0
        self._per_s = per_s
        self._started = time.perf_counter()

    def status(self) -> dict[str, Any]:
        """As the original shows it."""
        return {
            "total": self.total, "updated": self.updated, "created": self.created, "deleted": self.deleted,
            "batches": self.batches, "version_conflicts": self.conflicts, "noops": self.noops,
            "retries": {"bulk": 0, "search": 0}, "throttled_millis": int(self.throttled_s * 1000),
            "requests_per_second": self._per_s or -1.0, "throttled_until_millis": 0,
        }  # fmt: skip

    def answer(self) -> dict[str, Any]:
        """The whole answer."""
        took = int((time.perf_counter() - self._started) * 1000)
        return {"took": took, "timed_out": False, **self.status(), "failures": self.failures}

    def fail(self, index: str, name: str, fault: Fault) -> None:
        """Note what went wrong with a document."""
        if len(self.failures) < _MAX_FAILURES:
            self.failures.append({"index": index, "id": name, "cause": fault.cause(), "status": fault.status})

    async def pause(self, documents: int, started: float) -> None:
        """Keep to the rate that was asked for."""
        if self._per_s:
            wait_s = documents / self._per_s - (time.perf_counter() - started)
            if wait_s > 0:
                self.throttled_s += wait_s
                await asyncio.sleep(wait_s)


class Changing:
    """Each method works until all is done, or something fails; `progress` says how far it came. Raises `Unavailable`
    while the store is away, `SpoolFull`; what was done stays done."""

    def __init__(
        self, searcher: Searcher, writing: Writing, piping: Piping, ids: AutoIds, now_ms: Callable[[], int]
    ) -> None:
        self._searcher = searcher
        self._writing = writing
        self._piping = piping
        self._ids = ids
        self._now_ms = now_ms

    async def delete(self, wish: Wish, progress: Progress) -> None:
        """Delete what matches."""
        async for page in self._pages(wish, progress, whole=False):
            changes = [Change(each, b"", each.ts_ms, each.flags) for each in page]
            progress.deleted += await self._change(wish, progress, changes)
            if progress.failures:
                return

    async def update(self, wish: Wish, progress: Progress, pipeline: str | None) -> None:
        """Write what matches again, through a pipeline or its index's own."""
        async for page in self._pages(wish, progress, whole=True):
            changes = await self._piped(page, progress, pipeline)
            progress.updated += await self._change(wish, progress, changes)
            if progress.failures:
                return

    async def copy(
        self,
        wish: Wish,
        progress: Progress,
        action: Action,
        shown: SourceFilter,
        store: Callable[[Bulk], Awaitable[tuple[Outcome, int]]],
    ) -> None:
        """Write what matches as `action` says, with its ids."""
        async for page in self._pages(wish, progress, whole=True):
            bulk = self._bulk(page, [action] * len(page))
            if shown.includes or shown.excludes:
                bulk.sources = await self._searcher.workers.run(_filtering(bulk.sources, shown))
            outcome, end = await store(bulk)
            progress.end = max(progress.end, end)
            results = outcome.results or ["created"] * len(bulk)
            for place, result in enumerate(results):
                fault = outcome.errors.get(place)
                if fault is None:
                    progress.created += result == "created"
                    progress.updated += result == "updated"
                    progress.noops += result == "noop"
                    continue
                progress.conflicts += fault.status == 409
                if fault.status != 409 or not wish.proceeds:
                    progress.fail(bulk.actions[place].index, bulk.ids[place] or "", fault)
            if progress.failures:
                return

    async def _pages(self, wish: Wish, progress: Progress, *, whole: bool) -> AsyncIterator[list[Stored]]:
        target = msgspec.structs.replace(wish.target, upper_seq=await self._searcher.last_seq())
        total = await self._searcher.count(wish.query, target)
        left = total if wish.max_docs is None else min(total, wish.max_docs)
        progress.total = left
        after: tuple[int, int] | None = None
        while left > 0:
            started = time.perf_counter()
            size = min(wish.page, left)
            page = await self._searcher.page(wish.query, target, after=after, size=size, whole=whole)
            if not page:
                return
            progress.batches += 1
            yield page
            after = (page[-1].ts_ms, page[-1].seq)
            left -= len(page)
            if left > 0:
                await progress.pause(len(page), started)

    async def _change(self, wish: Wish, progress: Progress, changes: list[Change]) -> int:
        """How many were changed."""
        if not changes:
            return 0
        conflicts, end = await self._writing.change(changes, tenant=wish.tenant)
        progress.end = max(progress.end, end)
        progress.conflicts += len(conflicts)
        if not wish.proceeds:
            for place in sorted(conflicts):
                stored = changes[place].stored
                name = stored.id or self._ids.id_of(stored.seq)
                why = f"required seqNo [{stored.seq}], primary term [1]. the document was changed meanwhile"
                progress.fail(stored.stream, name, version_conflict(stored.stream, name, why))
        return len(changes) - len(conflicts)

    async def _piped(self, page: list[Stored], progress: Progress, pipeline: str | None) -> list[Change]:
        actions: dict[str, Action] = {}
        wanted = [
            actions.setdefault(each.stream, Action(op="index", index=each.stream, pipeline=pipeline)) for each in page
        ]
        bulk = self._bulk(page, wanted)
        names = list(bulk.ids)
        await self._piping.run(bulk, now_ms=self._now_ms())
        changes = []
        undated = set(bulk.undated)
        for place, stored in enumerate(page):
            fault = bulk.errors.get(place)
            if fault is None and (bulk.actions[place].index != stored.stream or bulk.ids[place] != names[place]):
                fault = illegal_argument("a pipeline of _update_by_query cannot change [_index] or [_id]; use _reindex")
            if fault is not None:
                progress.fail(stored.stream, names[place] or "", fault)
            elif place in bulk.dropped:
                progress.noops += 1
            else:
                kept = place in undated  # a document without a time of its own stays where it is
                ts_ms = stored.ts_ms if kept else bulk.times_ms[place]
                changes.append(Change(stored, bulk.sources[place], ts_ms, TIME_TAKEN if kept else TIME_GIVEN))
        return changes

    def _bulk(self, page: list[Stored], actions: list[Action]) -> Bulk:
        one = actions[0]
        return Bulk(
            actions=actions,
            ids=[each.id or self._ids.id_of(each.seq) for each in page],
            sources=[each.source for each in page],
            times_ms=array("q", [each.ts_ms for each in page]),
            undated=[place for place, each in enumerate(page) if each.flags != TIME_GIVEN],
            errors={},
            uniform=one if all(action is one for action in actions) else None,
            has_ids=True,
        )


def _filtering(sources: list[bytes], shown: SourceFilter) -> Callable[[Check], list[bytes]]:
    def filtered(check: Check) -> list[bytes]:
        made = []
        for each in sources:
            check()
            made.append(write_document(filter_source(read_document(each), shown)))
        return made

    return filtered
