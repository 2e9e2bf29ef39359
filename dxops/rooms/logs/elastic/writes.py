"""Endpoints that store documents."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import orjson

from dxops.base.clock import Clock
from dxops.engines.spool import Spool
from dxops.rooms.logs.aiming import aim
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.sink import CONSUMER, STREAM
from dxops.rooms.logs.writing import Writing
from dxops.wire.elastic.bulk import Bulk, parse_bulk
from dxops.wire.elastic.bulk_actions import Defaults
from dxops.wire.elastic.bulk_answer import encode_answer
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, security
from dxops.wire.elastic.handshake import speaks_7
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import read_flag

_BULK_PARAMETERS: Final = frozenset(
    {"refresh", "pipeline", "routing", "require_alias", "require_data_stream", "timeout", "wait_for_active_shards",
     "_source", "_source_includes", "_source_excludes", "list_executed_pipelines", "include_source_on_error", "type"}
)  # fmt: skip
_DOCUMENT_PARAMETERS: Final = _BULK_PARAMETERS | {"op_type", "if_seq_no", "if_primary_term", "version", "version_type"}
_REFRESH_S: Final = 30.0


class Writes:
    """`_bulk`, and single documents as bulks of one."""

    def __init__(self, writing: Writing, spool: Spool, clock: Clock, registry: Registry | None = None) -> None:
        self._registry = registry
        self._writing = writing
        self._spool = spool
        self._clock = clock
        self._end = 0

    @property
    def end(self) -> int:
        """The number behind the newest operation that was stored here; 0: none yet."""
        return self._end

    async def refresh(self) -> None:
        """Wait until everything that was stored here so far can be found; not longer than 30 s."""
        await self._loaded(self._end)

    async def loaded(self, end: int) -> bool:
        """Wait until everything below `end` can be found, not longer than 30 s; whether it can."""
        return await self._loaded(end)

    async def bulk(self, asked: Asked, index: str | None = None) -> Answer:
        """`POST|PUT /_bulk`, `/{index}/_bulk`."""
        check_parameters("/_bulk", asked.parameters, _BULK_PARAMETERS)
        _may_write(asked)
        await self._spool.admit(STREAM, tenant=asked.caller.tenant, size=asked.length())
        started = time.perf_counter()
        body = await asked.body()
        given = asked.parameters
        defaults = Defaults(
            index=index,
            pipeline=given.get("pipeline"),
            routing=given.get("routing"),
            require_alias=read_flag("require_alias", given.get("require_alias", "false")),
            require_data_stream=read_flag("require_data_stream", given.get("require_data_stream", "false")),
        )
        bulk = self._parsed(asked, body, defaults)
        outcome, end = await self._writing.store(bulk, tenant=asked.caller.tenant)
        await self._refreshed(asked, end)
        took_ms = int((time.perf_counter() - started) * 1000)
        answer = encode_answer(bulk, outcome, took_ms=took_ms, filter_path=given.get("filter_path", ""))
        return Answer(status=200, body=answer, content_type=asked.answering.content_type)

    async def document(self, asked: Asked, index: str, name: str | None, op: str) -> Answer:
        """`POST|PUT /{index}/_doc[/{id}]`, `/{index}/_create/{id}`, `DELETE /{index}/_doc/{id}`."""
        check_parameters(f"/{index}/_doc", asked.parameters, _DOCUMENT_PARAMETERS)
        _may_write(asked)
        given = asked.parameters
        if given.get("op_type", op) not in ("index", "create", op):
            raise ElasticRefused(illegal_argument(f"opType must be 'create' or 'index', found: [{given['op_type']}]"))
        action: dict[str, object] = {"_index": index, "_id": name}
        for key in ("routing", "pipeline"):
            if key in given:
                action[key] = given[key]
        for key in ("if_seq_no", "if_primary_term"):
            if key in given:
                if not given[key].isdigit():
                    raise ElasticRefused(illegal_argument(f"Failed to parse long parameter [{key}]"))
                action[key] = int(given[key])
        chosen = op if op == "delete" else given.get("op_type", op)
        lines = [orjson.dumps({chosen: action})]
        if op != "delete":
            source = await asked.body()
            if not source.strip():
                raise ElasticRefused(Fault(type="parse_exception", reason="request body is required"))
            lines.append(_one_line(source))
        bulk = self._parsed(asked, b"\n".join(lines) + b"\n", Defaults())
        outcome, end = await self._writing.store(bulk, tenant=asked.caller.tenant)
        await self._refreshed(asked, end)
        (item,) = orjson.loads(encode_answer(bulk, outcome, took_ms=0))["items"][0].values()
        status = item.pop("status")
        if "error" in item:
            raise ElasticRefused(outcome.errors[0])
        return Answer(status=status, body=asked.answering.encode(item), content_type=asked.answering.content_type)

    def _parsed(self, asked: Asked, body: bytes, defaults: Defaults) -> Bulk:
        now_ms = int(self._clock.now().timestamp() * 1000)
        legacy = speaks_7(asked.headers.get("user-agent", ""), asked.answering.compatible)
        bulk = parse_bulk(body, defaults, now_ms=now_ms, legacy=legacy)
        piped = next((action.pipeline for action in bulk.actions if action.pipeline not in (None, "_none")), None)
        if piped is not None:
            raise ElasticRefused(illegal_argument(f"pipeline with id [{piped}] does not exist"))
        self._aim(asked, bulk)
        return bulk

    def _aim(self, asked: Asked, bulk: Bulk) -> None:
        """Aliases and the caller's limits; the streams that this makes are registered."""
        if self._registry is None:
            return
        targets = aim(bulk, self._registry.catalog, asked.caller.streams)
        if len(bulk.errors) < len(bulk):
            self._registry.see(targets)

    async def _refreshed(self, asked: Asked, end: int) -> None:
        """`refresh`: answer when a search would find it. After 30 s the answer goes out all the same: it is stored."""
        wish = asked.parameters.get("refresh", "false")
        if wish not in ("true", "false", "wait_for", ""):
            raise ElasticRefused(illegal_argument(f"Unknown value for refresh: [{wish}]."))
        self._end = max(self._end, end)
        if wish != "false":
            await self._loaded(end)

    async def _loaded(self, end: int) -> bool:
        if end:
            try:
                await asyncio.wait_for(self._spool.loaded(STREAM, end - 1, consumer=CONSUMER), _REFRESH_S)
            except TimeoutError:
                return False
        return True


def _one_line(source: bytes) -> bytes:
    """A document that was written over several lines, as one: line ends in JSON are only ever white space."""
    return source.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def _may_write(asked: Asked) -> None:
    if not asked.caller.may_write:
        reason = f"action [indices:data/write/bulk] is unauthorized for [{asked.caller.tenant}]"
        raise ElasticRefused(security(reason, status=403))
