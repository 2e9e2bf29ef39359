"""Columns of the `_cat` tables. Those marked False show only when `h` asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dxops.wire.elastic.cat import Column, Kind


def _column(name: str, kind: Kind = "text", aliases: str = "", about: str = "", default: bool = True) -> Column:
    return Column(name, kind, tuple(aliases.split(",")) if aliases else (), about or name.replace(".", " "), default)


_DISK: Final = (
    _column("disk.used", "bytes", "du,diskUsed", "disk used (total, not just of indices)"),
    _column("disk.avail", "bytes", "d,disk,diskAvail", "disk available"),
    _column("disk.total", "bytes", "dt,diskTotal", "total capacity of the volume"),
    _column("disk.percent", "number", "dp,diskPercent", "percent of the disk used"),
)
_SHARD: Final = (
    _column("index", aliases="i,idx", about="index name"),
    _column("shard", "number", "s,sh", "shard number"),
    _column("prirep", aliases="p,pr,primaryOrReplica", about="primary or replica"),
)

COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "aliases": (
        _column("alias", aliases="a", about="alias name"),
        _column("index", aliases="i,idx", about="index that the alias points to"),
        _column("filter", aliases="f,fi", about="filter"),
        _column("routing.index", aliases="ri,routingIndex", about="index routing"),
        _column("routing.search", aliases="rs,routingSearch", about="search routing"),
        _column("is_write_index", aliases="w,isWriteIndex", about="write index"),
    ),
    "allocation": (
        _column("shards", "number", "s", "number of indices on the node"),
        _column("disk.indices", "bytes", "di,diskIndices", "disk used by indices"),
        *_DISK,
        _column("host", aliases="h", about="host of the node"),
        _column("ip", about="ip of the node"),
        _column("node", aliases="n", about="name of the node"),
        _column("node.role", aliases="r,role,nodeRole", about="roles of the node"),
    ),
    "component_templates": (
        _column("name", aliases="n", about="component template name"),
        _column("version", aliases="v", about="version"),
        _column("alias_count", "number", "a", "number of aliases"),
        _column("mapping_count", "number", "m", "number of mappings"),
        _column("settings_count", "number", "s", "number of settings"),
        _column("metadata_count", "number", "me", "number of metadata"),
        _column("included_in", aliases="i", about="included in composable template"),
    ),
    "count": (
        _column("epoch", aliases="t,time", about="seconds since 1970-01-01 00:00:00"),
        _column("timestamp", aliases="ts,hms,hhmmss", about="time in HH:MM:SS"),
        _column("count", "number", "dc,docs.count,docsCount", "the document count"),
    ),
    "health": (
        _column("epoch", aliases="time", about="seconds since 1970-01-01 00:00:00"),
        _column("timestamp", aliases="ts,hms,hhmmss", about="time in HH:MM:SS"),
        _column("cluster", aliases="cl", about="cluster name"),
        _column("status", aliases="st", about="health status"),
        _column("node.total", "number", "nt,nodeTotal", "total number of nodes"),
        _column("node.data", "number", "nd,nodeData", "number of nodes that can store data"),
        _column("shards", "number", "t,sh,shards.total,shardsTotal", "total number of shards"),
        _column("pri", "number", "p,shards.primary,shardsPrimary", "number of primary shards"),
        _column("relo", "number", "r,shards.relocating,shardsRelocating", "number of relocating nodes"),
        _column("init", "number", "i,shards.initializing,shardsInitializing", "number of initializing nodes"),
        _column("unassign", "number", "u,shards.unassigned,shardsUnassigned", "number of unassigned shards"),
        _column("unassign.pri", "number", "up,shards.unassigned.primary", "number of unassigned primary shards"),
        _column("pending_tasks", "number", "pt,pendingTasks", "number of pending tasks"),
        _column("max_task_wait_time", aliases="mtwt,maxTaskWaitTime", about="wait time of longest task pending"),
        _column("active_shards_percent", aliases="asp,activeShardsPercent", about="active shards in percent"),
    ),
    "indices": (
        _column("health", aliases="h", about="current health status"),
        _column("status", aliases="s", about="open/close status"),
        _column("index", aliases="i,idx", about="index name"),
        _column("uuid", aliases="id", about="index uuid"),
        _column("pri", "number", "p,shards.primary,shardsPrimary", "number of primary shards"),
        _column("rep", "number", "r,shards.replica,shardsReplica", "number of replica shards"),
        _column("docs.count", "number", "dc,docsCount", "documents that came in"),
        _column("docs.deleted", "number", "dd,docsDeleted", "deleted docs"),
        _column("store.size", "bytes", "ss,storeSize", "estimated by its share of all documents"),
        _column("pri.store.size", "bytes", "", "the same"),
        _column("dataset.size", "bytes", "", "the same"),
        _column("creation.date", "text", "cd", "creation date in milliseconds since 1970", False),
        _column("creation.date.string", "text", "cds", "creation date as a text", False),
    ),
    "master": (
        _column("id", about="node id"),
        _column("host", aliases="h", about="host name"),
        _column("ip", about="ip address"),
        _column("node", aliases="n", about="node name"),
    ),
    "nodeattrs": (_column("node"), _column("host"), _column("ip"), _column("attr"), _column("value")),
    "nodes": (
        _column("ip", aliases="i", about="ip address"),
        _column("heap.percent", "number", "hp,heapPercent", "used memory ratio"),
        _column("ram.percent", "number", "rp,ramPercent", "used machine memory ratio"),
        _column("cpu", "number", "", "recent cpu usage"),
        _column("load_1m", aliases="l", about="1m load avg"),
        _column("load_5m", aliases="", about="5m load avg"),
        _column("load_15m", aliases="", about="15m load avg"),
        _column("node.role", aliases="r,role,nodeRole", about="d:data node, i:ingest node, m:master-eligible node"),
        _column("master", aliases="m", about="*:current master"),
        _column("name", aliases="n", about="node name"),
        _column("id", "text", "nodeId", "unique node id", False),
        _column("port", "text", "po", "bound transport port", False),
        _column("http_address", "text", "http", "bound http address", False),
        _column("version", "text", "v", "es version", False),
        _column("uptime", "ms", "u", "node uptime", False),
        _column("ram.max", "bytes", "rm,ramMax", "total machine memory", False),
        _column("ram.current", "bytes", "rc,ramCurrent", "used machine memory", False),
        _column("disk.total", "bytes", "dt,diskTotal", "total disk space", False),
        _column("disk.used", "bytes", "du,diskUsed", "used disk space", False),
        _column("disk.avail", "bytes", "d,da,disk,diskAvail", "available disk space", False),
        _column("disk.used_percent", "text", "dup,diskUsedPercent", "used disk space percentage", False),
    ),
    "pending_tasks": (_column("insertOrder"), _column("timeInQueue"), _column("priority"), _column("source")),
    "pipelines": (
        _column("name", aliases="n", about="pipeline name"),
        _column("version", aliases="v", about="version"),
        _column("processors", "number", "p", "number of processors"),
    ),
    "plugins": (_column("name"), _column("component"), _column("version")),
    "recovery": (_column("index"), _column("shard"), _column("time"), _column("type"), _column("stage")),
    "segments": (
        *_SHARD,
        _column("ip", about="ip of node where it lives"),
        _column("segment", aliases="seg", about="segment name"),
        _column("generation", "number", "g,gen", "segment generation"),
        _column("docs.count", "number", "dc,docsCount", "number of docs in segment"),
        _column("docs.deleted", "number", "dd,docsDeleted", "number of deleted docs in segment"),
        _column("size", "bytes", "si", "segment size in bytes"),
        _column("size.memory", "bytes", "sm,sizeMemory", "segment memory in bytes"),
        _column("committed", aliases="ic,isCommitted", about="is segment committed"),
        _column("searchable", aliases="is,isSearchable", about="is segment searched"),
        _column("version", aliases="v,ver", about="version"),
        _column("compound", aliases="ico,isCompound", about="is segment compound"),
        _column("id", "text", "", "unique id of node where it lives", False),
    ),
    "shards": (
        *_SHARD,
        _column("state", aliases="st", about="shard state"),
        _column("docs", "number", "d,dc", "number of docs in shard"),
        _column("store", "bytes", "sto", "store size of shard"),
        _column("dataset", "bytes", "", "the same"),
        _column("ip", about="ip of node where it lives"),
        _column("node", aliases="n", about="name of node where it lives"),
        _column("id", "text", "", "unique id of node where it lives", False),
    ),
    "tasks": (_column("action"), _column("task_id"), _column("type"), _column("start_time"), _column("running_time")),
    "templates": (
        _column("name", aliases="n", about="template name"),
        _column("index_patterns", aliases="t", about="template index patterns"),
        _column("order", "number", "o,p", "template application order or priority number"),
        _column("version", aliases="v", about="version"),
        _column("composed_of", aliases="c", about="component templates comprising index template"),
    ),
}
