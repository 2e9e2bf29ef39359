"""Endpoints that search."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import orjson

from dxops.base.asgi import while_connected
from dxops.base.errors import DxopsError
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.contexts import Context, Contexts, expiry
from dxops.rooms.logs.elastic.reading import Names, answered, keeps_bytes, may_read, read_fault, refuse
from dxops.rooms.logs.searching import SHARDS, Searcher
from dxops.wire.elastic.errors import ElasticRefused, fault_of, illegal_argument
from dxops.wire.elastic.media import check_parameters
from dxops.wire.es.durations import duration_ms
from dxops.wire.es.msearch import MsearchItem, parse_msearch
from dxops.wire.es.search import SearchRequest, parse_count, parse_search

_SCROLL_PARAMETERS: Final = frozenset({"scroll", "scroll_id", "rest_total_hits_as_int"})
_PIT_PARAMETERS: Final = frozenset(
    {"keep_alive", "ignore_unavailable", "expand_wildcards", "preference", "routing", "allow_partial_search_results"}
)
_MSEARCH_ONLY: Final = frozenset({"max_concurrent_searches"})


class Reads:
    """`_search`, `_msearch`, `_count`, scrolls and points in time."""

    def __init__(self, searcher: Searcher, names: Names, contexts: Contexts, now_ms: Callable[[], int]) -> None:
        self._searcher = searcher
        self._names = names
        self._contexts = contexts
        self._now_ms = now_ms

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        post, get = asked.method == "POST", asked.method in ("GET", "POST")
        match asked.path:
            case ("_search",) if get:
                return await self._search(asked, "")
            case (index, "_search") if get:
                return await self._search(asked, index)
            case ("_msearch",) if get:
                return await self._msearch(asked, "")
            case (index, "_msearch") if get:
                return await self._msearch(asked, index)
            case ("_count",) if get:
                return await self._count(asked, "")
            case (index, "_count") if get:
                return await self._count(asked, index)
            case ("_search", "scroll") | ("_search", "scroll", _) if get:
                return await self._scroll(asked)
            case ("_search", "scroll") | ("_search", "scroll", _) if asked.method == "DELETE":
                return await self._close(asked, "scroll_id")
            case (index, "_pit") if post:
                return await self._open_pit(asked, index)
            case ("_pit",) if asked.method == "DELETE":
                return await self._close(asked, "id")
        return None

    async def _search(self, asked: Asked, index: str) -> Answer:
        return answered(asked, await self._searched(asked, index))

    def parsed(self, asked: Asked, body: bytes) -> SearchRequest:
        """Raises `ElasticRefused`."""
        try:
            return parse_search(_json(body), asked.parameters)
        except DxopsError as error:
            refuse(error, body)
            raise

    async def run(self, asked: Asked, request: SearchRequest, index: str) -> dict[str, Any]:
        """The answer to a search that is no scroll."""
        return await self._run(asked, request, index)

    async def _searched(self, asked: Asked, index: str) -> dict[str, Any]:
        may_read(asked)
        body = await asked.body()
        try:
            request = parse_search(_json(body), asked.parameters)
            if request.scroll_ms is not None:
                context = Context(
                    kind="scroll",
                    indices=index,
                    upper_seq=await self._searcher.last_seq(),
                    expires_ms=expiry(self._now_ms(), request.scroll_ms),
                    options=dict(asked.parameters),
                    body=body,
                )
                return await while_connected(asked.receive, self._page(asked, request, context))
            return await while_connected(asked.receive, self._run(asked, request, index))
        except DxopsError as error:
            refuse(error, body)
            raise

    async def _run(self, asked: Asked, request: SearchRequest, index: str) -> dict[str, Any]:
        started = time.perf_counter()
        if request.pit is None:
            target = await self._names.target(index, asked.parameters)
            head: dict[str, Any] = {}
        else:
            if index:
                raise ElasticRefused(illegal_argument("[indices] cannot be used with point in time"))
            context = self._contexts.read(request.pit.id, "pit", self._now_ms())
            target = await self._names.target(context.indices, context.options, context.upper_seq)
            keep_ms = request.pit.keep_alive_ms
            if keep_ms is not None:
                context = msgspec.structs.replace(context, expires_ms=expiry(self._now_ms(), keep_ms))
            head = {"pit_id": self._contexts.id_of(context)}
        found = await self._searcher.search(request, target, whole=keeps_bytes(asked))
        return {**head, "took": _took(started), **found.body}

    async def _page(self, asked: Asked, request: SearchRequest, context: Context) -> dict[str, Any]:
        """One page of a scroll. Aggregations come with the first."""
        started = time.perf_counter()
        target = await self._names.target(context.indices, context.options, context.upper_seq)
        if context.after:
            request = msgspec.structs.replace(request, aggregations=())
        found = await self._searcher.search(request, target, after=context.after, whole=keeps_bytes(asked))
        following = msgspec.structs.replace(context, after=found.last or context.after)
        return {"_scroll_id": self._contexts.id_of(following), "took": _took(started), **found.body}

    async def _scroll(self, asked: Asked) -> Answer:
        may_read(asked)
        check_parameters("/_search/scroll", asked.parameters, _SCROLL_PARAMETERS)
        body = await _object(asked)
        given = {**({"scroll_id": asked.path[2]} if len(asked.path) > 2 else {}), **asked.parameters, **body}
        id_ = given.get("scroll_id")
        if isinstance(id_, list) and len(id_) == 1:
            id_ = id_[0]
        if not isinstance(id_, str):
            raise ElasticRefused(illegal_argument("scrollId is missing"))
        context = self._contexts.read(id_, "scroll", self._now_ms())
        try:
            request = parse_search(_json(context.body), context.options)
            keep_ms = duration_ms(given["scroll"], "scroll") if "scroll" in given else request.scroll_ms or 0
            context = msgspec.structs.replace(context, expires_ms=expiry(self._now_ms(), keep_ms))
            return answered(asked, await while_connected(asked.receive, self._page(asked, request, context)))
        except DxopsError as error:
            refuse(error)
            raise

    async def _open_pit(self, asked: Asked, index: str) -> Answer:
        may_read(asked)
        check_parameters("/_pit", asked.parameters, _PIT_PARAMETERS)
        await self._names.streams(index, asked.parameters)
        keep_ms = duration_ms(asked.parameters.get("keep_alive"), "keep_alive")
        options = {key: value for key, value in asked.parameters.items() if key != "keep_alive"}
        context = Context(
            kind="pit", indices=index, upper_seq=await self._searcher.last_seq(),
            expires_ms=expiry(self._now_ms(), keep_ms), options=options,
        )  # fmt: skip
        return answered(asked, {"id": self._contexts.id_of(context), "_shards": SHARDS})

    async def _close(self, asked: Asked, key: str) -> Answer:
        """Nothing is kept for a scroll or a point in time, so there is nothing to free."""
        may_read(asked)
        body = await _object(asked)
        ids = body.get(key, asked.parameters.get(key, asked.path[2] if len(asked.path) > 2 else []))
        count = len(ids) if isinstance(ids, list) else 1
        return answered(asked, {"succeeded": True, "num_freed": count})

    async def _count(self, asked: Asked, index: str) -> Answer:
        may_read(asked)
        body = await asked.body()
        try:
            query = parse_count(_json(body), asked.parameters)
            target = await self._names.target(index, asked.parameters)
            count = await while_connected(asked.receive, self._searcher.count(query, target))
        except DxopsError as error:
            refuse(error, body)
            raise
        return answered(asked, {"count": count, "_shards": SHARDS})

    async def _msearch(self, asked: Asked, index: str) -> Answer:
        may_read(asked)
        started = time.perf_counter()
        parameters = {key: value for key, value in asked.parameters.items() if key not in _MSEARCH_ONLY}
        try:
            items = parse_msearch(await asked.body(), parameters)
        except DxopsError as error:
            refuse(error)
            raise
        responses = await while_connected(asked.receive, self._all(asked, index, items))
        return answered(asked, {"took": _took(started), "responses": responses})

    async def _all(self, asked: Asked, index: str, items: Sequence[MsearchItem]) -> list[dict[str, Any]]:
        return [await self._one(asked, index, item) for item in items]

    async def _one(self, asked: Asked, index: str, item: MsearchItem) -> dict[str, Any]:
        """One search's answer, or its error: the others go on."""
        try:
            if item.error is not None or item.request is None:
                raise item.error or ElasticRefused(illegal_argument("no search"))
            options = {
                "ignore_unavailable": str(item.ignore_unavailable).lower(),
                "allow_no_indices": str(item.allow_no_indices).lower(),
                "expand_wildcards": item.expand_wildcards,
            }
            names = "" if item.request.pit is not None else ",".join(item.indices) or index
            one = msgspec.structs.replace(asked, parameters={**asked.parameters, **options})
            return {**await self._run(one, item.request, names), "status": 200}
        except DxopsError as error:
            return (read_fault(error) or fault_of(error)).to_value()


def _json(body: bytes) -> Any:
    if not body.strip():
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ElasticRefused(
            illegal_argument(f"the body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}")
        ) from error


async def _object(asked: Asked) -> dict[str, Any]:
    body = await asked.json()
    if body is not None and not isinstance(body, dict):
        raise ElasticRefused(illegal_argument("the body must be an object"))
    return body or {}


def _took(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
