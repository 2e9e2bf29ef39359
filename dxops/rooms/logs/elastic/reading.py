"""What the reading endpoints share: index expressions to streams, bodies, answers, faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dxops.base.errors import DxopsError, TooLarge, Unavailable
from dxops.base.remembered import Remembered
from dxops.rooms.logs.catalog import EMPTY, Catalog
from dxops.rooms.logs.elastic.access import CALLER
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.fields import RECEIVED
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.naming import Naming, Resolved, check_seen, naming_of, resolved, write_target
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.searching import Target
from dxops.rooms.logs.streams import stream_names
from dxops.rooms.logs.working import LATE
from dxops.wire import query_tree as tree
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, security
from dxops.wire.elastic.names import Options, read_options
from dxops.wire.es.errors import EsError, error_body
from dxops.wire.es.query import parse_query

_NAMES_S: Final = 2.0
_OLD_NAMES_S: Final = 30.0
_NAMINGS: Final = 64

NAME_PARAMETERS: Final = frozenset(
    {"ignore_unavailable", "allow_no_indices", "expand_wildcards", "ignore_throttled", "local", "master_timeout"}
)
QUERY_PARAMETERS: Final = frozenset({"q", "df", "default_operator", "analyzer", "analyze_wildcard", "lenient"})


class Names:
    """Index expressions, over the registered streams and those that have documents, as far as `CALLER` may see them."""

    def __init__(self, store: Rows, now_ms: Callable[[], int], registry: Registry | None = None) -> None:
        self._store = store
        self._now_ms = now_ms
        self._registry = registry
        self._namings: dict[tuple[str, ...] | None, tuple[Catalog, tuple[str, ...], Naming]] = {}
        self._with_documents = Remembered(self._names, fresh_s=_NAMES_S, old_s=_OLD_NAMES_S)

    async def naming(self) -> Naming:
        """Every name that there is for this caller."""
        caller = CALLER.get()
        patterns = None if caller is None else caller.streams
        catalog = EMPTY if self._registry is None else self._registry.catalog
        others = await self._others()
        known = self._namings.get(patterns)
        if known is None or known[0] is not catalog or known[1] != others:
            if len(self._namings) >= _NAMINGS:
                self._namings.clear()
            known = self._namings[patterns] = (catalog, others, naming_of(catalog, others, patterns=patterns))
        return known[2]

    async def resolved(self, expression: str, options: Options) -> Resolved:
        """Raises `ElasticRefused`: no such index, or not for this caller."""
        naming = await self.naming()
        caller = CALLER.get()
        check_seen(expression, None if caller is None else caller.streams, naming, self._now_ms())
        return resolved(expression, naming, options, now_ms=self._now_ms())

    async def streams(self, expression: str, parameters: Mapping[str, str]) -> tuple[str, ...]:
        """Raises `ElasticRefused`: no such index; an alias with a filter, which only searches know."""
        found = await self.resolved(expression, read_options(parameters))
        if found.filters:
            reason = "an alias with a filter cannot be used here; name the indices"
            raise ElasticRefused(illegal_argument(reason))
        return found.streams

    async def target(self, expression: str, parameters: Mapping[str, str], upper_seq: int | None = None) -> Target:
        """Where to search. Raises `ElasticRefused`: no such index."""
        found = await self.resolved(expression, read_options(parameters))
        return Target(found.streams, upper_seq, _only(found) if found.filters or found.spans else None)

    def written(self, name: str) -> str:
        """The stream that documents sent to a name go to. Raises `ElasticRefused`: an alias without a write index."""
        return write_target(EMPTY if self._registry is None else self._registry.catalog, name)

    def declared(self, stream: str) -> Mapping[str, Any]:
        """The mapping that was put for a stream."""
        known = None if self._registry is None else self._registry.catalog.streams.get(stream)
        return {} if known is None else known.mappings

    def forget(self) -> None:
        """Ask the store again which streams have documents."""
        self._with_documents.forget()

    async def _others(self) -> tuple[str, ...]:
        """Streams with documents. Asked every few seconds where everything that comes is registered anyway; without
        the store what was known last."""
        if self._registry is None:
            return tuple(await stream_names(self._store))
        try:
            return await self._with_documents.get()
        except Unavailable:
            last = self._with_documents.last() or ()
            if not last and not self._registry.catalog.streams:
                raise
            return last

    async def _names(self) -> tuple[str, ...]:
        return tuple(await stream_names(self._store))


def _only(found: Resolved) -> tree.Node:
    """What the filters of aliases let through, and what backing indices hold."""
    partly = tuple(dict.fromkeys([*found.filters, *found.spans]))
    clauses: list[tree.Node] = [tree.Not(tree.Term(("_index",), partly))]
    for stream in partly:
        either = [parse_query(each) for each in found.filters.get(stream, ())]
        either += [tree.Range((RECEIVED,), gte=span.from_ms, lt=span.to_ms) for span in found.spans.get(stream, ())]
        clauses.append(tree.And((tree.Term(("_index",), (stream,)), tree.Or(tuple(either)))))
    return tree.Or(tuple(clauses))


def answered(asked: Asked, value: Any, status: int = 200) -> Answer:
    """A value as this caller wants it."""
    return Answer(status=status, body=asked.answering.encode(value), content_type=asked.answering.content_type)


def may_read(asked: Asked) -> None:
    """Raises `ElasticRefused` (403)."""
    if not asked.caller.may_read:
        reason = f"action [indices:data/read/search] is unauthorized for [{asked.caller.tenant}]"
        raise ElasticRefused(security(reason, status=403))


def keeps_bytes(asked: Asked) -> bool:
    """Whether `_source` may go into the answer as bytes: not where `filter_path` looks into it."""
    return asked.answering.filter_path is None


def read_fault(error: Exception, source: bytes = b"") -> Fault | None:
    """A codec's refusal, or a cap that a query met, in Elasticsearch's shape; None for other errors.

    A cap is the request's fault (400): clients repeat what is answered 429 or 503, which would not help here.
    """
    if isinstance(error, EsError):
        cause = dict(error_body(error, source)["error"]["root_cause"][0])
        extra = {key: value for key, value in cause.items() if key in ("line", "col")}
        reason = f"{error.reason} ({error.hint})" if error.hint else error.reason
        return Fault(type=error.type, reason=reason, status=error.status, extra=extra)
    if isinstance(error, TooLarge) and (error.code == LATE or error.code.startswith("clickhouse_")):
        cause_ = Fault(type="circuit_breaking_exception", reason=f"{error.message} ({error.hint})")
        return Fault(
            type="search_phase_execution_exception", reason="all shards failed", extra={"phase": "query"},
            caused_by=cause_, root=cause_,
        )  # fmt: skip
    return None


def refuse(error: DxopsError, body: bytes = b"") -> None:
    """Raise it in Elasticsearch's words where it has special ones. `body` is where it was found."""
    fault = read_fault(error, body)
    if fault is not None:
        raise ElasticRefused(fault) from error
