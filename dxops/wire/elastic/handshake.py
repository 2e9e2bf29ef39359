"""What shippers and clients ask before they send: the least that all of them accept.

`version.number` is the higher of the configured version and the caller's own: Beats refuse a server that is older than
they are. `build_flavor` stays `default`, `serverless` would switch Beats and Logstash to other APIs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

Version = tuple[int, int, int]

DEFAULT_VERSION: Final = "8.19.0"
ACKNOWLEDGED: Final[Mapping[str, Any]] = {"acknowledged": True}
SHARDS: Final[Mapping[str, int]] = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}

# "Elastic-filebeat/9.1.0 (...)", "Elastic filebeat/7.10.2 (...)", "Logstash/8.13.0 (OS=Linux...)"
_AGENT = re.compile(r"(?:Elastic[ -][A-Za-z-]{1,40}|Logstash)/([0-9]{1,3})\.([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)
_CLIENT = re.compile(r"[A-Za-z][A-Za-z -]{0,60}/([0-9]{1,3})\.", re.ASCII)
_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)
_LUCENE = {7: "8.11.1", 8: "9.12.0"}
_OLDEST_WIRE = {7: "6.8.0", 8: "7.17.0"}
_OLDEST_INDEX = {7: "6.0.0-beta1", 8: "7.0.0"}


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """How this installation names itself."""

    name: str = "dxops"
    node: str = "dxops-1"
    uuid: str
    version: str = DEFAULT_VERSION


def read_version(text: str) -> Version:
    """`8.19.0`. Raises `ValueError`."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"[{text[:60]}] is not a version like {DEFAULT_VERSION}")
    return int(match[1]), int(match[2]), int(match[3])


def version_for(configured: str, user_agent: str) -> str:
    """The number to answer this caller with."""
    match = _AGENT.match(user_agent)
    if match is None:
        return configured
    own = int(match[1]), int(match[2]), int(match[3])
    return "{}.{}.{}".format(*own) if own > read_version(configured) else configured


def speaks_7(user_agent: str, compatible: int | None) -> bool:
    """Whether the caller is older than 8 and knows the old names of errors (`parse_bulk(legacy=)`)."""
    if compatible is not None:
        return compatible < 8
    match = _AGENT.match(user_agent) or (_CLIENT.match(user_agent) if "elastic" in user_agent.lower() else None)
    return match is not None and int(match[1]) < 8


def root(cluster: Cluster, user_agent: str = "") -> dict[str, Any]:
    """`GET /`."""
    number = version_for(cluster.version, user_agent)
    major = read_version(number)[0]
    return {
        "name": cluster.node,
        "cluster_name": cluster.name,
        "cluster_uuid": cluster.uuid,
        "version": {
            "number": number,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": "0",
            "build_date": "2026-01-01T00:00:00Z",
            "build_snapshot": False,
            "lucene_version": _LUCENE.get(major, "10.2.2"),
            "minimum_wire_compatibility_version": _OLDEST_WIRE.get(major, f"{major - 1}.18.0"),
            "minimum_index_compatibility_version": _OLDEST_INDEX.get(major, f"{major - 1}.0.0"),
        },
        "tagline": "You Know, for Search",
    }


def license_(cluster: Cluster) -> dict[str, Any]:
    """`GET /_license`: always 200 and active, or Filebeat stops and Logstash marks the host dead."""
    return {"license": {"status": "active", "uid": cluster.uuid, "type": "basic", "mode": "basic"}}


def xpack(cluster: Cluster) -> dict[str, Any]:
    """`GET /_xpack`."""
    return {
        "license": {"uid": cluster.uuid, "type": "basic", "mode": "basic", "status": "active"},
        "features": {"ilm": {"available": True, "enabled": True}},
    }


def health(cluster: Cluster, *, indices: int = 1, status: str = "green") -> dict[str, Any]:
    """`GET /_cluster/health`; `indices` counts those that were asked about."""
    return {
        "cluster_name": cluster.name,
        "status": status,
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": indices,
        "active_shards": indices,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    }


def nodes(cluster: Cluster, publish_address: str, user_agent: str = "") -> dict[str, Any]:
    """`GET /_nodes[/http]`. Sniffing clients move to `publish_address` (`host:port`): give one that they reach."""
    node = {
        "name": cluster.node,
        "version": version_for(cluster.version, user_agent),
        "roles": ["data", "ingest", "master"],
        "http": {"bound_address": [publish_address], "publish_address": publish_address},
    }
    return {"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": cluster.name, "nodes": {"n1": node}}


def index_created(name: str) -> dict[str, Any]:
    """`PUT /{index}`."""
    return {"acknowledged": True, "shards_acknowledged": True, "index": name}
