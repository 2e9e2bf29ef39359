"""Endpoints that describe the cluster, its nodes and statistics, and those that have nothing to do here."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping
from typing import Any, Final

from dxops.engines.spool import read_stats, this_machine
from dxops.rooms.logs.catalog import Catalog
from dxops.rooms.logs.describing import put_definition
from dxops.rooms.logs.elastic.administering import (
    WAITING,
    check_known,
    may_manage_all,
    object_of,
    stream_or_unknown,
)
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.cats import About
from dxops.rooms.logs.elastic.counters import write_counters
from dxops.rooms.logs.elastic.indices import REQUIRES_NAME
from dxops.rooms.logs.elastic.reading import NAME_PARAMETERS, Names, answered, may_read
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.settings import nested
from dxops.rooms.logs.sizes import Size, sizes
from dxops.wire.elastic import handshake
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import read_flag, read_options

_SHARDS: Final = {"total": 1, "successful": 1, "failed": 0}
_WAITS: Final = frozenset(
    {"wait_for_status", "wait_for_nodes", "wait_for_events", "wait_for_no_relocating_shards", "level",
     "wait_for_no_initializing_shards"}
)  # fmt: skip
_IDLE: Final = frozenset(
    {"max_num_segments", "only_expunge_deletes", "flush", "wait_for_completion", "force", "wait_if_ongoing",
     "fielddata", "query", "request", "fields", "index"}
)  # fmt: skip
_KNOWN_SETTINGS: Final = (REQUIRES_NAME,)


class ClusterRoutes:
    """`_cluster/…`, `_nodes…`, `_stats`, `_flush`, `_forcemerge`, `_cache/clear`."""

    def __init__(self, registry: Registry, names: Names, store: Rows, writes: Writes, about: About) -> None:
        self._registry = registry
        self._names = names
        self._store = store
        self._writes = writes
        self._about = about
        self._machine = this_machine(threads=1)

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        get = asked.method in ("GET", "HEAD")
        match asked.path:
            case ("_cluster", "health") if get:
                return await self._health(asked, "")
            case ("_cluster", "health", index) if get:
                return await self._health(asked, index)
            case ("_cluster", "state", *_) if get:
                return await self._state(asked)
            case ("_cluster", "stats", *_) if get:
                return await self._cluster_stats(asked)
            case ("_cluster", "settings") if get:
                return await self._settings(asked)
            case ("_cluster", "settings") if asked.method == "PUT":
                return await self._put_settings(asked)
            case ("_cluster", "pending_tasks") if get:
                return answered(asked, {"tasks": []})
            case ("_nodes", *more) if get and "hot_threads" not in more:
                return await self._nodes(asked, more)
            case ("_stats",) | ("_stats", _) if get:
                return await self._stats(asked, "")
            case (index, "_stats") | (index, "_stats", _) if get and not index.startswith("_"):
                return await self._stats(asked, index)
            case ("_flush" | "_forcemerge",) | (_, "_flush" | "_forcemerge"):
                return await self._idle(asked)
            case ("_cache", "clear") | (_, "_cache", "clear"):
                return await self._idle(asked)
        return None

    async def _health(self, asked: Asked, index: str) -> Answer:
        check_known(asked, *_WAITS)
        streams = (await self._names.resolved(index, read_options(asked.parameters))).streams if index else ()
        count = len(streams) if index else len(self._registry.catalog.streams)
        if asked.caller.streams is not None and not index:
            count = len((await self._names.naming()).known.names_of_indices())
        value = handshake.health(self._about.cluster, indices=max(1, count))
        if asked.parameters.get("level") in ("indices", "shards"):
            one = {
                "status": "green", "number_of_shards": 1, "number_of_replicas": 0, "active_primary_shards": 1,
                "active_shards": 1, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
            }  # fmt: skip
            value["indices"] = {name: one for name in streams or (await self._names.streams("", {}))}
        return answered(asked, value)

    async def _state(self, asked: Asked) -> Answer:
        """What the original would say of metadata, for the streams that the caller sees."""
        check_known(asked, "wait_for_metadata_version", "wait_for_timeout")
        may_read(asked)
        parts = set(asked.path[2].split(",")) if len(asked.path) > 2 else {"_all"}
        index = asked.path[3] if len(asked.path) > 3 else ""
        streams = (await self._names.resolved(index, read_options(asked.parameters))).streams
        catalog, aliases = self._registry.catalog, (await self._names.naming()).aliases
        value: dict[str, Any] = {
            "cluster_name": self._about.cluster.name, "cluster_uuid": self._about.cluster.uuid,
            "version": catalog.revision, "state_uuid": self._about.cluster.uuid, "master_node": "n1",
        }  # fmt: skip
        every = "_all" in parts
        if every or "blocks" in parts:
            value["blocks"] = {}
        if every or "nodes" in parts:
            value["nodes"] = {"n1": {"name": self._about.cluster.node, "transport_address": self._about.address}}
        if every or "metadata" in parts:
            value["metadata"] = {
                "cluster_uuid": self._about.cluster.uuid, "templates": {},
                "indices": {
                    name: {
                        "state": "open", "settings": nested(stream_or_unknown(catalog, name).settings), "mappings": {},
                        "aliases": [alias for alias, behind in aliases.items() if name in behind],
                    }
                    for name in streams
                },
            }  # fmt: skip
        return answered(asked, value)

    async def _cluster_stats(self, asked: Asked) -> Answer:
        check_known(asked, "include_remotes")
        may_read(asked)
        streams = (await self._names.resolved("", read_options({}))).streams
        found = await sizes(self._store, streams)
        documents = sum(each.documents for each in found.streams.values())
        size = sum(each.size_bytes for each in found.streams.values())
        disk = shutil.disk_usage(self._about.data)
        agent = asked.headers.get("user-agent", "")
        value = {
            "_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": self._about.cluster.name,
            "cluster_uuid": self._about.cluster.uuid, "timestamp": self._registry.moment().now_ms, "status": "green",
            "indices": {
                "count": len(streams), "shards": {"total": len(streams), "primaries": len(streams)},
                "docs": {"count": documents, "deleted": 0}, "store": {"size_in_bytes": size},
            },
            "nodes": {
                "count": {"total": 1, "data": 1, "ingest": 1, "master": 1},
                "versions": [handshake.version_for(self._about.cluster.version, agent)],
                "fs": {"total_in_bytes": disk.total, "free_in_bytes": disk.free, "available_in_bytes": disk.free},
            },
        }  # fmt: skip
        return answered(asked, value)

    async def _settings(self, asked: Asked) -> Answer:
        check_known(asked)
        stored = self._registry.catalog.cluster.get("persistent")
        persistent = {} if stored is None else dict(stored.body)
        flat_settings = read_flag("flat_settings", asked.parameters.get("flat_settings", "false"))
        shown = persistent if flat_settings else nested(persistent)
        value: dict[str, Any] = {"persistent": shown, "transient": {}}
        if read_flag("include_defaults", asked.parameters.get("include_defaults", "false")):
            defaults = {REQUIRES_NAME: "true", "cluster.name": self._about.cluster.name}
            value["defaults"] = defaults if flat_settings else nested(defaults)
        return answered(asked, value)

    async def _put_settings(self, asked: Asked) -> Answer:
        check_known(asked)
        may_manage_all(asked, "cluster:admin/settings/update")
        body = await object_of(asked, required=True)
        given: dict[str, Any] = {}
        for part in ("persistent", "transient"):
            _flatten("", body.get(part) or {}, given)
        unknown = sorted(name for name, value in given.items() if name not in _KNOWN_SETTINGS and value is not None)
        if unknown:
            reason = f"setting [{unknown[0][:100]}] does nothing here, so it is not taken; there is {REQUIRES_NAME}"
            raise ElasticRefused(illegal_argument(reason))

        def made(catalog: Catalog) -> Catalog:
            stored = catalog.cluster.get("persistent")
            after = {**({} if stored is None else stored.body), **given}
            kept = {name: value for name, value in after.items() if value is not None}
            return put_definition(catalog, "cluster", "persistent", kept, self._registry.moment().now_ms)

        after = await self._registry.change(made, deed="logs.cluster_settings.changed", of=",".join(given))
        stored = after.cluster.get("persistent")
        persistent = {} if stored is None else nested(stored.body)
        return answered(asked, {"acknowledged": True, "persistent": persistent, "transient": {}})

    async def _nodes(self, asked: Asked, more: list[str]) -> Answer:
        check_parameters("/_nodes", asked.parameters, WAITING | {"level", "types", "fields", "human"})
        agent = asked.headers.get("user-agent", "")
        value = handshake.nodes(self._about.cluster, self._about.address, agent)
        if "stats" in more:
            spool = await read_stats(self._machine, str(self._about.data / "spool"))
            value["nodes"]["n1"] |= {**self._node_stats(), **write_counters(spool)}
        return answered(asked, value)

    def _node_stats(self) -> dict[str, Any]:
        disk = shutil.disk_usage(self._about.data)
        load = dict(zip(("1m", "5m", "15m"), os.getloadavg(), strict=True))
        now_ms = self._registry.moment().now_ms
        return {
            "timestamp": now_ms, "os": {"timestamp": now_ms, "cpu": {"load_average": load}},
            "jvm": {"uptime_in_millis": now_ms - self._about.started_ms},
            "process": {"max_file_descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0]},
            "fs": {"total": {"total_in_bytes": disk.total, "free_in_bytes": disk.free,
                             "available_in_bytes": disk.free}},
        }  # fmt: skip

    async def _stats(self, asked: Asked, index: str) -> Answer:
        check_parameters(
            "/_stats", asked.parameters, NAME_PARAMETERS | {"level", "human", "fields", "forbid_closed_indices"}
        )
        may_read(asked)
        streams = (await self._names.resolved(index, read_options(asked.parameters))).streams
        found = await sizes(self._store, streams)
        each = {name: _stat(found.of(name)) for name in streams}
        total = _stat(Size(
            sum(found.of(name).documents for name in streams), sum(found.of(name).size_bytes for name in streams)
        ))  # fmt: skip
        value = {
            "_shards": {"total": len(streams), "successful": len(streams), "failed": 0},
            "_all": {"primaries": total, "total": total},
            "indices": {
                name: {"uuid": stream_or_unknown(self._registry.catalog, name).uuid, "health": "green",
                       "status": "open", "primaries": stat, "total": stat}
                for name, stat in each.items()
            },
        }  # fmt: skip
        return answered(asked, value)

    async def _idle(self, asked: Asked) -> Answer:
        """Nothing to do: everything is durable already, and ClickHouse merges by itself."""
        check_parameters("/" + "/".join(asked.path), asked.parameters, NAME_PARAMETERS | _IDLE)
        if asked.method not in ("GET", "POST"):
            raise ElasticRefused(illegal_argument(f"[{asked.method}] is not allowed here; use POST"))
        index = asked.path[0] if not asked.path[0].startswith("_") else ""
        await self._names.resolved(index, read_options(asked.parameters))
        return answered(asked, {"_shards": _SHARDS})


def _stat(size: Size) -> Mapping[str, Any]:
    return {
        "docs": {"count": size.documents, "deleted": 0},
        "shard_stats": {"total_count": 1},
        "store": {"size_in_bytes": size.size_bytes, "total_data_set_size_in_bytes": size.size_bytes,
                  "reserved_in_bytes": 0},
        "indexing": {"index_total": size.documents, "index_time_in_millis": 0, "index_failed": 0},
        "search": {"query_total": 0, "query_time_in_millis": 0, "open_contexts": 0},
    }  # fmt: skip


def _flatten(above: str, value: object, into: dict[str, Any]) -> None:
    if not isinstance(value, Mapping):
        raise ElasticRefused(illegal_argument("[persistent] and [transient] must be objects"))
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            _flatten(f"{above}{name}.", inner, into)
        elif inner is None:
            into[above + name] = None
        else:
            into[above + name] = str(inner).lower() if isinstance(inner, bool) else str(inner)
