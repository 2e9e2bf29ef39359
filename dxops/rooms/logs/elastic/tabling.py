"""`_query` (ES|QL) and `_sql`: tables of what a query finds."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import orjson

from dxops.base.asgi import while_connected
from dxops.base.errors import DxopsError
from dxops.rooms.logs.elastic.access import owner_of
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.async_search import KEEP_MS, found_run, read_keep, read_wait
from dxops.rooms.logs.elastic.contexts import Context, Contexts, expiry
from dxops.rooms.logs.elastic.reading import Names, answered, may_read, read_fault, refuse
from dxops.rooms.logs.esql.tables import Question, Table, Tables
from dxops.rooms.logs.runs import Run, Runs
from dxops.rooms.logs.searching import Searcher, Target
from dxops.wire.elastic.errors import ElasticRefused, dumps, fault_of, illegal_argument
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.tables import CONTENT_TYPES, table_format, table_text
from dxops.wire.es.body import Body
from dxops.wire.es.durations import duration_ms
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.query import parse_query
from dxops.wire.es.zones import zone
from dxops.wire.esql import parse, parse_sql
from dxops.wire.esql import plan as p
from dxops.wire.esql.errors import VERIFICATION
from dxops.wire.query_tree import All, Node

KIND: Final = "esql"
_SHOWN: Final = frozenset({"format", "delimiter", "drop_null_columns", "allow_partial_results"})
_CURSOR_MS: Final = 45_000
_MAX_FETCH: Final = 10_000
_SQL_TYPES: Final = {"date": "datetime"}


class Tabling:
    """Endpoints of both languages. `contexts` signs the cursors of SQL."""

    def __init__(
        self,
        tables: Tables,
        searcher: Searcher,
        names: Names,
        contexts: Contexts,
        runs: Runs,
        now_ms: Callable[[], int],
    ) -> None:
        self._tables = tables
        self._searcher = searcher
        self._names = names
        self._contexts = contexts
        self._runs = runs
        self._now_ms = now_ms

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        post, both = asked.method == "POST", asked.method in ("GET", "POST")
        match asked.path:
            case ("_query",) if post:
                return await self._query(asked)
            case ("_query", "async") if post:
                return await self._query_async(asked)
            case ("_query", "async", id_) if asked.method == "GET":
                return await self._get(asked, id_)
            case ("_query", "async", id_) if asked.method == "DELETE":
                self._runs.remove(self._found(asked, id_))
                return answered(asked, {"acknowledged": True})
            case ("_sql",) if both:
                return await self._sql(asked)
            case ("_sql", "close") if post:
                return await self._close(asked)
            case ("_sql", "translate") if both:
                reason = "[_sql/translate] is not supported: SQL runs as it is here, not as a search"
                raise ElasticRefused(illegal_argument(reason))
        return None

    async def _query(self, asked: Asked) -> Answer:
        may_read(asked)
        check_parameters("/_query", asked.parameters, _SHOWN)
        started = time.perf_counter()
        form = table_format(asked.parameters.get("format", ""), asked.headers.get("accept", ""))
        try:
            question, columnar = await self._esql(await asked.json())
            table = await while_connected(asked.receive, self._tables.run(question))
        except DxopsError as error:
            refuse(error)
            raise
        if form != "json":
            return self._text(asked, form, [name for name, _ in table.columns], table.rows)
        return answered(asked, self._esql_value(asked, table, columnar, started))

    async def _query_async(self, asked: Asked) -> Answer:
        may_read(asked)
        check_parameters("/_query/async", asked.parameters, _SHOWN)
        started = time.perf_counter()
        try:
            body = await asked.json()
            given = {str(key): str(value) for key, value in body.items()} if isinstance(body, dict) else {}
            keep_ms, wait_s = read_keep(given) or KEEP_MS, read_wait(given, "1s")
            keeps = isinstance(body, dict) and body.get("keep_on_completion") is True
            question, columnar = await self._esql(body)
        except DxopsError as error:
            refuse(error)
            raise

        async def work() -> bytes:
            return dumps(self._esql_value(asked, await self._tables.run(question), columnar, started))

        run = self._runs.start(owner_of(asked.caller), KIND, keep_ms, work)
        await run.wait(wait_s)
        if run.running or keeps:
            return answered(asked, _run_value(run))
        self._runs.remove(run)
        return answered(asked, _run_value(run, named=False))

    async def _get(self, asked: Asked, id_: str) -> Answer:
        run = self._found(asked, id_, keep_ms=read_keep(asked.parameters))
        await run.wait(read_wait(asked.parameters, "0"))
        return answered(asked, _run_value(run))

    def _found(self, asked: Asked, id_: str, *, keep_ms: int | None = None) -> Run:
        return found_run(self._runs, asked, id_, KIND, keep_ms)

    async def _esql(self, value: Any) -> tuple[Question, bool]:
        body = Body("esql", {} if value is None else value)
        text = body.need_text("query")
        columnar = body.boolean("columnar", False)
        parameters = list(body.objects("params"))
        filter_ = body.take("filter")
        where = zone(body.text("time_zone", "UTC") or "UTC")
        for key, why in (
            ("tables", "there are no lookup tables"),
            ("profile", "see the SQL of a search in the console"),
        ):
            body.refuse(key, why, (False, {}))
        body.accept(
            "locale", "include_ccs_metadata", "include_execution_metadata", "allow_partial_results",
            "accept_pragma_risks", "keep_alive", "keep_on_completion", "wait_for_completion_timeout",
        )  # fmt: skip
        body.refuse("pragma", "there is nothing to tune", ({},))
        body.close()
        plan = parse(text, parameters)
        return await self._question(plan, text, filter_, where), columnar

    async def _question(self, plan: p.Plan, text: str, filter_: Any, where: dt.tzinfo) -> Question:
        first = plan.commands[0]
        target = Target(())
        if isinstance(first, p.From):
            target = await self._target(",".join(first.indices))
        query: Node = All() if filter_ is None else parse_query(filter_)
        return Question(plan=plan, text=text, target=target, query=query, zone=where)

    async def _target(self, indices: str) -> Target:
        """Unknown names are the query's fault, as in the original."""
        try:
            target = await self._names.target(indices, {})
        except ElasticRefused as error:
            if error.fault.type != "index_not_found_exception":
                raise
            raise EsError(VERIFICATION, f"Found 1 problem\nUnknown index [{indices[:300]}]") from error
        if not target.streams:
            raise EsError(VERIFICATION, f"Found 1 problem\nUnknown index [{indices[:300]}]")
        return target

    def _esql_value(self, asked: Asked, table: Table, columnar: bool, started: float) -> dict[str, Any]:
        columns, rows = list(table.columns), table.rows
        value: dict[str, Any] = {"took": int((time.perf_counter() - started) * 1000), "is_partial": False}
        if asked.parameters.get("drop_null_columns", "false") in ("", "true"):
            value["all_columns"] = _described(columns)
            kept = [place for place in range(len(columns)) if any(row[place] is not None for row in rows)]
            columns, rows = [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]
        value["columns"] = _described(columns)
        value["values"] = [[row[place] for row in rows] for place in range(len(columns))] if columnar else rows
        return value

    # --- SQL ------------------------------------------------------------------------------------------------------

    async def _sql(self, asked: Asked) -> Answer:
        may_read(asked)
        check_parameters("/_sql", asked.parameters, {"format", "delimiter"})
        form = table_format(asked.parameters.get("format", ""), asked.headers.get("accept", ""))
        try:
            asking = _read_sql(await asked.json(), asked.method)
            if asking.cursor:
                context = self._contexts.read(asking.cursor, "sql", self._now_ms())
                asking = msgspec.json.decode(context.body, type=_Sql)
                offset, upper = int(context.after[0]), context.upper_seq
            else:
                offset, upper = 0, await self._searcher.last_seq()
            return await self._page(asked, asking, form, offset, upper)
        except DxopsError as error:
            refuse(error)
            raise

    async def _page(self, asked: Asked, asking: _Sql, form: str, offset: int, upper_seq: int) -> Answer:
        plan = parse_sql(asking.query, asking.params)
        filter_ = None if asking.filter is None else orjson.loads(asking.filter)
        question = await self._question(plan, asking.query, filter_, zone(asking.time_zone))
        question = msgspec.structs.replace(
            question,
            target=msgspec.structs.replace(question.target, upper_seq=upper_seq),
            offset=offset,
            size=asking.fetch_size + 1,
        )
        table = await while_connected(asked.receive, self._tables.run(question))
        rows = table.rows[: asking.fetch_size]
        cursor = ""
        if len(table.rows) > asking.fetch_size:
            cursor = self._contexts.id_of(
                Context(
                    kind="sql", indices="", upper_seq=upper_seq, expires_ms=expiry(self._now_ms(), asking.page_ms),
                    body=msgspec.json.encode(asking), after=(offset + asking.fetch_size,),
                )
            )  # fmt: skip
        if form != "json":
            names = [name for name, _ in table.columns]
            return self._text(asked, form, names, rows, cursor)
        value: dict[str, Any] = {}
        if offset == 0:
            value["columns"] = _described([(name, _SQL_TYPES.get(type_, type_)) for name, type_ in table.columns])
        shown = [[row[place] for row in rows] for place in range(len(table.columns))] if asking.columnar else rows
        value["values" if asking.columnar else "rows"] = shown
        if cursor:
            value["cursor"] = cursor
        return answered(asked, value)

    async def _close(self, asked: Asked) -> Answer:
        """A cursor holds its own state: there is nothing to free."""
        may_read(asked)
        body = await asked.json()
        cursor = body.get("cursor") if isinstance(body, dict) else None
        if not isinstance(cursor, str):
            raise ElasticRefused(illegal_argument("[cursor] is required"))
        self._contexts.read(cursor, "sql", self._now_ms())
        return answered(asked, {"succeeded": True})

    def _text(
        self, asked: Asked, form: str, names: Sequence[str], rows: Sequence[Sequence[Any]], cursor: str = ""
    ) -> Answer:
        text = table_text(form, names, rows, delimiter=asked.parameters.get("delimiter", ","))
        headers = (("cursor", cursor),) if cursor else ()
        return Answer(status=200, body=text.encode(), content_type=CONTENT_TYPES[form], headers=headers)


class _Sql(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a page. `filter` is JSON."""

    query: str
    params: list[Any]
    filter: str | None
    time_zone: str
    fetch_size: int
    columnar: bool
    page_ms: int
    cursor: str = ""


def _read_sql(value: Any, method: str) -> _Sql:
    body = Body("sql", {} if value is None else value)
    cursor = body.text("cursor", "") or ""
    query = body.text("query", "") or ""
    if not query and not cursor:
        raise EsError(ILLEGAL, "one of [query] or [cursor] is required", key="query")
    filter_ = body.take("filter")
    page = body.text("page_timeout")
    found = _Sql(
        query=query,
        params=list(body.objects("params")),
        filter=None if filter_ is None else orjson.dumps(filter_).decode(),
        time_zone=body.text("time_zone", "UTC") or "UTC",
        fetch_size=body.integer("fetch_size", 1000, least=1, most=_MAX_FETCH),
        columnar=body.boolean("columnar", False),
        page_ms=_CURSOR_MS if page is None else max(1, duration_ms(page, "page_timeout")),
        cursor=cursor,
    )
    body.accept(
        "field_multi_value_leniency", "index_include_frozen", "request_timeout", "mode", "client_id", "version",
        "binary_format", "allow_partial_search_results",
    )  # fmt: skip
    for key in ("catalog", "runtime_mappings", "keep_alive", "keep_on_completion", "wait_for_completion_timeout"):
        body.refuse(key, "SQL is answered page by page, with a cursor", ({}, False))
    body.close()
    return found


def _described(columns: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "type": type_} for name, type_ in columns]


def _run_value(run: Run, *, named: bool = True) -> dict[str, Any]:
    try:
        answer = run.answer()
    except DxopsError as error:
        raise ElasticRefused(read_fault(error) or fault_of(error)) from error
    head: dict[str, Any] = {"id": run.id} if named else {}
    if answer is None:
        return {**head, "is_running": True}
    return {**head, "is_running": False, **orjson.loads(answer)}
