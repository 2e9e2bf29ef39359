"""Endpoints that store documents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import msgspec
import orjson

from dxops.base.clock import Clock
from dxops.engines.spool import Spool
from dxops.rooms.logs.aiming import aim
from dxops.rooms.logs.catalog import EMPTY
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.pipelines import MemoryPipelines
from dxops.rooms.logs.piping import Piping
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.sink import CONSUMER, STREAM
from dxops.rooms.logs.writing import Writing, distinct
from dxops.wire.elastic.bulk import Bulk, parse_bulk
from dxops.wire.elastic.bulk_actions import Defaults
from dxops.wire.elastic.bulk_answer import Outcome, encode_answer
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, security
from dxops.wire.elastic.handshake import speaks_7
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import read_flag, read_long
from dxops.wire.es.fields import names, parse_source_parameter

_BULK_PARAMETERS: Final = frozenset(
    {"refresh", "pipeline", "routing", "require_alias", "require_data_stream", "timeout", "wait_for_active_shards",
     "_source", "_source_includes", "_source_excludes", "list_executed_pipelines", "include_source_on_error", "type"}
)  # fmt: skip
_DOCUMENT_PARAMETERS: Final = _BULK_PARAMETERS | {"op_type", "if_seq_no", "if_primary_term", "version", "version_type"}
_UPDATE_PARAMETERS: Final = frozenset(
    {"refresh", "routing", "require_alias", "timeout", "wait_for_active_shards", "_source", "_source_includes",
     "_source_excludes", "if_seq_no", "if_primary_term", "retry_on_conflict", "lang", "include_source_on_error"}
)  # fmt: skip
_REFRESH_S: Final = 30.0


class Writes:
    """`_bulk`, and single documents as bulks of one."""

    def __init__(self, writing: Writing, spool: Spool, clock: Clock, registry: Registry | None = None) -> None:
        self._registry = registry
        self._writing = writing
        self._spool = spool
        self._clock = clock
        self.piping = Piping(MemoryPipelines() if registry is None else registry)

    @property
    def writing(self) -> Writing:
        """What decides and stores."""
        return self._writing

    def close(self) -> None:
        """End the threads that pipelines run in."""
        self.piping.close()

    @property
    def end(self) -> int:
        """The number behind the newest operation that was stored here; 0: none yet."""
        return self._writing.end

    async def refresh(self) -> None:
        """Wait until everything that was stored here so far can be found; not longer than 30 s."""
        await self._loaded(self.end)

    async def loaded(self, end: int) -> bool:
        """Wait until everything below `end` can be found, not longer than 30 s; whether it can."""
        return await self._loaded(end)

    async def bulk(self, asked: Asked, index: str | None = None) -> Answer:
        """`POST|PUT /_bulk`, `/{index}/_bulk`."""
        check_parameters("/_bulk", asked.parameters, _BULK_PARAMETERS)
        may_write(asked)
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
        bulk = await self._prepared(asked, body, defaults)
        _show_updated(bulk, given)
        outcome, end = await self._writing.store(bulk, tenant=asked.caller.tenant)
        if outcome.got and not asked.caller.may_read:
            outcome.got = {}
        await self._refreshed(asked, end)
        took_ms = int((time.perf_counter() - started) * 1000)
        answer = encode_answer(bulk, outcome, took_ms=took_ms, filter_path=given.get("filter_path", ""))
        return Answer(status=200, body=answer, content_type=asked.answering.content_type)

    async def document(self, asked: Asked, index: str, name: str | None, op: str) -> Answer:
        """`POST|PUT /{index}/_doc[/{id}]`, `/{index}/_create/{id}`, `DELETE /{index}/_doc/{id}`, and `_update`."""
        known = _UPDATE_PARAMETERS if op == "update" else _DOCUMENT_PARAMETERS
        check_parameters(f"/{index}/_{'update' if op == 'update' else 'doc'}", asked.parameters, known)
        may_write(asked)
        given = asked.parameters
        if given.get("op_type", op) not in ("index", "create", op):
            raise ElasticRefused(illegal_argument(f"opType must be 'create' or 'index', found: [{given['op_type']}]"))
        if "version" in given or given.get("version_type", "internal") != "internal":
            reason = "external versions are not supported; use if_seq_no and if_primary_term"
            raise ElasticRefused(illegal_argument(reason))
        chosen = op if op in ("delete", "update") else given.get("op_type", op)
        lines = [orjson.dumps({chosen: _action(index, name, given)})]
        if op != "delete":
            source = await asked.body()
            if not source.strip():
                raise ElasticRefused(Fault(type="parse_exception", reason="request body is required"))
            wish = _source_option(given) if op == "update" else None
            lines.append(_one_line(source if wish is None else _with_source(source, wish)))
        bulk = await self._prepared(asked, b"\n".join(lines) + b"\n", Defaults())
        outcome, end = await self._writing.store(bulk, tenant=asked.caller.tenant)
        if outcome.got and not asked.caller.may_read:
            outcome.got = {}
        await self._refreshed(asked, end)
        (item,) = orjson.loads(encode_answer(bulk, outcome, took_ms=0))["items"][0].values()
        status = item.pop("status")
        if "error" in item:
            raise ElasticRefused(outcome.errors[0])
        return Answer(status=status, body=asked.answering.encode(item), content_type=asked.answering.content_type)

    async def store(self, asked: Asked, bulk: Bulk, *, legacy: bool = False) -> tuple[Outcome, int]:
        """A batch that another endpoint made: through pipelines, to where aliases point, into the spool."""
        await self.piping.run(bulk, now_ms=self.now_ms(), legacy=legacy)
        self._aim(asked, bulk)
        return await self._writing.store(bulk, tenant=asked.caller.tenant)

    async def _prepared(self, asked: Asked, body: bytes, defaults: Defaults) -> Bulk:
        now_ms = self.now_ms()
        legacy = speaks_7(asked.headers.get("user-agent", ""), asked.answering.compatible)
        bulk = parse_bulk(body, defaults, now_ms=now_ms, legacy=legacy)
        await self.piping.run(bulk, now_ms=now_ms, legacy=legacy)
        self._aim(asked, bulk)
        return bulk

    def now_ms(self) -> int:
        """The clock that documents without a time are dated by."""
        return int(self._clock.now().timestamp() * 1000)

    def _aim(self, asked: Asked, bulk: Bulk) -> None:
        """Aliases and the caller's limits; the streams that this makes are registered."""
        catalog = EMPTY if self._registry is None else self._registry.catalog
        targets = aim(bulk, catalog, asked.caller.streams)
        if self._registry is not None and len(bulk.errors) < len(bulk):
            self._registry.see(targets)

    async def _refreshed(self, asked: Asked, end: int) -> None:
        """`refresh`: answer when a search would find it. After 30 s the answer goes out all the same: it is stored."""
        wish = asked.parameters.get("refresh", "false")
        if wish not in ("true", "false", "wait_for", ""):
            raise ElasticRefused(illegal_argument(f"Unknown value for refresh: [{wish}]."))
        if wish != "false":
            await self._loaded(end)

    async def _loaded(self, end: int) -> bool:
        if end:
            try:
                await asyncio.wait_for(self._spool.loaded(STREAM, end - 1, consumer=CONSUMER), _REFRESH_S)
            except TimeoutError:
                return False
        return True


def _action(index: str, name: str | None, given: Mapping[str, str]) -> dict[str, object]:
    action: dict[str, object] = {"_index": index, "_id": name}
    for key in ("routing", "pipeline"):
        if key in given:
            action[key] = given[key]
    for key in ("require_alias", "require_data_stream"):
        if key in given:
            action[key] = read_flag(key, given[key])
    for key in ("if_seq_no", "if_primary_term", "retry_on_conflict"):
        if key in given:
            action[key] = read_long(key, given[key])
    return action


def _show_updated(bulk: Bulk, given: Mapping[str, str]) -> None:
    """What the URL or an action says about `_source` goes into the updates whose bodies say nothing of it."""
    of_all = _source_option(given)
    if of_all is None and all(action.source is None for action in distinct(bulk)):
        return
    for place, action in enumerate(bulk.actions):
        wish = of_all if action.source is None else action.source.encode()
        if action.op == "update" and wish is not None and place not in bulk.errors:
            bulk.sources[place] = _with_source(bulk.sources[place], wish, instead=False)


def _source_option(given: Mapping[str, str]) -> bytes | None:
    """What a URL says about `_source`, as JSON; None if nothing."""
    options = {key: given[key] for key in ("_source", "_source_includes", "_source_excludes") if key in given}
    if not options:
        return None
    shown = parse_source_parameter(options.get("_source", "true"))
    includes = [*shown.includes, *names(options.get("_source_includes", ""))]
    wanted: object = {"includes": includes, "excludes": list(names(options.get("_source_excludes", "")))}
    return orjson.dumps(wanted if shown.enabled else False)


def _with_source(body: bytes, wish: bytes, *, instead: bool = True) -> bytes:
    """An update's body with this `_source`, `instead` of its own or only where it has none."""
    try:
        value = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise ElasticRefused(Fault(type="parse_exception", reason=f"the body is not an object: {error}")) from None
    if "_source" in value and not instead:
        return body
    value["_source"] = msgspec.Raw(wish)
    return msgspec.json.encode(value)


def _one_line(source: bytes) -> bytes:
    """A document that was written over several lines, as one: line ends in JSON are only ever white space."""
    return source.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def may_write(asked: Asked) -> None:
    """Raises `ElasticRefused` (403)."""
    if not asked.caller.may_write:
        reason = f"action [indices:data/write/bulk] is unauthorized for [{asked.caller.tenant}]"
        raise ElasticRefused(security(reason, status=403))
