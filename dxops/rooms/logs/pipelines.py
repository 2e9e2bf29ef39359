"""Stored ingest pipelines, compiled, and which of them an index has: the port of whoever runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from dxops.wire.elastic.ingest.pipeline import Pipeline, read_pipeline


class IndexPipelines(msgspec.Struct, frozen=True, kw_only=True):
    """Pipelines that an index has by its settings. `default` runs where a request names none (`_none`: no pipeline),
    `final` after all others. None: it has none."""

    default: str | None = None
    final: str | None = None


NO_PIPELINES = IndexPipelines()


class Pipelines(Protocol):
    """What is stored, as of now. Never blocks, does no I/O; cheap enough to ask once per batch and name."""

    def pipeline(self, name: str) -> Pipeline | None:
        """The compiled pipeline (`ingest(lookup=…)` takes this method), None where there is none of that name."""
        ...

    def of_index(self, index: str) -> IndexPipelines:
        """By the settings of the index, or of the template that would make it; of an alias, of its write index."""
        ...


class MemoryPipelines:
    """The port over definitions in memory. Raises `ElasticRefused` for one that is wrong."""

    def __init__(
        self, definitions: Mapping[str, Any] | None = None, indices: Mapping[str, IndexPipelines] | None = None
    ) -> None:
        self._compiled = {name: read_pipeline(name, definition) for name, definition in (definitions or {}).items()}
        self._indices = dict(indices or {})

    def pipeline(self, name: str) -> Pipeline | None:
        """See `Pipelines`."""
        return self._compiled.get(name)

    def of_index(self, index: str) -> IndexPipelines:
        """See `Pipelines`."""
        return self._indices.get(index, NO_PIPELINES)
