"""Features of the original that are not here: refused by name, with what to do instead."""

from __future__ import annotations

from typing import Final

from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument

_FEATURES: Final = {
    "_snapshot": "snapshots: back up with `dxops backup`",
    "_slm": "snapshot policies: back up with `dxops backup`",
    "_searchable_snapshots": "searchable snapshots: everything is kept compressed on disk already",
    "_watcher": "Watcher: alert with dxops monitors",
    "_ml": "machine learning",
    "_transform": "transforms: ask with aggregations or SQL when you need the numbers",
    "_rollup": "rollups: aggregations over raw documents are fast enough",
    "_ccr": "cross-cluster replication: point clickhouse.url at a replicated cluster",
    "_remote": "remote clusters",
    "_enrich": "enrich policies",
    "_graph": "graph exploration",
    "_eql": "EQL: use ES|QL or SQL",
    "_scripts": "stored scripts",
    "_script_context": "scripts",
    "_script_language": "scripts",
    "_inference": "inference",
    "_application": "search applications",
    "_connector": "content connectors",
    "_query_rules": "query rules",
    "_synonyms": "synonyms: nothing has a mapping, so nothing is analysed with them",
    "_analyze": "analysers: nothing has a mapping; words are split at what is no letter or digit",
    "_dangling": "dangling indices",
    "_logstash": "central management of Logstash",
    "_fleet": "Fleet: configure agents by file",
    "_features": "system features",
    "_migration": "migrations between versions",
    "_ssl": "certificates of the cluster: see `dxops endpoints` for `ca_file`",
    "_autoscaling": "autoscaling",
    "_shutdown": "shutting nodes down: use `dxops stop`",
    "_text_structure": "finding text structures",
    "_profiling": "profiling",
}
_OF_INDEX: Final = {
    "_close": "closing indices: delete it, or let it be; it costs no memory",
    "_open": "closed indices: every index is open",
    "_shrink": "shrinking: there are no shards",
    "_split": "splitting: there are no shards",
    "_clone": "cloning: use _reindex",
    "_freeze": "freezing: it would change nothing",
    "_unfreeze": "freezing: it would change nothing",
    "_block": "blocks",
    "_recovery": "recoveries: there are no shards",
    "_shard_stores": "shards",
    "_search_shards": "shards",
    "_segments": "segments: see /_cat/segments",
    "_knn_search": "vector search",
    "_rank_eval": "ranking",
    "_disk_usage": "disk usage by field: see /_cat/indices",
    "_field_usage_stats": "field usage",
    "_analyze": _FEATURES["_analyze"],
    "_termvectors": "term vectors",
    "_mtermvectors": "term vectors",
    "_downsample": "downsampling: documents are kept as they came",
}


class Unsupported:
    """The last reader: knows what the request was about."""

    async def answer(self, asked: Asked) -> Answer | None:
        """Raises `ElasticRefused` for a feature that is not here; None for what is no endpoint at all."""
        path = asked.path
        what = _FEATURES.get(path[0]) if path else None
        if what is None and len(path) > 1:
            what = _OF_INDEX.get(path[1])
        if what is None and path[:1] in (("_cluster",), ("_nodes",), ("_cat",), ("_ingest",), ("_security",)):
            what = "/" + "/".join(path)[:200]
        if what is None:
            return None
        raise ElasticRefused(illegal_argument(f"dxops has no {what}"))
