"""`_async_search`: a search that may take longer than its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from dxops.base.errors import DxopsError
from dxops.rooms.logs.elastic.access import owner_of
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import answered, keeps_bytes, may_read, read_fault
from dxops.rooms.logs.elastic.reads import Reads
from dxops.rooms.logs.runs import Run, Runs
from dxops.rooms.logs.searching import SHARDS
from dxops.wire.elastic.errors import ElasticRefused, Fault, dumps, fault_of, illegal_argument, resource_not_found
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import read_flag
from dxops.wire.es.durations import duration_ms

KIND: Final = "search"
MAX_KEEP_MS: Final = 7 * 86_400_000
KEEP_MS: Final = 5 * 86_400_000
_LEAST_KEEP_MS: Final = 1_000
_MAX_WAIT_MS: Final = 30_000
_OWN: Final = frozenset({"keep_alive", "keep_on_completion", "wait_for_completion_timeout"})


class AsyncSearches:
    """Submit, get, status, delete."""

    def __init__(self, reads: Reads, runs: Runs) -> None:
        self._reads = reads
        self._runs = runs

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        match asked.path:
            case ("_async_search",) if asked.method == "POST":
                return await self._submit(asked, "")
            case ("_async_search", "status", id_) if asked.method == "GET":
                return self._status(asked, id_)
            case ("_async_search", id_) if asked.method == "GET":
                return await self._get(asked, id_)
            case ("_async_search", id_) if asked.method == "DELETE":
                self._runs.remove(self._found(asked, id_))
                return answered(asked, {"acknowledged": True})
            case (index, "_async_search") if asked.method == "POST":
                return await self._submit(asked, index)
        return None

    async def _submit(self, asked: Asked, index: str) -> Answer:
        may_read(asked)
        given = asked.parameters
        keep_ms = read_keep(given) or KEEP_MS
        wait_s = read_wait(given, "1s")
        keeps = read_flag("keep_on_completion", given.get("keep_on_completion", "false"))
        if "scroll" in given:
            raise ElasticRefused(illegal_argument("[scroll] cannot be used in an asynchronous search"))
        body = await asked.body()
        parameters = {key: value for key, value in given.items() if key not in _OWN}
        search = msgspec.structs.replace(asked, parameters=parameters)
        request = self._reads.parsed(search, body)  # what is wrong with it is said at once

        async def work() -> bytes:
            return dumps(await self._reads.run(search, request, index))

        run = self._runs.start(owner_of(asked.caller), KIND, keep_ms, work)
        await run.wait(wait_s)
        if run.running or keeps:
            return answered(asked, _value(asked, run))
        self._runs.remove(run)
        return answered(asked, _value(asked, run, named=False))

    async def _get(self, asked: Asked, id_: str) -> Answer:
        check_parameters("/_async_search", asked.parameters, _OWN | {"typed_keys", "rest_total_hits_as_int"})
        run = self._found(asked, id_, keep_ms=read_keep(asked.parameters))
        if "wait_for_completion_timeout" in asked.parameters:
            await run.wait(read_wait(asked.parameters, "0"))
        return answered(asked, _value(asked, run))

    def _status(self, asked: Asked, id_: str) -> Answer:
        run = self._found(asked, id_, keep_ms=read_keep(asked.parameters))
        value: dict[str, Any] = {
            "id": run.id, "is_running": run.running, "is_partial": run.running or run.error is not None,
            "start_time_in_millis": run.started_ms, "expiration_time_in_millis": run.expires_ms,
            "_shards": {**SHARDS, "successful": int(not run.running and run.error is None)},
        }  # fmt: skip
        if not run.running:
            value["completion_time_in_millis"] = run.ended_ms
            value["completion_status"] = 200 if run.error is None else _fault(run.error).status
        return answered(asked, value)

    def _found(self, asked: Asked, id_: str, *, keep_ms: int | None = None) -> Run:
        return found_run(self._runs, asked, id_, KIND, keep_ms)


def found_run(runs: Runs, asked: Asked, id_: str, kind: str, keep_ms: int | None) -> Run:
    """The caller's own. Raises `ElasticRefused` (403, 404)."""
    may_read(asked)
    run = runs.find(id_, owner_of(asked.caller), kind, keep_ms=keep_ms)
    if run is None:
        raise ElasticRefused(resource_not_found(id_[:200]))
    return run


def read_keep(given: Mapping[str, str]) -> int | None:
    """`keep_alive` in ms. Raises `ElasticRefused`."""
    if "keep_alive" not in given:
        return None
    keep_ms = duration_ms(given["keep_alive"], "keep_alive")
    if not _LEAST_KEEP_MS <= keep_ms <= MAX_KEEP_MS:
        raise ElasticRefused(illegal_argument("[keep_alive] must be between 1s and 7d"))
    return keep_ms


def read_wait(given: Mapping[str, str], default: str) -> float:
    """`wait_for_completion_timeout` in seconds; not longer than 30."""
    wait_ms = duration_ms(given.get("wait_for_completion_timeout", default), "wait_for_completion_timeout")
    return (_MAX_WAIT_MS if wait_ms < 0 else min(wait_ms, _MAX_WAIT_MS)) / 1000


def _value(asked: Asked, run: Run, *, named: bool = True) -> dict[str, Any]:
    """Raises what ended the search, in Elasticsearch's words."""
    whole = keeps_bytes(asked) and not asked.answering.pretty
    try:
        answer = run.answer()
    except DxopsError as error:
        raise ElasticRefused(_fault(error)) from error
    value: dict[str, Any] = {"id": run.id} if named else {}
    value |= {
        "is_partial": run.running, "is_running": run.running, "start_time_in_millis": run.started_ms,
        "expiration_time_in_millis": run.expires_ms,
    }  # fmt: skip
    if not run.running:
        value["completion_time_in_millis"] = run.ended_ms
    if answer is None:
        nothing: dict[str, Any] = {"total": {"value": 0, "relation": "gte"}, "max_score": None, "hits": []}
        shards = {**SHARDS, "successful": 0}
        value["response"] = {"took": 0, "timed_out": False, "_shards": shards, "hits": nothing}
    else:
        value["response"] = orjson.Fragment(answer) if whole else orjson.loads(answer)
    return value


def _fault(error: Exception) -> Fault:
    return read_fault(error) or fault_of(error)
