"""`POST /api/sql`: read-only SQL on either store, with a bound on time, rows and bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Router, post
from litestar.params import JSONBody

from dxops.base.actors import Scope
from dxops.base.errors import Forbidden, Refused
from dxops.base.web import actor_of
from dxops.engines.clickhouse.access import read_only_fault
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.postgres.reader import read

TIMEOUT_S = 15.0
MAX_ROWS = 10_000
MAX_BYTES = 16 * 1024 * 1024
_MAX_SQL = 100_000


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`params` are a list for `$1`, `$2` of PostgreSQL, an object for `{name:Type}` of ClickHouse."""

    store: Literal["postgres", "clickhouse"]
    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_SQL)]
    params: list[Any] | dict[str, Any] | None = None


class Found(msgspec.Struct, frozen=True):
    """Columns' names and rows of plain values. `truncated`: there were more rows than 10,000."""

    columns: list[str]
    rows: list[list[Any]]  # Any: whatever the columns are
    truncated: bool = False


def router(postgres_reader: Callable[[], Awaitable[str]], clickhouse: Callable[[], ClickHouse]) -> Router:
    """`postgres_reader` gives the URL of the read-only login, `clickhouse` the read-only user's client."""

    @post("/sql", summary="Read-only SQL", tags=["system"], status_code=200)
    async def sql(request: Request[Any, Any, Any], data: JSONBody[Question]) -> Found:
        """Run one statement that only reads. 15 seconds, 10,000 rows and 16 MiB at most; secrets are not visible."""
        actor = actor_of(request)
        actor.require(Scope.READ)
        if actor.is_limited:
            raise Forbidden("this token is for some apps, environments or log streams only, SQL sees all of them")
        if data.store == "postgres":
            return await _postgres(await postgres_reader(), data)
        return await _clickhouse(clickhouse(), data)

    return Router("/", route_handlers=[sql])


async def _postgres(url: str, asked: Question) -> Found:
    params = [] if asked.params is None else asked.params
    if isinstance(params, dict):
        raise Refused("params of PostgreSQL are a list, for $1, $2 …", field="params")
    found = await read(url, asked.sql, params, timeout_s=TIMEOUT_S, max_rows=MAX_ROWS, max_bytes=MAX_BYTES)
    return Found(found.columns, found.rows, found.truncated)


async def _clickhouse(client: ClickHouse, asked: Question) -> Found:
    params = {} if asked.params is None else asked.params
    if isinstance(params, list):
        raise Refused("params of ClickHouse are an object, for {name:Type}", field="params")
    if (fault := read_only_fault(asked.sql.encode())) is not None:
        raise Refused(fault, code="read_only", field="sql")
    bounds = {
        "readonly": 1,
        "limit": MAX_ROWS + 1,
        "max_execution_time": int(TIMEOUT_S),
        "max_result_bytes": MAX_BYTES,
    }
    try:
        found = await client.query(asked.sql, params, settings=bounds, max_bytes=MAX_BYTES)
    except TypeError as error:
        raise Refused(str(error), field="params") from None
    return Found(found.columns, found.rows[:MAX_ROWS], len(found.rows) > MAX_ROWS)
