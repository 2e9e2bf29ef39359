"""Endpoints that change many documents by a query, and the tasks that this makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from dxops.base.errors import DxopsError, Throttled
from dxops.rooms.logs.changing import Changing, Progress, Wish
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import NAME_PARAMETERS, QUERY_PARAMETERS, Names, answered, may_read, read_fault
from dxops.rooms.logs.elastic.writes import Writes, may_write
from dxops.rooms.logs.tasks import NODE, Task, Tasks, TooMany
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused, Fault, fault_of, illegal_argument, resource_not_found
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import check_index_name, read_flag
from dxops.wire.es.body import Body, as_number
from dxops.wire.es.errors import EsError
from dxops.wire.es.fields import SourceFilter, parse_source
from dxops.wire.es.search import parse_count
from dxops.wire.name_patterns import name_matches

_COMMON: Final = frozenset(
    {"refresh", "timeout", "wait_for_active_shards", "wait_for_completion", "requests_per_second", "slices", "max_docs",
     "scroll", "require_alias"}
)  # fmt: skip
_BY_QUERY: Final = (
    _COMMON | QUERY_PARAMETERS | NAME_PARAMETERS
    | {"conflicts", "scroll_size", "search_timeout", "search_type", "routing", "preference", "request_cache", "stats",
       "terminate_after", "version", "pipeline", "size", "from", "sort"}
)  # fmt: skip
_MAX_PAGE: Final = 10_000
_ACTIONS: Final = {
    "_delete_by_query": "indices:data/write/delete/byquery",
    "_update_by_query": "indices:data/write/update/byquery",
    "_reindex": "indices:data/write/reindex",
}


class Changes:
    """`_delete_by_query`, `_update_by_query`, `_reindex`, `_tasks`."""

    def __init__(self, changing: Changing, names: Names, writes: Writes, tasks: Tasks) -> None:
        self._changing = changing
        self._names = names
        self._writes = writes
        self._tasks = tasks

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        post = asked.method == "POST"
        match asked.path:
            case (index, "_delete_by_query" | "_update_by_query" as what) if post:
                return await self._by_query(asked, index, what)
            case ("_reindex",) if post:
                return await self._reindex(asked)
            case ("_delete_by_query" | "_update_by_query" | "_reindex", _, "_rethrottle"):
                raise ElasticRefused(illegal_argument("the rate of a running task cannot be changed; cancel it"))
            case ("_tasks",) if asked.method == "GET":
                return await self._list(asked)
            case ("_tasks", id_) if asked.method == "GET":
                return await self._task(asked, id_)
            case ("_tasks", id_, "_cancel") if post:
                return await self._cancel(asked, id_)
            case ("_tasks", "_cancel") if post:
                return await self._cancel(asked, asked.parameters.get("task_id", ""))
        return None

    async def _by_query(self, asked: Asked, index: str, what: str) -> Answer:
        _may(asked)
        check_parameters(f"/{index}/{what}", asked.parameters, _BY_QUERY)
        given = asked.parameters
        for key in ("from", "sort", "terminate_after"):
            if key in given:
                raise ElasticRefused(illegal_argument(f"[{key}] of [{what}] is not supported; use max_docs"))
        try:
            body = Body(what, await asked.json() or {})
            query = body.take("query")
            conflicts = given.get("conflicts") or body.text("conflicts", "abort") or ""
            most = body.take("max_docs")
            for key in ("script", "slice", "sort"):
                body.refuse(key, "dxops runs no scripts" if key == "script" else "send one request for all")
            body.accept("conflicts", "size")
            body.close()
            wanted = {key: value for key, value in given.items() if key in QUERY_PARAMETERS}
            if query is None and "q" not in wanted and what == "_delete_by_query":
                raise ElasticRefused(_invalid("query is missing"))
            node = parse_count(None if query is None else {"query": query}, wanted)
            wish = Wish(
                query=node,
                target=await self._names.target(index, given),
                max_docs=_max_docs(given.get("max_docs", given.get("size", most))),
                proceeds=_proceeds(conflicts),
                page=_page(given.get("scroll_size")),
                per_s=_rate(given),
                tenant=asked.caller.tenant,
            )
        except EsError as error:
            raise ElasticRefused(read_fault(error) or fault_of(error)) from error
        progress = Progress(wish.per_s)
        if what == "_delete_by_query":
            return await self._run(
                asked, what, f"delete-by-query [{index}]", progress, lambda: self._changing.delete(wish, progress)
            )
        pipeline = given.get("pipeline")
        return await self._run(
            asked, what, f"update-by-query [{index}]", progress, lambda: self._changing.update(wish, progress, pipeline)
        )

    async def _reindex(self, asked: Asked) -> Answer:
        _may(asked)
        check_parameters("/_reindex", asked.parameters, _COMMON)
        try:
            body = Body("reindex", await asked.json() or {})
            source, dest = Body("source", body.take("source") or {}), Body("dest", body.take("dest") or {})
            body.refuse("script", "dxops runs no scripts; use a pipeline in [dest]")
            wish, index, shown = await self._source(asked, body, source)
            body.close()
            action = _destination(dest, int(self._writes.now_ms()))
        except EsError as error:
            raise ElasticRefused(read_fault(error) or fault_of(error)) from error
        if self._names.written(action.index) in wish.target.streams:
            raise ElasticRefused(_invalid(f"reindex cannot write into an index its reading from [{action.index}]"))
        progress = Progress(wish.per_s)
        described = f"reindex from [{index}] to [{action.index}]"
        return await self._run(
            asked,
            "_reindex",
            described,
            progress,
            lambda: self._changing.copy(wish, progress, action, shown, lambda bulk: self._writes.store(asked, bulk)),
        )

    async def _source(self, asked: Asked, body: Body, source: Body) -> tuple[Wish, str, SourceFilter]:
        given = asked.parameters
        for key in ("remote", "slice", "sort", "runtime_mappings"):
            why = "read it there with elasticdump or a scroll" if key == "remote" else "send one request for all"
            source.refuse(key, why, ({},))
        names = source.strings("index")
        if not names:
            raise ElasticRefused(_invalid("use [index] in [source] to say what to read"))
        query, shown, size = source.take("query"), source.take("_source"), source.take("size")
        source.close()
        index = ",".join(names)
        wish = Wish(
            query=parse_count(None if query is None else {"query": query}),
            target=await self._names.target(index, {}),
            max_docs=_max_docs(given.get("max_docs", body.take("max_docs", "size"))),
            proceeds=_proceeds(body.text("conflicts", "abort") or ""),
            page=_page(size),
            per_s=_rate(given),
            tenant=asked.caller.tenant,
        )
        return wish, index, SourceFilter() if shown is None else parse_source(shown)

    async def _run(
        self,
        asked: Asked,
        what: str,
        description: str,
        progress: Progress,
        work: Callable[[], Coroutine[Any, Any, None]],
    ) -> Answer:
        """As a task, which goes on when the caller goes away."""
        given = asked.parameters

        async def whole() -> dict[str, Any]:
            await work()
            refresh = given.get("refresh", "false")
            if progress.end and refresh != "false":
                await self._writes.loaded(progress.end)
            return progress.answer()

        try:
            task = self._tasks.start(_ACTIONS[what], description, asked.caller.tenant, whole, progress.status)
        except TooMany as error:
            raise Throttled(error.message, hint=error.hint, retry_after_s=5.0) from error
        if not read_flag("wait_for_completion", given.get("wait_for_completion", "true")):
            return answered(asked, {"task": task.id})
        assert task.work is not None
        try:
            answer = await asyncio.shield(task.work)
        except asyncio.CancelledError:
            if task.cancelled:
                raise ElasticRefused(Fault(type="task_cancelled_exception", reason="task cancelled")) from None
            raise
        self._tasks.forget(task.id)
        return answered(asked, answer, max((each["status"] for each in progress.failures), default=200))

    async def _list(self, asked: Asked) -> Answer:
        may_read(asked)
        check_parameters("/_tasks", asked.parameters, _LISTING)
        detailed = read_flag("detailed", asked.parameters.get("detailed", "false"))
        wanted = [part for part in asked.parameters.get("actions", "*").split(",") if part]
        tasks = {
            id_: _described(task, detailed)
            for id_, task in self._tasks.all().items()
            if task.running and _visible(asked, task) and any(name_matches(part, task.action) for part in wanted)
        }
        if asked.parameters.get("group_by") == "none":
            return answered(asked, {"tasks": list(tasks.values())})
        if asked.parameters.get("group_by") == "parents":
            return answered(asked, {"tasks": tasks})
        nodes = {NODE: {"name": "dxops-1", "tasks": tasks}} if tasks or "nodes" in asked.parameters else {}
        return answered(asked, {"nodes": nodes})

    async def _task(self, asked: Asked, id_: str) -> Answer:
        may_read(asked)
        check_parameters(f"/_tasks/{id_}", asked.parameters, {"wait_for_completion", "timeout"})
        task = self._found(asked, id_)
        if task.work is not None and read_flag(
            "wait_for_completion", asked.parameters.get("wait_for_completion", "false")
        ):
            await asyncio.wait([task.work], timeout=30)
        value: dict[str, Any] = {"completed": not task.running, "task": _described(task, True)}
        error = task.error()
        if error is not None:
            fault = (read_fault(error) if isinstance(error, Exception) else None) or _fault(error)
            value["error"] = fault.cause()
        elif task.cancelled and not task.running:
            value["error"] = {"type": "task_cancelled_exception", "reason": "task cancelled"}
        elif not task.running:
            value["response"] = task.result()
        return answered(asked, value)

    async def _cancel(self, asked: Asked, id_: str) -> Answer:
        _may(asked)
        task = self._found(asked, id_)
        if task.work is not None and not task.work.done():
            task.cancelled = True
            task.work.cancel()
            await asyncio.wait([task.work], timeout=5)
        return answered(asked, {"nodes": {NODE: {"name": "dxops-1", "tasks": {task.id: _described(task, True)}}}})

    def _found(self, asked: Asked, id_: str) -> Task:
        task = self._tasks.find(id_)
        if task is None or not _visible(asked, task):
            raise ElasticRefused(resource_not_found(f"task [{id_[:100]}] isn't running and hasn't stored its results"))
        return task


_LISTING: Final = frozenset(
    {"detailed", "actions", "nodes", "node_id", "parent_task_id", "group_by", "wait_for_completion", "timeout"}
)


def _visible(asked: Asked, task: Task) -> bool:
    """A credential that is limited to some streams sees its own tasks only."""
    return asked.caller.streams is None or task.tenant == asked.caller.tenant


def _described(task: Task, detailed: bool) -> dict[str, Any]:
    ended = task.ended_ms
    value: dict[str, Any] = {
        "node": NODE, "id": task.number, "type": "transport", "action": task.action,
        "start_time_in_millis": task.started_ms, "cancellable": True, "cancelled": task.cancelled, "headers": {},
    }  # fmt: skip
    if ended is not None:
        value["running_time_in_nanos"] = (ended - task.started_ms) * 1_000_000
    return {**value, "status": task.status(), "description": task.description} if detailed else value


def _destination(dest: Body, now_ms: int) -> Action:
    index = check_index_name(resolve_date_math(dest.need_text("index"), now_ms))
    op = dest.choice("op_type", ("index", "create"), "index")
    pipeline = dest.text("pipeline")
    dest.refuse("version_type", "external versions are not supported", ("internal",))
    dest.refuse("routing", "documents have no routing here", ("keep", "discard"))
    dest.close()
    return Action(op="create" if op == "create" else "index", index=index, pipeline=pipeline)


def _may(asked: Asked) -> None:
    may_read(asked)
    may_write(asked)


def _proceeds(conflicts: str) -> bool:
    if conflicts not in ("abort", "proceed"):
        reason = f'conflicts may only be "proceed" or "abort" but was [{conflicts[:60]}]'
        raise ElasticRefused(illegal_argument(reason))
    return conflicts == "proceed"


def _max_docs(value: Any) -> int | None:
    if value in (None, -1, "-1"):
        return None
    number = as_number(value, "max_docs", "request")
    if number != int(number) or number < 1:
        raise ElasticRefused(illegal_argument(f"[max_docs] parameter must be greater than 0, found [{value}]"))
    return int(number)


def _page(value: Any) -> int:
    if value is None:
        return 2000
    number = as_number(value, "scroll_size", "request")
    if number != int(number) or not 1 <= number <= _MAX_PAGE:
        raise ElasticRefused(illegal_argument(f"[scroll_size] must be 1 to {_MAX_PAGE}, found [{value}]"))
    return int(number)


def _rate(given: Mapping[str, str]) -> float | None:
    text = given.get("requests_per_second", "-1")
    number = as_number(text, "requests_per_second", "request")
    if number == -1:
        return None
    if number <= 0:
        reason = f"[requests_per_second] must be a number above 0, or -1 for no limit; found [{text[:40]}]"
        raise ElasticRefused(illegal_argument(reason))
    return float(number)


def _invalid(why: str) -> Fault:
    return Fault(type="action_request_validation_exception", reason=f"Validation Failed: 1: {why};")


def _fault(error: BaseException) -> Fault:
    return (
        fault_of(error)
        if isinstance(error, DxopsError)
        else Fault(type="exception", reason="internal error", status=500)
    )
