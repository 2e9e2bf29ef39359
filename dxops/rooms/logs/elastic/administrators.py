"""The administrative endpoints, put together."""

from __future__ import annotations

from dxops.rooms.logs.elastic.access import ApiKeys
from dxops.rooms.logs.elastic.alias_routes import Aliases
from dxops.rooms.logs.elastic.app import Reader
from dxops.rooms.logs.elastic.cats import About, Cats
from dxops.rooms.logs.elastic.cluster import ClusterRoutes
from dxops.rooms.logs.elastic.data_streams import DataStreams
from dxops.rooms.logs.elastic.indices import Indices
from dxops.rooms.logs.elastic.lifecycle import Lifecycle
from dxops.rooms.logs.elastic.pipeline_routes import PipelineRoutes
from dxops.rooms.logs.elastic.policy_runs import PolicyRuns
from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.elastic.security_routes import SecurityRoutes
from dxops.rooms.logs.elastic.template_routes import Templates
from dxops.rooms.logs.elastic.unsupported import Unsupported
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.erasing import Eraser
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.searching import Searcher
from dxops.wire.elastic.auto_ids import AutoIds

LAST: tuple[Reader, ...] = (Unsupported(),)
"""To be asked after everyone else."""


def administrators(
    store: Rows,
    names: Names,
    writes: Writes,
    id_key: bytes,
    registry: Registry,
    eraser: Eraser,
    about: About,
    keys: ApiKeys,
) -> tuple[Reader, ...]:
    """What describes streams. To be asked before `readers`, with the same `names`."""

    def now_ms() -> int:
        return registry.moment().now_ms

    indices = Indices(registry, names, store, writes, eraser)
    return (
        Templates(registry),
        Lifecycle(registry, names),
        PipelineRoutes(registry),
        Aliases(registry, names, indices),
        DataStreams(registry, names, store, indices),
        Cats(registry, names, store, Searcher(store, AutoIds(id_key), now_ms, lambda: writes.writing.has_ended), about),
        ClusterRoutes(registry, names, store, writes, about),
        SecurityRoutes(registry, keys),
        indices,
    )


def policy_runs(store: Rows, writes: Writes, registry: Registry, eraser: Eraser) -> PolicyRuns:
    """What carries ILM policies out. Run it as a task."""
    names = Names(store, lambda: registry.moment().now_ms, registry)
    return PolicyRuns(registry, store, Indices(registry, names, store, writes, eraser))
