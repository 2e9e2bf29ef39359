"""`_cat`: tables for people and scripts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from dxops.rooms.logs.elastic.administering import chosen, seen_templates, stream_or_unknown
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.cat_columns import COLUMNS
from dxops.rooms.logs.elastic.indices import concrete
from dxops.rooms.logs.elastic.reading import NAME_PARAMETERS, Names, answered, may_read
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.searching import Searcher
from dxops.rooms.logs.sizes import documents_by_backing, sizes
from dxops.rooms.logs.templates import index_templates, patterns_of, priority_of
from dxops.wire.elastic import cat
from dxops.wire.elastic.handshake import Cluster, version_for
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import Options, read_options
from dxops.wire.elastic.times import format_ms
from dxops.wire.query_tree import All

_Rows = Sequence[Mapping[str, cat.Cell]]
_MORE: Final = frozenset({"health", "pri", "include_unloaded_segments", "ts", "full_id", "active_only"})


class About(msgspec.Struct, frozen=True):
    """This installation, as its API describes it. `address` is `host:port`, `data` where its disk is measured."""

    cluster: Cluster
    address: str
    data: Path
    started_ms: int


class Cats:
    """`_cat/…`."""

    def __init__(self, registry: Registry, names: Names, store: Rows, searcher: Searcher, about: About) -> None:
        self._registry = registry
        self._names = names
        self._store = store
        self._searcher = searcher
        self._about = about
        self._tables: Mapping[str, Callable[[Asked, str], Awaitable[_Rows]]] = {
            "aliases": self._aliases, "allocation": self._allocation, "component_templates": self._components,
            "count": self._count, "health": self._health, "indices": self._indices, "master": self._master,
            "nodes": self._nodes, "pipelines": self._pipelines, "segments": self._segments, "shards": self._shards,
            "templates": self._templates, "plugins": _nothing, "recovery": _nothing, "pending_tasks": _nothing,
            "nodeattrs": _nothing, "tasks": _nothing,
        }  # fmt: skip

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        counts = asked.path[:2] == ("_cat", "count") and asked.method == "POST"  # so the client 9 for Python asks
        if asked.method not in ("GET", "HEAD") and not counts:
            return None
        match asked.path:
            case ("_cat",):
                text = "=^.^=\n" + "".join(f"/_cat/{name}\n" for name in sorted(self._tables))
                return Answer(status=200, body=text.encode(), content_type="text/plain; charset=UTF-8")
            case ("_cat", what) if what in self._tables:
                return await self._table(asked, what, "")
            case ("_cat", what, which) if what in self._tables:
                return await self._table(asked, what, which)
        return None

    async def _table(self, asked: Asked, what: str, which: str) -> Answer:
        check_parameters("/" + "/".join(asked.path), asked.parameters, NAME_PARAMETERS | cat.PARAMETERS | _MORE)
        columns = COLUMNS[what]
        rows: _Rows = [] if "help" in asked.parameters else await self._tables[what](asked, which)
        table = cat.Table(columns, rows)
        if asked.answering.text:
            text = cat.as_text(table, asked.parameters).encode()
            return Answer(status=200, body=text, content_type=asked.answering.content_type)
        return answered(asked, cat.as_values(table, asked.parameters))

    async def _streams(self, asked: Asked, index: str) -> tuple[str, ...]:
        may_read(asked)
        return (await self._names.resolved(index, read_options(asked.parameters, Options()))).streams

    async def _indices(self, asked: Asked, index: str) -> _Rows:
        may_read(asked)
        named = await self._names.resolved(index, read_options(asked.parameters, Options()))
        wanted = asked.parameters.get("health")
        if wanted not in (None, "", "green"):
            return []
        found = await sizes(self._store, named.streams)
        rows: list[dict[str, cat.Cell]] = []
        for stream in (stream_or_unknown(self._registry.catalog, name) for name in named.streams):
            size = found.of(stream.name)
            parts = await documents_by_backing(self._store, stream) if stream.generation > 1 else {}
            each = size.size_bytes / size.documents if size.documents else 0.0
            for name, settings in concrete(stream, named.indices):
                count = parts.get(name, size.documents)
                size_bytes, created = round(count * each), settings["index.creation_date"]
                rows.append({
                    "health": "green", "status": "open", "index": name, "uuid": settings["index.uuid"], "pri": 1,
                    "rep": 0, "docs.count": count, "docs.deleted": 0, "store.size": size_bytes,
                    "pri.store.size": size_bytes, "dataset.size": size_bytes,
                    "creation.date": created, "creation.date.string": format_ms(int(created)),
                })  # fmt: skip
        return rows

    async def _shards(self, asked: Asked, index: str) -> _Rows:
        host = self._about.address.rpartition(":")[0]
        return [
            {"index": row["index"], "shard": 0, "prirep": "p", "state": "STARTED", "docs": row["docs.count"],
             "store": row["store.size"], "dataset": row["store.size"], "ip": host, "id": "n1",
             "node": self._about.cluster.node}
            for row in await self._indices(asked, index)
        ]  # fmt: skip

    async def _segments(self, asked: Asked, index: str) -> _Rows:
        host = self._about.address.rpartition(":")[0]
        return [
            {"index": row["index"], "shard": 0, "prirep": "p", "ip": host, "id": "n1", "segment": "_0",
             "generation": 0, "docs.count": row["docs.count"], "docs.deleted": 0, "size": row["store.size"],
             "size.memory": 0, "committed": "true", "searchable": "true", "version": "9.12.0", "compound": "false"}
            for row in await self._indices(asked, index)
        ]  # fmt: skip

    async def _count(self, asked: Asked, index: str) -> _Rows:
        may_read(asked)
        count = await self._searcher.count(All(), await self._names.target(index, {}))
        return [{**self._now(), "count": count}]

    async def _health(self, asked: Asked, index: str) -> _Rows:
        shards = len((await self._names.naming()).known.names_of_indices()) if asked.caller.may_read else 1
        return [{
            **self._now(), "cluster": self._about.cluster.name, "status": "green", "node.total": 1, "node.data": 1,
            "shards": shards, "pri": shards, "relo": 0, "init": 0, "unassign": 0, "unassign.pri": 0,
            "pending_tasks": 0, "max_task_wait_time": "-", "active_shards_percent": "100.0%",
        }]  # fmt: skip

    def _now(self) -> dict[str, cat.Cell]:
        now_ms = self._registry.moment().now_ms
        return {"epoch": str(now_ms // 1000), "timestamp": format_ms(now_ms)[11:19]}

    async def _aliases(self, asked: Asked, which: str) -> _Rows:
        aliases = (await self._names.naming()).aliases
        return [
            {"alias": alias, "index": stream, "filter": "*" if options.get("filter") else "-",
             "routing.index": str(options.get("index_routing", "-")),
             "routing.search": str(options.get("search_routing", "-")),
             "is_write_index": str(options.get("is_write_index", "-")).lower()}
            for alias in chosen(aliases, which)
            for stream, options in aliases[alias].items()
        ]  # fmt: skip

    async def _templates(self, asked: Asked, which: str) -> _Rows:
        catalog, patterns = self._registry.catalog, asked.caller.streams
        composable = index_templates(catalog)
        seen = seen_templates(catalog, "index_template", patterns) if patterns is not None else list(composable)
        rows: list[dict[str, cat.Cell]] = []
        for name in seen:
            each = composable[name]
            rows.append({
                "name": name, "index_patterns": _listed(patterns_of(each)), "order": priority_of(each),
                "version": _text(each.body.get("version")), "composed_of": _listed(each.body.get("composed_of") or []),
            })  # fmt: skip
        for name in seen_templates(catalog, "template", patterns):
            each = catalog.template[name]
            rows.append({
                "name": name, "index_patterns": _listed(patterns_of(each)), "order": each.body.get("order", 0),
                "version": _text(each.body.get("version")), "composed_of": "",
            })  # fmt: skip
        wanted = set(chosen([str(row["name"]) for row in rows], which))
        return sorted((row for row in rows if row["name"] in wanted), key=lambda row: str(row["name"]))

    async def _components(self, asked: Asked, which: str) -> _Rows:
        every = self._registry.catalog.component_template
        rows: list[dict[str, cat.Cell]] = []
        for name in chosen(every, which):
            template = every[name].body.get("template") or {}
            counts = {f"{key}_count": len(template.get(key) or {}) for key in ("settings", "mappings", "aliases")}
            version = _text(every[name].body.get("version"))
            rows.append({"name": name, "version": version, **counts, "metadata_count": 0, "included_in": "[]"})
        return rows

    async def _pipelines(self, asked: Asked, which: str) -> _Rows:
        every = self._registry.catalog.pipeline
        return [
            {"name": name, "version": _text(every[name].body.get("version")),
             "processors": len(every[name].body.get("processors") or [])}
            for name in chosen(every, which)
        ]  # fmt: skip

    async def _master(self, asked: Asked, which: str) -> _Rows:
        host = self._about.address.rpartition(":")[0]
        return [{"id": "n1", "host": host, "ip": host, "node": self._about.cluster.node}]

    async def _nodes(self, asked: Asked, which: str) -> _Rows:
        host, _, port = self._about.address.rpartition(":")
        load = os.getloadavg()
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
        percent = round(100 * (total - free) / total)
        agent = asked.headers.get("user-agent", "")
        return [{
            "id": "n1", "ip": host, "port": port, "http_address": self._about.address, "heap.percent": percent,
            "ram.percent": percent, "ram.max": total, "ram.current": total - free,
            "cpu": min(100, round(100 * load[0] / (os.cpu_count() or 1))),
            "load_1m": f"{load[0]:.2f}", "load_5m": f"{load[1]:.2f}", "load_15m": f"{load[2]:.2f}",
            "node.role": "dim", "master": "*", "name": self._about.cluster.node,
            "version": version_for(self._about.cluster.version, agent),
            "uptime": self._registry.moment().now_ms - self._about.started_ms, **self._disk(),
        }]  # fmt: skip

    def _disk(self) -> dict[str, cat.Cell]:
        disk = shutil.disk_usage(self._about.data)
        percent = 100 * disk.used / disk.total
        return {
            "disk.total": disk.total, "disk.used": disk.used, "disk.avail": disk.free, "disk.percent": round(percent),
            "disk.used_percent": f"{percent:.2f}",
        }  # fmt: skip

    async def _allocation(self, asked: Asked, which: str) -> _Rows:
        rows = await self._indices(asked, "")
        host = self._about.address.rpartition(":")[0]
        size = sum(int(row["store.size"] or 0) for row in rows)
        return [{"shards": len(rows), "disk.indices": size, **self._disk(), "host": host, "ip": host,
                 "node": self._about.cluster.node, "node.role": "dim"}]  # fmt: skip


async def _nothing(_asked: Asked, _which: str) -> _Rows:
    return []


def _listed(values: Sequence[str]) -> str:
    return f"[{', '.join(values)}]"


def _text(value: object) -> str:
    return "" if value is None else str(value)
