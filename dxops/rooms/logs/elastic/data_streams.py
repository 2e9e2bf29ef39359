"""Endpoints of data streams, and rolling over."""

from __future__ import annotations

from typing import Any

import msgspec

from dxops.rooms.logs import describing
from dxops.rooms.logs.catalog import Catalog, Stream
from dxops.rooms.logs.elastic.administering import (
    acknowledged,
    check_known,
    chosen,
    may_make,
    may_manage,
    object_of,
    plain_missing,
)
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.indices import Indices, requires_name
from dxops.rooms.logs.elastic.measuring import measured
from dxops.rooms.logs.elastic.reading import Names, answered, may_read
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.naming import one_stream, write_index
from dxops.rooms.logs.policies import policy_name
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.rolling import Measured, age_ms, due, read_conditions, rolled
from dxops.rooms.logs.searching import SHARDS
from dxops.rooms.logs.settings import HIDDEN
from dxops.rooms.logs.sizes import sizes
from dxops.rooms.logs.templates import part_of
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument, index_not_found
from dxops.wire.elastic.names import read_flag


class DataStreams:
    """`_data_stream`, its `_stats` and `_lifecycle`, `/{alias}/_rollover`."""

    def __init__(self, registry: Registry, names: Names, store: Rows, indices: Indices) -> None:
        self._registry = registry
        self._names = names
        self._store = store
        self._indices = indices

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        method, get = asked.method, asked.method in ("GET", "HEAD")
        match asked.path:
            case ("_data_stream",) if get:
                return await self._get(asked, "")
            case ("_data_stream", "_stats") if get:
                return await self._stats(asked, "")
            case ("_data_stream", name) if not name.startswith("_"):
                if get:
                    return await self._get(asked, name)
                if method == "PUT":
                    return await self._create(asked, name)
                if method == "DELETE":
                    return await self._delete(asked, name)
            case ("_data_stream", name, "_stats") if get:
                return await self._stats(asked, name)
            case ("_data_stream", name, "_lifecycle") if get or method in ("PUT", "DELETE"):
                return await self._lifecycle(asked, name)
            case (target, "_rollover") if method == "POST":
                return await self._rollover(asked, target, None)
            case (target, "_rollover", new) if method == "POST":
                return await self._rollover(asked, target, new)
        return None

    async def _named(self, wanted: str) -> list[Stream]:
        """Data streams that the caller sees. Raises `ElasticRefused` (404)."""
        known = (await self._names.naming()).known.data_streams
        missing = plain_missing(known, wanted)
        if missing:
            raise ElasticRefused(index_not_found(missing[0]))
        return [self._registry.catalog.streams[name] for name in chosen(known, wanted)]

    async def _get(self, asked: Asked, name: str) -> Answer:
        check_known(asked, "verbose")
        return answered(asked, {"data_streams": [shown(stream) for stream in await self._named(name)]})

    async def _create(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        may_make(asked, "indices:admin/data_stream/create", [name])
        await self._registry.change(
            lambda catalog: describing.create_data_stream(catalog, name, self._registry.moment()),
            deed="logs.data_stream.created",
            of=name,
        )
        return acknowledged(asked)

    async def _delete(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        may_manage(asked, "indices:admin/data_stream/delete")
        if ("*" in name or name == "_all") and requires_name(self._registry.catalog):
            raise ElasticRefused(illegal_argument("Wildcard expressions or all indices are not allowed"))
        await self._indices.erase([stream.name for stream in await self._named(name)])
        return acknowledged(asked)

    async def _stats(self, asked: Asked, name: str) -> Answer:
        check_known(asked, "human")
        may_read(asked)
        streams = await self._named(name)
        found = await sizes(self._store, [stream.name for stream in streams])
        rows = [
            {"data_stream": stream.name, "backing_indices": len(stream.backing),
             "store_size_bytes": found.of(stream.name).size_bytes, "maximum_timestamp": found.of(stream.name).last_ms}
            for stream in streams
        ]  # fmt: skip
        value = {
            "_shards": SHARDS, "data_stream_count": len(streams),
            "backing_indices": sum(len(stream.backing) for stream in streams),
            "total_store_size_bytes": sum(found.of(stream.name).size_bytes for stream in streams), "data_streams": rows,
        }  # fmt: skip
        return answered(asked, value)

    async def _lifecycle(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        streams = [stream.name for stream in await self._named(name)]
        if asked.method in ("GET", "HEAD"):
            known = {each: self._registry.catalog.streams[each].lifecycle for each in streams}
            rows = [{"name": each} | ({} if how is None else {"lifecycle": how}) for each, how in known.items()]
            return answered(asked, {"data_streams": rows})
        may_manage(asked, "indices:admin/data_stream/lifecycle/put")
        lifecycle: dict[str, Any] | None = None
        if asked.method == "PUT":
            body = await object_of(asked)
            unknown = sorted(set(body) - {"data_retention", "enabled"})
            if unknown:
                raise ElasticRefused(illegal_argument(f"[lifecycle] unknown field [{unknown[0][:100]}]"))
            if body.get("data_retention") is not None:
                age_ms(body["data_retention"], "data_retention")
            lifecycle = {"enabled": True, **body}

        def made(catalog: Catalog) -> Catalog:
            for each in streams:
                changed = msgspec.structs.replace(one_stream(catalog, each), lifecycle=lifecycle)
                catalog = describing.with_stream(catalog, changed)
            return catalog

        await self._registry.change(made, deed="logs.lifecycle.changed", of=name)
        return acknowledged(asked)

    async def _rollover(self, asked: Asked, target: str, new_index: str | None) -> Answer:
        check_known(asked, "dry_run", "lazy")
        may_manage(asked, "indices:admin/rollover")
        naming = await self._names.naming()
        if target not in naming.known:
            raise ElasticRefused(index_not_found(target))
        body = await object_of(asked)
        conditions = read_conditions(body.get("conditions"))
        rest = {key: value for key, value in body.items() if key != "conditions"}
        moment = self._registry.moment()
        _, old, new = rolled(self._registry.catalog, target, new_index, rest, moment)
        if target not in naming.known.data_streams:
            # an alias may be of others' streams too, and then takes their documents along
            may_make(asked, "indices:admin/rollover", [old, new, *part_of(body.get("aliases"))])
        found = await self._measured(target, moment.now_ms) if conditions else Measured(0, 0, 0)
        dry = read_flag("dry_run", asked.parameters.get("dry_run", "false"))
        happens = due(conditions, found)
        if happens and not dry:
            after = await self._registry.change(
                lambda catalog: rolled(catalog, target, new_index, rest, moment)[0], deed="logs.rolled_over", of=target
            )
            stream = after.streams.get(target)
            new = stream.backing[-1].name if stream is not None and stream.backing else new
        value = {
            "acknowledged": happens and not dry, "shards_acknowledged": happens and not dry, "old_index": old,
            "new_index": new, "rolled_over": happens and not dry, "dry_run": dry, "lazy": False,
            "conditions": {each.text: each.met(found) for each in conditions},
        }  # fmt: skip
        return answered(asked, value)

    async def _measured(self, target: str, now_ms: int) -> Measured:
        catalog = self._registry.catalog
        return await measured(self._store, catalog.streams[write_index(catalog, target) or target], now_ms)


def shown(stream: Stream) -> dict[str, Any]:
    """One data stream, as `GET /_data_stream` answers."""
    policy = policy_name(stream)
    more: dict[str, Any] = {} if policy is None else {"ilm_policy": policy}
    managed = "Index Lifecycle Management" if policy is not None else "Unmanaged"
    if stream.lifecycle is not None:
        more["lifecycle"] = stream.lifecycle
        managed = managed if policy is not None else "Data stream lifecycle"
    return {
        "name": stream.name, "timestamp_field": {"name": "@timestamp"},
        "indices": [
            {"index_name": each.name, "index_uuid": each.uuid, "prefer_ilm": True, "managed_by": managed}
            for each in stream.backing
        ],
        "generation": stream.generation, "status": "GREEN", "template": stream.template or "", **more,
        "next_generation_managed_by": managed, "prefer_ilm": True, "hidden": stream.settings.get(HIDDEN) == "true",
        "system": False, "allow_custom_routing": False, "replicated": False, "rollover_on_write": False,
    }  # fmt: skip
