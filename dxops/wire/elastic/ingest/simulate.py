"""`_ingest/pipeline/_simulate`, plain and verbose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument
from dxops.wire.elastic.ingest.document import Document, Dropped, ProcessorFailure
from dxops.wire.elastic.ingest.pipeline import Lookup, Pipeline, Processor, Run, read_pipeline
from dxops.wire.elastic.times import format_ms

MAX_DOCS: Final = 10_000
MAX_SHOWN: Final = 1_000_000  # values, or 64 characters each, in an answer: verbose ones have a copy for each processor

_META = ("_index", "_id", "_routing", "_version", "_version_type", "_if_seq_no", "_if_primary_term")


def simulate(
    body: object,
    lookup: Lookup,
    *,
    now_ms: int,
    name: str | None = None,
    verbose: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """The answer. `name` is the pipeline of the path, else the body has one. `tick` is called before each processor:
    what it raises ends everything. Raises `ElasticRefused`."""
    if not isinstance(body, dict):
        raise ElasticRefused(Fault(type="parse_exception", reason="request body is required"))
    pipeline = _pipeline(body, lookup, name)
    docs = body.get("docs")
    if not isinstance(docs, list) or not docs:
        reason = (
            "[docs] required property is missing" if docs is None else "must specify at least one document in [docs]"
        )
        raise ElasticRefused(illegal_argument(reason))
    if len(docs) > MAX_DOCS:
        raise ElasticRefused(illegal_argument(f"[docs] has more than {MAX_DOCS} documents"))
    documents = [_document(doc, number, now_ms) for number, doc in enumerate(docs)]
    showing = _Showing(lookup, tick)
    answer = showing.verbose if verbose else showing.plain
    try:
        return {"docs": [answer(document, pipeline) for document in documents]}
    except RecursionError:
        raise ElasticRefused(illegal_argument("a document is nested too deep to be shown")) from None


def _pipeline(body: dict[str, Any], lookup: Lookup, name: str | None) -> Pipeline:
    if name is None:
        if body.get("pipeline") is None:
            raise ElasticRefused(Fault(type="parse_exception", reason="[pipeline] required property is missing"))
        return read_pipeline("_simulate_pipeline", body["pipeline"])
    pipeline = lookup(name)
    if pipeline is None:
        raise ElasticRefused(illegal_argument(f"pipeline [{name[:200]}] does not exist"))
    return pipeline


def _document(doc: object, number: int, now_ms: int) -> Document:
    if not isinstance(doc, dict) or not isinstance(doc.get("_source"), dict):
        raise ElasticRefused(Fault(type="parse_exception", reason=f"[docs][{number}] needs [_source], an object"))
    meta = {"_index": "_index", "_id": "_id"} | {key: doc[key] for key in _META if doc.get(key) is not None}
    return Document(doc["_source"], meta, format_ms(now_ms))


class _Showing:
    """Runs documents, and shows what became of them within `MAX_SHOWN`."""

    def __init__(self, lookup: Lookup, tick: Callable[[], None]) -> None:
        self._lookup = lookup
        self._tick = tick
        self._left = MAX_SHOWN

    def plain(self, document: Document, pipeline: Pipeline) -> dict[str, Any] | None:
        document.run = run = Run(self._lookup, tick=self._tick)
        try:
            run.run(document, pipeline)
        except Dropped:
            return None
        except ProcessorFailure as failure:
            return {"error": failure.fault().to_value()["error"]}
        return {"doc": self._shown(document)}

    def verbose(self, document: Document, pipeline: Pipeline) -> dict[str, Any]:
        results: list[dict[str, Any]] = []

        def trace(
            processor: Processor, status: str, failure: ProcessorFailure | None, holds: bool | None, document: Document
        ) -> None:
            result: dict[str, Any] = {"processor_type": processor.kind, "status": status}
            if processor.description is not None:
                result["description"] = processor.description
            if processor.tag is not None:
                result["tag"] = processor.tag
            if holds is not None:
                result["if"] = {"condition": processor.condition_text, "result": holds}
            if failure is not None:
                error = failure.fault().to_value()["error"]
                result |= {"ignored_error": {"error": error}} if status == "error_ignored" else {"error": error}
            if status in ("success", "error_ignored"):
                result["doc"] = self._shown(document)
            results.append(result)

        document.run = run = Run(self._lookup, trace, self._tick)
        with suppress(Dropped, ProcessorFailure):  # the last result says so
            run.run(document, pipeline)
        return {"processor_results": results}

    def _shown(self, document: Document) -> dict[str, Any]:
        """A copy, since later processors go on changing the document."""
        hidden = ("_value", "_key")
        ingest = {name: value for name, value in document.ingest.items() if name not in hidden and value is not None}
        return {**document.meta, "_source": self._copied(document.source), "_ingest": self._copied(ingest)}

    def _copied(self, value: Any) -> Any:
        self._left -= 1 + (len(value) // 64 if isinstance(value, str) else 0)
        if self._left < 0:
            reason = "the simulation has too much to show; send fewer documents, or without [verbose]"
            raise ElasticRefused(illegal_argument(reason))
        if isinstance(value, dict):
            return {name: self._copied(item) for name, item in value.items()}
        return [self._copied(item) for item in value] if isinstance(value, list) else value
