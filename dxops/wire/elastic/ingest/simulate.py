"""`_ingest/pipeline/_simulate`, plain and verbose."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument
from dxops.wire.elastic.ingest.document import Document, Dropped, ProcessorFailure
from dxops.wire.elastic.ingest.pipeline import Lookup, Pipeline, Processor, Run, read_pipeline
from dxops.wire.elastic.times import format_ms

MAX_DOCS: Final = 10_000

_META = ("_index", "_id", "_routing", "_version", "_version_type", "_if_seq_no", "_if_primary_term")


def simulate(
    body: object, lookup: Lookup, *, now_ms: int, name: str | None = None, verbose: bool = False
) -> dict[str, Any]:
    """The answer. `name` is the pipeline of the path, else the body has one. Raises `ElasticRefused`."""
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
    answer = _verbose if verbose else _plain
    try:
        return {"docs": [answer(document, pipeline, lookup) for document in documents]}
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


def _shown(document: Document) -> dict[str, Any]:
    """A copy, since later processors go on changing the document."""
    hidden = ("_value", "_key")
    ingest = {name: value for name, value in document.ingest.items() if name not in hidden and value is not None}
    return {**document.meta, "_source": _copied(document.source), "_ingest": _copied(ingest)}


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _plain(document: Document, pipeline: Pipeline, lookup: Lookup) -> dict[str, Any] | None:
    document.run = run = Run(lookup)
    try:
        run.run(document, pipeline)
    except Dropped:
        return None
    except ProcessorFailure as failure:
        return {"error": failure.fault().to_value()["error"]}
    return {"doc": _shown(document)}


def _verbose(document: Document, pipeline: Pipeline, lookup: Lookup) -> dict[str, Any]:
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
            result["doc"] = _shown(document)
        results.append(result)

    document.run = run = Run(lookup, trace)
    with suppress(Dropped, ProcessorFailure):  # the last result says so
        run.run(document, pipeline)
    return {"processor_results": results}
