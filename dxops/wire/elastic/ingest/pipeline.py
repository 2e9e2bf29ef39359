"""Pipelines: a definition read as a whole (every fault at once), and run on a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeGuard

import msgspec

from dxops.wire.elastic.errors import ElasticRefused, Fault
from dxops.wire.elastic.ingest import fields_processors as fields
from dxops.wire.elastic.ingest import flow_processors as flow
from dxops.wire.elastic.ingest import parse_processors as parse
from dxops.wire.elastic.ingest import text_processors as texts
from dxops.wire.elastic.ingest.conditions import read_condition
from dxops.wire.elastic.ingest.document import Document, Dropped, ProcessorFailure
from dxops.wire.elastic.ingest.options import DefinitionFault, Options
from dxops.wire.elastic.times import format_ms

Work = Callable[[Document], None]

MAX_PROCESSORS: Final = 2000  # in one definition, nested ones included
MAX_NESTING: Final = 20
MAX_CALLS: Final = 40  # pipelines within pipelines
MAX_STEPS: Final = 20_000  # per document

_BUILDERS: Final[Mapping[str, Callable[[Options], Work]]] = {
    "append": fields.build_append, "convert": fields.build_convert, "dot_expander": fields.build_dot_expander,
    "fingerprint": fields.build_fingerprint, "geoip": fields.build_untouched, "remove": fields.build_remove,
    "rename": fields.build_rename, "set": fields.build_set, "user_agent": fields.build_untouched,
    "bytes": texts.on_text(texts.read_bytes), "gsub": texts.build_gsub, "html_strip": texts.on_text(texts.strip_html),
    "join": texts.build_join, "lowercase": texts.on_text(str.lower), "split": texts.build_split,
    "trim": texts.on_text(str.strip), "uppercase": texts.on_text(str.upper), "uri_parts": texts.build_uri_parts,
    "urldecode": texts.on_text(texts.decode_url), "csv": parse.build_csv, "date": parse.build_date,
    "dissect": parse.build_dissect, "grok": parse.build_grok, "json": parse.build_json, "kv": parse.build_kv,
    "drop": flow.build_drop, "fail": flow.build_fail, "foreach": flow.build_foreach, "pipeline": flow.build_pipeline,
}  # fmt: skip

PROCESSORS: Final = tuple(sorted(_BUILDERS))


class Processor(msgspec.Struct, frozen=True):
    """One processor, ready to run. `on_failure` None: it has none."""

    kind: str
    work: Work
    tag: str | None = None
    description: str | None = None
    condition_text: str | None = None
    condition: Callable[[Document], bool] | None = None
    ignore_failure: bool = False
    on_failure: tuple[Processor, ...] | None = None


class Pipeline(msgspec.Struct, frozen=True):
    """A definition that was checked. `calls` are the pipelines that it names; keep the definition as it was sent."""

    name: str
    processors: tuple[Processor, ...]
    on_failure: tuple[Processor, ...] | None
    calls: frozenset[str]


Lookup = Callable[[str], Pipeline | None]
Trace = Callable[[Processor, str, ProcessorFailure | None, bool | None, Document], None]


def read_pipeline(name: str, definition: object) -> Pipeline:
    """Raises `ElasticRefused` (400, `parse_exception`): the first fault, the others as `suppressed`."""
    reader = _Reader()
    if not isinstance(definition, dict):
        raise ElasticRefused(Fault(type="parse_exception", reason="a pipeline is an object with [processors]"))
    unknown = set(definition) - {"processors", "on_failure", "description", "version", "_meta", "deprecated"}
    unknown -= {"created_date", "created_date_millis", "modified_date", "modified_date_millis"}
    if unknown:
        names = ", ".join(sorted(unknown))[:300]
        reason = f"pipeline [{name}] doesn't support one or more provided configuration parameters [{names}]"
        reader.faults.append(DefinitionFault("", reason))
    if definition.get("processors") is None:
        reader.faults.append(DefinitionFault("", "required property is missing", property_name="processors"))
    processors = reader.several(definition.get("processors", []), "processors", 0)
    on_failure = None
    if definition.get("on_failure") is not None:
        on_failure = reader.chain(definition["on_failure"], "on_failure", 0, None)
    if reader.faults:
        raise ElasticRefused(_refusal(reader.faults))
    return Pipeline(name, processors, on_failure, frozenset(reader.calls))


def _refusal(faults: Sequence[DefinitionFault]) -> Fault:
    first = faults[0].fault()
    others = [fault.fault().cause() for fault in faults[1:100]]
    extra = {**first.extra, "suppressed": others} if others else first.extra
    return Fault(type=first.type, reason=first.reason, extra=extra, root=first)


class _Reader:
    def __init__(self) -> None:
        self.faults: list[DefinitionFault] = []
        self.calls: set[str] = set()
        self._count = 0

    def several(self, definitions: object, place: str, depth: int) -> tuple[Processor, ...]:
        if not isinstance(definitions, list):
            self.faults.append(DefinitionFault(place, "property isn't a list", property_name=place))
            return ()
        return tuple(self.one(item, f"{place}[{number}]", depth) for number, item in enumerate(definitions))

    def chain(self, definitions: object, place: str, depth: int, options: Options | None) -> tuple[Processor, ...]:
        if definitions == []:
            kind = options.kind if options is not None else None
            reason = "processors list cannot be empty"
            self.faults.append(DefinitionFault(place, reason, kind, "on_failure", options.tag if options else None))
        return self.several(definitions, place, depth)

    def one(self, definition: object, place: str, depth: int) -> Processor:
        self._count += 1
        if not _is_named_object(definition):
            self.faults.append(
                DefinitionFault(place, "a processor is an object with one name, whose value is an object")
            )
            return Processor("", _nothing)
        if self._count > MAX_PROCESSORS or depth > MAX_NESTING:
            limit = f"a pipeline has at most {MAX_PROCESSORS} processors, nested at most {MAX_NESTING} deep"
            if not self.faults or self.faults[-1].reason != limit:
                self.faults.append(DefinitionFault(place, limit))
            return Processor("", _nothing)
        ((kind, config),) = definition.items()
        options = Options(kind, config, place, self.faults, lambda inner, at: self._nested(inner, at, depth + 1))
        return self._build(kind, options, depth)

    def _nested(self, definition: Any, place: str, depth: int) -> Work:
        processor = self.one(definition, place, depth)
        return lambda document: run_processors(document, (processor,))

    def _build(self, kind: str, options: Options, depth: int) -> Processor:
        options.take("tag", None)
        description = options.optional_text("description")
        condition_text = options.optional_text("if")
        condition = options.read("if", read_condition, condition_text) if condition_text is not None else None
        ignore_failure = options.flag("ignore_failure")
        chain = options.take("on_failure", None)
        on_failure = None
        if chain is not None:
            on_failure = self.chain(chain, f"{options.place}.on_failure", depth + 1, options)
        builder = _BUILDERS.get(kind)
        if builder is None:
            reason = flow.REFUSED.get(kind)
            known = f"No processor type exists with name [{kind[:100]}]; there are {', '.join(PROCESSORS)}"
            options.fault(f"processor [{kind}] is not supported: {reason}" if reason else known)
            return Processor(kind, _nothing)
        work = builder(options)
        options.finish()
        self.calls |= options.calls
        return Processor(kind, work, options.tag, description, condition_text, condition, ignore_failure, on_failure)


def _is_named_object(definition: object) -> TypeGuard[dict[str, dict[str, Any]]]:
    if not isinstance(definition, dict) or len(definition) != 1:
        return False
    return all(isinstance(config, dict) for config in definition.values())


def _nothing(_document: Document) -> None:
    """Stands for a processor whose definition is refused anyway."""


class Run:
    """The state of one document's way through its pipelines."""

    def __init__(self, lookup: Lookup, trace: Trace | None = None, tick: Callable[[], None] | None = None) -> None:
        """`tick` is called before each processor; what it raises ends the run."""
        self._lookup = lookup
        self._tick = tick
        self.trace = trace
        self.stack: list[str] = []
        self._steps = 0

    def step(self) -> None:
        """Counts. Raises `ProcessorFailure` when pipelines multiply each other."""
        self._steps += 1
        if self._tick is not None:
            self._tick()
        if self._steps > MAX_STEPS:
            raise ProcessorFailure(f"more than {MAX_STEPS} processors ran on one document")

    def call(self, document: Document, name: str, *, ignore_missing: bool = False) -> None:
        """Runs a pipeline by name. Raises `ProcessorFailure` for a cycle or an unknown name."""
        pipeline = self._lookup(name)
        if pipeline is None:
            if ignore_missing:
                return
            raise ProcessorFailure(f"Pipeline processor configured for non-existent pipeline [{name[:200]}]")
        if name in self.stack or len(self.stack) >= MAX_CALLS:
            way = " -> ".join([*self.stack, name])[:500]
            raise ProcessorFailure(f"Cycle detected for pipeline: {name[:200]} ({way})", "graph_structure_exception")
        self.run(document, pipeline)

    def run(self, document: Document, pipeline: Pipeline) -> None:
        """Raises `ProcessorFailure` unless the pipeline handles it, and `Dropped`."""
        self.stack.append(pipeline.name)
        outer = document.ingest.get("pipeline")
        document.ingest["pipeline"] = pipeline.name
        try:
            run_processors(document, pipeline.processors)
        except ProcessorFailure as failure:
            if pipeline.on_failure is None:
                raise
            _handle(document, pipeline.on_failure, failure)
        finally:
            self.stack.pop()
            document.ingest.pop("pipeline", None)
            if outer is not None:
                document.ingest["pipeline"] = outer


def run_processors(document: Document, processors: Sequence[Processor]) -> None:
    """One after the other. Raises `ProcessorFailure` and `Dropped`."""
    for processor in processors:
        _run_one(document, processor)


def _run_one(document: Document, processor: Processor) -> None:
    run: Run = document.run
    run.step()
    holds: bool | None = None
    try:
        if processor.condition is not None:
            holds = processor.condition(document)
        if holds is not False:
            processor.work(document)
    except Dropped:
        if run.trace is not None:
            run.trace(processor, "dropped", None, holds, document)
        raise
    except ProcessorFailure as failure:
        _failed(document, processor, failure, holds)
        return
    except (RecursionError, ArithmeticError, LookupError, TypeError, ValueError, ElasticRefused) as error:
        reason = f"the processor [{processor.kind}] cannot handle this document: {type(error).__name__}: {error}"
        _failed(document, processor, ProcessorFailure(reason[:1000]), holds)
        return
    if run.trace is not None and (processor.kind != "pipeline" or holds is False):
        run.trace(processor, "skipped" if holds is False else "success", None, holds, document)


def _failed(document: Document, processor: Processor, failure: ProcessorFailure, holds: bool | None) -> None:
    """Ignores, handles or raises the failure."""
    run: Run = document.run
    if not failure.processor_type:
        failure.processor_type, failure.processor_tag = processor.kind, processor.tag
        failure.pipeline = run.stack[-1] if run.stack else ""
    if run.trace is not None:
        run.trace(processor, "error_ignored" if processor.ignore_failure else "error", failure, holds, document)
    if processor.ignore_failure:
        return
    if processor.on_failure is None:
        raise failure
    _handle(document, processor.on_failure, failure)


def _handle(document: Document, chain: Sequence[Processor], failure: ProcessorFailure) -> None:
    names = {
        "on_failure_message": failure.reason,
        "on_failure_processor_type": failure.processor_type,
        "on_failure_processor_tag": failure.processor_tag,
        "on_failure_pipeline": failure.pipeline,
        "on_failure_type": failure.processor_type,
        "on_failure_tag": failure.processor_tag,
    }
    before = {name: document.ingest[name] for name in names if name in document.ingest}
    document.ingest |= names
    try:
        run_processors(document, chain)
    finally:
        for name in names:
            document.ingest.pop(name, None)
        document.ingest |= before


def ingest(
    source: dict[str, Any],
    pipelines: Sequence[str],
    lookup: Lookup,
    *,
    now_ms: int,
    index: str,
    id_: str | None = None,
    routing: str | None = None,
) -> Document | None:
    """The document after its pipelines (the request's, then the index's final one); None when it was dropped.

    `source` is changed. `meta` of the result has `_index`, `_id` and `_routing` as the pipelines left them. Raises
    `ProcessorFailure`, whose `fault()` is the item's error.
    """
    meta = {"_index": index, "_id": id_, "_routing": routing}
    run = Run(lookup)
    document = Document(
        source, {name: value for name, value in meta.items() if value is not None}, format_ms(now_ms), run
    )
    try:
        for name in pipelines:
            pipeline = lookup(name)
            if pipeline is None:
                raise ProcessorFailure(f"pipeline with id [{name[:200]}] does not exist")
            run.run(document, pipeline)
    except Dropped:
        return None
    return document


def find_loops(pipelines: Mapping[str, Pipeline]) -> list[list[str]]:
    """Chains of pipelines that lead back to their start, by the names that are written out; [] if there is none."""
    loops: list[list[str]] = []
    done: set[str] = set()
    for start in sorted(pipelines):
        way: list[str] = []
        todo: list[str | None] = [start]  # None: leave the last of the way
        while todo:
            name = todo.pop()
            if name is None:
                done.add(way.pop())
            elif name in way:
                loops.append([*way[way.index(name) :], name])
            elif name in pipelines and name not in done:
                way.append(name)
                todo += [None, *sorted(pipelines[name].calls, reverse=True)]
    return loops
