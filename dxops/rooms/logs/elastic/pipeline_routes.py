"""Endpoints of stored ingest pipelines. Running them on documents is not done here, but for `_simulate`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from dxops.rooms.logs.catalog import Catalog
from dxops.rooms.logs.describing import delete_definitions, put_definition
from dxops.rooms.logs.elastic.administering import (
    acknowledged,
    check_definition_name,
    check_known,
    chosen,
    may_manage_all,
    may_put,
    object_of,
    plain_missing,
)
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import answered
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.settings import DEFAULT_PIPELINE, FINAL_PIPELINE
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument, resource_not_found
from dxops.wire.elastic.ingest.grok_patterns import ECS_V1, LEGACY
from dxops.wire.elastic.ingest.pipeline import Pipeline, find_loops, read_pipeline
from dxops.wire.elastic.ingest.simulate import simulate
from dxops.wire.elastic.names import read_flag

_SIMULATION_S: Final = 10.0


class PipelineRoutes:
    """`_ingest/pipeline`, `_simulate`, `_ingest/processor/grok`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._simulating = asyncio.Semaphore(1)  # of the threads that writing needs too

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        method, get = asked.method, asked.method in ("GET", "HEAD")
        match asked.path:
            case ("_ingest", "pipeline", "_simulate") if method in ("GET", "POST"):
                return await self._simulate(asked, None)
            case ("_ingest", "pipeline", name, "_simulate") if method in ("GET", "POST"):
                return await self._simulate(asked, name)
            case ("_ingest", "pipeline") if get:
                return await self._get(asked, "")
            case ("_ingest", "pipeline", name) if get:
                return await self._get(asked, name)
            case ("_ingest", "pipeline", name) if method == "PUT":
                return await self._put(asked, name)
            case ("_ingest", "pipeline", name) if method == "DELETE":
                return await self._delete(asked, name)
            case ("_ingest", "processor", "grok") if get:
                return self._patterns(asked)
        return None

    def _patterns(self, asked: Asked) -> Answer:
        check_known(asked, "s", "ecs_compatibility")
        named = {**LEGACY, **ECS_V1} if asked.parameters.get("ecs_compatibility") == "v1" else LEGACY
        return answered(asked, {"patterns": dict(sorted(named.items()))})

    async def _get(self, asked: Asked, name: str) -> Answer:
        check_known(asked, "summary")
        every = self._registry.catalog.pipeline
        names = chosen(every, name)
        if name and not names and "*" not in name:
            return answered(asked, {}, 404)
        if read_flag("summary", asked.parameters.get("summary", "false")):
            return answered(asked, {key: {} for key in names})
        return answered(asked, {key: every[key].body for key in names})

    async def _put(self, asked: Asked, name: str) -> Answer:
        check_known(asked, "if_version")
        check_definition_name(name)
        body = await object_of(asked, required=True)
        compiled = await asyncio.to_thread(read_pipeline, name, body)
        may_put(asked, self._registry.catalog, "pipeline", name, body)
        wanted = asked.parameters.get("if_version")

        def made(catalog: Catalog) -> Catalog:
            before = catalog.pipeline.get(name)
            has = None if before is None else before.body.get("version")
            if wanted is not None and str(has) != wanted:
                reason = f"version conflict, required version [{wanted}] for pipeline [{name}], current is [{has}]"
                raise ElasticRefused(illegal_argument(reason))
            loops = find_loops({**self._known(catalog, name), name: compiled})
            if any(name in loop for loop in loops):
                way = next(" -> ".join(loop) for loop in loops if name in loop)
                raise ElasticRefused(illegal_argument(f"pipelines must not lead back to themselves: {way[:500]}"))
            return put_definition(catalog, "pipeline", name, body, self._registry.moment().now_ms)

        await self._registry.change(made, deed="logs.pipeline.put", of=name)
        return acknowledged(asked)

    def _known(self, catalog: Catalog, but: str) -> dict[str, Pipeline]:
        found = {key: self._registry.pipeline(key) for key in catalog.pipeline if key != but}
        return {key: each for key, each in found.items() if each is not None}

    async def _delete(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        may_manage_all(asked, "cluster:admin/ingest/pipeline/delete")

        def made(catalog: Catalog) -> Catalog:
            names = chosen(catalog.pipeline, name)
            missing = plain_missing(catalog.pipeline, name)
            if missing:
                raise ElasticRefused(resource_not_found(f"pipeline [{','.join(missing)}] is missing"))
            for each in names:
                _check_unused(catalog, each)
            return delete_definitions(catalog, "pipeline", names)

        await self._registry.change(made, deed="logs.pipeline.deleted", of=name)
        return acknowledged(asked)

    async def _simulate(self, asked: Asked, name: str | None) -> Answer:
        """Really runs, in a thread: a pattern may take its time. All of it has ten seconds: threads are few."""
        check_known(asked, "verbose")
        verbose = read_flag("verbose", asked.parameters.get("verbose", "false"))
        body = await object_of(asked, required=True)
        now_ms, ends = self._registry.moment().now_ms, time.monotonic() + _SIMULATION_S

        def tick() -> None:
            if time.monotonic() > ends:
                reason = f"the simulation takes longer than {_SIMULATION_S:.0f} s; send fewer documents"
                raise ElasticRefused(illegal_argument(reason))

        async with self._simulating:
            value = await asyncio.to_thread(
                simulate, body, self._registry.pipeline, now_ms=now_ms, name=name, verbose=verbose, tick=tick
            )
        return answered(asked, value)


def _check_unused(catalog: Catalog, name: str) -> None:
    """A pipeline that writes would stop without."""
    for key, word in ((DEFAULT_PIPELINE, "default"), (FINAL_PIPELINE, "final")):
        users = [stream.name for stream in catalog.streams.values() if _has(stream.settings, key, name)]
        if users:
            shown = ", ".join(users[:10])
            reason = (
                f"pipeline [{name}] cannot be deleted because it is the {word} pipeline for {len(users)} "
                f"index(es) including [{shown}]"
            )
            raise ElasticRefused(illegal_argument(reason))


def _has(settings: Mapping[str, object], key: str, name: str) -> bool:
    return settings.get(key) == name
