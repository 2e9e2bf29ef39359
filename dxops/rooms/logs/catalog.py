"""What describes the streams, as one frozen value: every process that needs it holds a copy.

A stream is an index or a data stream. Backing indices of a data stream are names and dates: a row belongs to the one
that was the newest when it was received. `rules` in `describing`, `templates`, `naming` make a new catalogue out of
one; `registry` keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

Kind = Literal["index", "data_stream"]
DefinitionKind = Literal["template", "index_template", "component_template", "policy", "pipeline", "cluster"]
DEFINITION_KINDS: Final[tuple[DefinitionKind, ...]] = (
    "template",
    "index_template",
    "component_template",
    "policy",
    "pipeline",
    "cluster",
)
Json = Any  # a value of JSON that is kept as it was sent


class Backing(msgspec.Struct, frozen=True):
    """A generation of a data stream."""

    name: str
    uuid: str
    created_ms: int


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """An index or data stream. `settings` are flat (`index.lifecycle.name`) and complete, those of its templates
    included; `mappings` are its own, as sent. `by_write`: a document came before anyone created it. `rollovers`
    has, by alias, when this index was rolled over. `lifecycle` is a data stream's own (`data_retention`)."""

    name: str
    kind: Kind = "index"
    uuid: str
    created_ms: int
    by_write: bool = False
    settings: Mapping[str, Json] = {}
    mappings: Mapping[str, Json] = {}
    template: str | None = None
    backing: tuple[Backing, ...] = ()
    rollovers: Mapping[str, int] = {}
    lifecycle: Mapping[str, Json] | None = None

    @property
    def generation(self) -> int:
        """Of a data stream: the number in its newest backing index's name."""
        return int(self.backing[-1].name.rpartition("-")[2]) if self.backing else 1


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A template, policy, pipeline, or the cluster's settings (`persistent`). `version` counts its changes."""

    body: Mapping[str, Json]
    version: int = 1
    modified_ms: int = 0


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `aliases`: alias to stream to options (`is_write_index`, `filter`, `is_hidden`, routing)."""

    revision: int = 0
    streams: Mapping[str, Stream] = {}
    aliases: Mapping[str, Mapping[str, Mapping[str, Json]]] = {}
    template: Mapping[str, Definition] = {}
    index_template: Mapping[str, Definition] = {}
    component_template: Mapping[str, Definition] = {}
    policy: Mapping[str, Definition] = {}
    pipeline: Mapping[str, Definition] = {}
    cluster: Mapping[str, Definition] = {}

    def definitions(self, kind: DefinitionKind) -> Mapping[str, Definition]:
        """Those of one kind, by name."""
        found: Mapping[str, Definition] = getattr(self, kind)
        return found

    def aliases_of(self, stream: str) -> dict[str, Mapping[str, Json]]:
        """The aliases of a stream, with their options."""
        return {alias: behind[stream] for alias, behind in self.aliases.items() if stream in behind}


EMPTY: Final = Catalog()
