"""Ingest pipelines run on a batch: before it is decided where its documents go and what its operations do.

In threads of their own: a thousand documents through grok take a tenth of a second, in which others are served (regular
expressions run without the interpreter's lock). Each pattern is bounded in time by the codec; here the batch is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from dxops.rooms.logs.pipelines import Pipelines
from dxops.wire.elastic.bulk import Bulk, time_of_document
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.documents import BadSource, read_document, write_document
from dxops.wire.elastic.errors import Fault, illegal_argument, invalid_index_name, rejected_execution
from dxops.wire.elastic.ingest.document import Document, ProcessorFailure
from dxops.wire.elastic.ingest.pipeline import ingest
from dxops.wire.elastic.names import index_name_fault

NO_PIPELINE: Final = "_none"
_SLOW_S: Final = 0.1
_BUDGET_S: Final = 2.0
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Piping:
    """One per process. `close` ends its threads."""

    def __init__(self, pipelines: Pipelines) -> None:
        self.pipelines = pipelines
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="pipelines")

    async def run(self, bulk: Bulk, *, now_ms: int, legacy: bool = False) -> None:
        """Change the batch to what its pipelines make of it: sources, times, ids, indices, errors, what is dropped.

        Order stays as it is. Does nothing, at the price of a look at each distinct action, where no pipeline applies.
        """
        run = _Run(self.pipelines, bulk, now_ms, legacy)
        if run.applies:
            await asyncio.get_running_loop().run_in_executor(self._threads, run.all)

    def close(self) -> None:
        """Does not wait for what runs."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Run:
    def __init__(self, pipelines: Pipelines, bulk: Bulk, now_ms: int, legacy: bool) -> None:
        self._pipelines = pipelines
        self._bulk = bulk
        self._now_ms = now_ms
        self._legacy = legacy
        self._undated = set(bulk.undated)
        self._moved: dict[tuple[int, str], Action] = {}
        self._slow_s = 0.0
        self._ways = {id(action): self._way(action) for action in bulk.distinct()}
        self.applies = any(first or final for first, final in self._ways.values())

    def _way(self, action: Action) -> tuple[str | None, str | None]:
        """The request's pipeline, or else the index's; and the one that comes last."""
        if action.op == "delete" or action.fault is not None:
            return None, None
        of_index = self._pipelines.of_index(action.index)
        first = of_index.default if action.pipeline is None else action.pipeline
        return (None if first == NO_PIPELINE else first), (None if of_index.final == NO_PIPELINE else of_index.final)

    def all(self) -> None:
        bulk = self._bulk
        for place, action in enumerate(bulk.actions):
            first, final = self._ways[id(action)]
            if (not first and not final) or place in bulk.errors:
                continue
            if self._slow_s > _BUDGET_S:
                reason = f"the pipelines of this request took {_BUDGET_S:.0f} s for its slow documents; send it again"
                bulk.errors[place] = rejected_execution(reason)
                continue
            started = time.perf_counter()
            self._one(place, action, first)
            took_s = time.perf_counter() - started
            if took_s > _SLOW_S:
                self._slow_s += took_s
        bulk.undated = sorted(self._undated)
        bulk.has_ids = any(name is not None for name in bulk.ids)
        one = bulk.actions[0]
        bulk.uniform = one if all(action is one for action in bulk.actions) else None
        bulk.known = None

    def _one(self, place: int, action: Action, first: str | None) -> None:
        bulk = self._bulk
        try:
            source = _piped_part(bulk.sources[place]) if action.op == "update" else bulk.sources[place]
            if source is None:
                return  # an update that makes no document
            document = self._through(read_document(source), action, bulk.ids[place], first)
            if document is None:
                bulk.dropped.add(place)
                return
            made = write_document(document.source)
        except ProcessorFailure as failure:
            bulk.errors[place] = failure.fault()
            return
        except BadSource as bad:
            bulk.errors[place] = illegal_argument(bad.reason)
            return
        bulk.sources[place] = _with_part(bulk.sources[place], made) if action.op == "update" else made
        self._meta(place, action, document)
        if action.op != "update":
            self._time(place, made)

    def _through(
        self, source: dict[str, object], action: Action, name: str | None, first: str | None
    ) -> Document | None:
        """Raises `ProcessorFailure`."""
        document = self._ingested(source, (first,) if first else (), action.index, name, action.routing)
        if document is None:
            return None
        index = str(document.meta.get("_index", action.index))
        final = self._pipelines.of_index(index).final
        if not final or final == NO_PIPELINE:
            return document
        id_ = document.meta.get("_id")
        last = self._ingested(document.source, (final,), index, None if id_ is None else str(id_), action.routing)
        if last is not None and last.meta.get("_index", index) != index:
            to = str(last.meta["_index"])[:200]
            raise ProcessorFailure(f"final pipeline [{final}] can't change the target index (from [{index}] to [{to}])")
        return last

    def _ingested(
        self, source: dict[str, object], names: Sequence[str], index: str, name: str | None, routing: str | None
    ) -> Document | None:
        return ingest(
            source, names, self._pipelines.pipeline, now_ms=self._now_ms, index=index, id_=name, routing=routing
        )

    def _meta(self, place: int, action: Action, document: Document) -> None:
        id_ = document.meta.get("_id")
        self._bulk.ids[place] = None if id_ in (None, "") else str(id_)
        index = str(document.meta.get("_index") or action.index)
        if index == action.index:
            return
        moved = self._moved.get((id(action), index))
        if moved is None:
            why = index_name_fault(index)
            fault: Fault | None = None if why is None else invalid_index_name(index, why)
            moved = msgspec.structs.replace(action, index=index, require_alias=False, fault=fault)
            self._moved[id(action), index] = moved
        if moved.fault is not None:
            self._bulk.errors[place] = moved.fault
        self._bulk.actions[place] = moved

    def _time(self, place: int, source: bytes) -> None:
        time_ms = time_of_document(source, self._bulk.ids[place], legacy=self._legacy)
        if isinstance(time_ms, Fault):
            self._bulk.errors[place] = time_ms
            return
        (self._undated.add if time_ms is None else self._undated.discard)(place)
        self._bulk.times_ms[place] = self._now_ms if time_ms is None else time_ms


def _piped_part(source: bytes) -> bytes | None:
    """Of an update, what would be a new document: pipelines see nothing else of it."""
    body = _decode_object(source)
    if body.get("doc_as_upsert") is not None and bytes(body["doc_as_upsert"]).strip() == b"true":
        return bytes(body["doc"])
    return bytes(body["upsert"]) if "upsert" in body else None


def _with_part(source: bytes, made: bytes) -> bytes:
    body = _decode_object(source)
    as_upsert = body.get("doc_as_upsert")
    part = "doc" if as_upsert is not None and bytes(as_upsert).strip() == b"true" else "upsert"
    return msgspec.json.encode({**body, part: msgspec.Raw(made)})
