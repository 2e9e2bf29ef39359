"""ILM policies carried out: indices and data streams are rolled over, and what was rolled over so long ago is deleted.

Documents go by their dates (`keeping`), which is usually before; here the indices go that they were in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from dxops.base.errors import DxopsError
from dxops.rooms.logs.catalog import Catalog, Json, Stream
from dxops.rooms.logs.elastic.indices import Indices
from dxops.rooms.logs.elastic.lifecycle import operation_mode
from dxops.rooms.logs.elastic.measuring import measured
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.naming import write_index
from dxops.rooms.logs.policies import phases_of, rollover_target
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.rolling import age_ms, due, read_conditions, rolled
from dxops.wire.elastic.errors import ElasticRefused

log = logging.getLogger(__name__)

_EVERY_S: Final = 60.0


class PolicyRuns:
    """For the process that writes. Several may run: each change is decided again on the newest catalogue."""

    def __init__(self, registry: Registry, store: Rows, indices: Indices) -> None:
        self._registry = registry
        self._store = store
        self._indices = indices

    async def run(self) -> None:
        """Every minute, for ever. What cannot be done now is tried again then."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.once()
            except DxopsError as error:
                log.info("policies wait", extra={"reason": error.message})
            except Exception:
                log.exception("policies could not be carried out")

    async def once(self) -> None:
        """Everything that is due. Raises `Unavailable` while PostgreSQL or the store is away."""
        if operation_mode(self._registry.catalog) != "RUNNING":
            return
        for stream in list(self._registry.catalog.streams.values()):
            phases = phases_of(self._registry.catalog, stream)
            if not phases:
                continue
            try:
                await self._roll(stream, phases)
                await self._delete(stream, phases)
            except ElasticRefused as error:  # a name that cannot be counted up, an index that is in use
                log.warning("a policy cannot be carried out", extra={"index": stream.name, "reason": error.message})

    async def _roll(self, stream: Stream, phases: Mapping[str, Json]) -> None:
        options = _action(phases, "hot", "rollover")
        target = rollover_target(self._registry.catalog, stream)
        if options is None or target is None:
            return
        conditions, moment = read_conditions(options), self._registry.moment()
        found = await measured(self._store, stream, moment.now_ms)
        if not conditions or not found.documents or not due(conditions, found):
            return

        def made(catalog: Catalog) -> Catalog:
            newest = catalog.streams.get(stream.name)
            if newest is None or newest.backing != stream.backing or rollover_target(catalog, newest) != target:
                return catalog  # somebody else was faster
            return rolled(catalog, target, None, {}, moment)[0]

        await self._registry.change(made, deed="logs.rolled_over", of=target)
        log.info("rolled over by its policy", extra={"index": stream.name, "target": target})

    async def _delete(self, stream: Stream, phases: Mapping[str, Json]) -> None:
        delete = phases.get("delete")
        if not isinstance(delete, Mapping) or _action(phases, "delete", "delete") is None:
            return
        before_ms = self._registry.moment().now_ms - age_ms(delete.get("min_age") or "0ms", "min_age")
        for each, later in zip(stream.backing, stream.backing[1:], strict=False):
            if later.created_ms <= before_ms:
                await self._indices.erase_backing(each.name)
        catalog = self._registry.catalog
        writes = any(write_index(catalog, alias) == stream.name for alias in catalog.aliases_of(stream.name))
        if stream.rollovers and max(stream.rollovers.values()) <= before_ms and not writes:
            await self._indices.erase([stream.name])


def _action(phases: Mapping[str, Json], phase: str, action: str) -> Mapping[str, Json] | None:
    what = phases.get(phase)
    actions = what.get("actions") if isinstance(what, Mapping) else None
    found = actions.get(action) if isinstance(actions, Mapping) else None
    return found if isinstance(found, Mapping) else None
