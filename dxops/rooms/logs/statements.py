"""Running the explorer's statements: within caps of time and size, and with the SQL that ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import msgspec

from dxops.base.errors import TooLarge
from dxops.base.remembered import Remembered
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.times import Times

T = TypeVar("T")

MAX_SECONDS: Final = 20
CAPS: Final[Mapping[str, object]] = {
    "max_query_size": 16 << 20,
    "max_result_bytes": 64 << 20,
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
}
"""Of every statement: one that meets them is refused, never cut silently. `max_execution_time` goes beside them."""
_DEAD_S: Final = 1.0


class Asked(msgspec.Struct, Generic[T], frozen=True):
    """An answer and the statement it came from."""

    answer: T
    sql: str


@contextmanager
def capped() -> Iterator[None]:
    """A cap that a query met, as the explorer says it."""
    try:
        yield
    except TooLarge as error:
        late = error.code in ("clickhouse_159", "clickhouse_160")
        what = "the search took longer than it may" if late else error.message
        hint = "choose a shorter time range, fewer streams, or a query with a whole word in it"
        raise TooLarge(what, code="timeout" if late else "too_large", hint=hint) from error


async def any_dead(store: Rows) -> bool:
    """Whether documents have to be hidden because later ones took their place."""
    sql = "SELECT count() FROM (SELECT 1 FROM log_dead LIMIT 1)"
    found = await store.query(sql, settings={**CAPS, "max_execution_time": MAX_SECONDS})
    return bool(found.rows[0][0])


class Statements:
    """`id_of` makes the id of a document without one from its sequence number."""

    def __init__(self, store: Rows, times: Callable[[], Times], id_of: Callable[[int], str]) -> None:
        self._store = store
        self._times = times
        self._id_of = id_of
        self._dead = Remembered(lambda: any_dead(store), fresh_s=_DEAD_S, old_s=_DEAD_S)

    async def has_dead(self) -> bool:
        """Whether any document was overwritten or deleted: where none was, nothing needs hiding, which every statement
        would pay for."""
        with capped():
            return await self._dead.get()

    @property
    def times(self) -> Times:
        """How dates in queries are read now."""
        return self._times()

    async def _rows(
        self, sql: str, seconds: int = MAX_SECONDS, more: Mapping[str, object] = MappingProxyType({})
    ) -> Sequence[Sequence[Any]]:
        """`more` are settings for this statement."""
        with capped():
            return (await self._store.query(sql, settings={**CAPS, "max_execution_time": seconds, **more})).rows
