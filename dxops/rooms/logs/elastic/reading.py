"""What the reading endpoints share: index expressions to streams, bodies, answers, faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

from dxops.base.errors import TooLarge
from dxops.rooms.logs.elastic.asking import Answer, Asked, Gone, Receive
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.streams import stream_names
from dxops.wire.elastic.errors import ElasticRefused, Fault, security
from dxops.wire.elastic.names import Known, read_options, resolve
from dxops.wire.es.errors import EsError, error_body

T = TypeVar("T")

NAME_PARAMETERS: Final = frozenset(
    {"ignore_unavailable", "allow_no_indices", "expand_wildcards", "ignore_throttled", "local", "master_timeout"}
)


class Names:
    """Index expressions, over the streams that have documents."""

    def __init__(self, store: Rows, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms

    async def streams(self, expression: str, parameters: Mapping[str, str]) -> tuple[str, ...]:
        """Raises `ElasticRefused`: no such index."""
        options = read_options(parameters)
        known = Known(indices=await stream_names(self._store))
        return tuple(resolve(expression, known, options, now_ms=self._now_ms()))


def answered(asked: Asked, value: Any, status: int = 200) -> Answer:
    """A value as this caller wants it."""
    return Answer(status=status, body=asked.answering.encode(value), content_type=asked.answering.content_type)


async def while_connected(asked: Asked, work: Coroutine[Any, Any, T]) -> T:
    """`work`'s result; ended when the caller goes away, and its query with it. Only after the body was read.

    Raises `Gone`.
    """
    running = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(asked.receive))
    try:
        await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise Gone
        return running.result()
    finally:
        for task in (running, gone):
            task.cancel()
        await asyncio.gather(running, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


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
    if isinstance(error, TooLarge) and error.code.startswith("clickhouse_"):
        cause_ = Fault(type="circuit_breaking_exception", reason=f"{error.message} ({error.hint})")
        return Fault(
            type="search_phase_execution_exception", reason="all shards failed", extra={"phase": "query"},
            caused_by=cause_, root=cause_,
        )  # fmt: skip
    return None
