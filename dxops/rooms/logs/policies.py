"""ILM policies: what they may say, and which phase an index is in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dxops.rooms.logs.catalog import Catalog, Json, Stream
from dxops.rooms.logs.naming import write_index
from dxops.rooms.logs.rolling import age_ms, read_conditions
from dxops.rooms.logs.settings import LIFECYCLE_NAME, ROLLOVER_ALIAS
from dxops.rooms.logs.templates import composed, index_templates
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument

PHASES: Final = ("hot", "warm", "cold", "frozen", "delete")
_ACTIONS: Final = frozenset(
    {"rollover", "delete", "set_priority", "readonly", "forcemerge", "shrink", "allocate", "migrate", "freeze",
     "unfollow"}
)  # fmt: skip
_REFUSED: Final = {
    "searchable_snapshot": "there are no snapshots here; ClickHouse keeps everything compressed on disk",
    "wait_for_snapshot": "there are no snapshots here, so it would wait for ever",
    "downsample": "documents are kept as they came",
}


def check_policy(name: str, body: Mapping[str, Any]) -> None:
    """Raises `ElasticRefused` for what would not be carried out. What only concerns shards and nodes is accepted."""
    policy = body.get("policy")
    if not isinstance(policy, Mapping):
        raise ElasticRefused(illegal_argument(f"policy [{name}] needs [policy], an object with [phases]"))
    phases = policy.get("phases", {})
    if not isinstance(phases, Mapping):
        raise ElasticRefused(illegal_argument("[phases] must be an object"))
    for phase, what in phases.items():
        if phase not in PHASES:
            raise ElasticRefused(illegal_argument(f"Timeseries lifecycle does not support phase [{phase[:100]}]"))
        if not isinstance(what, Mapping):
            raise ElasticRefused(illegal_argument(f"phase [{phase}] must be an object"))
        if what.get("min_age") is not None:
            age_ms(what["min_age"], "min_age")
        actions = what.get("actions") or {}
        if not isinstance(actions, Mapping):
            raise ElasticRefused(illegal_argument(f"[actions] of phase [{phase}] must be an object"))
        for action, options in actions.items():
            if action in _REFUSED:
                raise ElasticRefused(illegal_argument(f"action [{action}] is not supported: {_REFUSED[action]}"))
            if action not in _ACTIONS:
                raise ElasticRefused(illegal_argument(f"unknown action [{action[:100]}] in phase [{phase}]"))
            if action == "rollover":
                read_conditions(options)


def phase_of(policy: Mapping[str, Any], age: int) -> tuple[str, int]:
    """(phase, the age at which it began) of an index that old; `new` where none has begun."""
    phases = policy.get("phases") or {}
    found = ("new", 0)
    for phase in PHASES:
        what = phases.get(phase)
        if isinstance(what, Mapping):
            begins = age_ms(what.get("min_age") or "0ms", "min_age")
            if begins <= age:
                found = (phase, begins)
    return found


def policy_name(stream: Stream) -> str | None:
    """The policy that is attached by its settings."""
    name = stream.settings.get(LIFECYCLE_NAME)
    return name if isinstance(name, str) and name else None


def phases_of(catalog: Catalog, stream: Stream) -> Mapping[str, Json]:
    """The phases of the policy that a stream has; nothing where it has none, or one that is gone."""
    definition = catalog.policy.get(policy_name(stream) or "")
    phases = {} if definition is None else (definition.body.get("policy") or {}).get("phases")
    return phases if isinstance(phases, Mapping) else {}


def rollover_target(catalog: Catalog, stream: Stream) -> str | None:
    """What is rolled over where a stream's policy says so: the data stream, or the alias of its settings while this is
    that alias's write index."""
    if stream.kind == "data_stream":
        return stream.name
    alias = stream.settings.get(ROLLOVER_ALIAS)
    if not isinstance(alias, str) or write_index(catalog, alias) != stream.name or alias in stream.rollovers:
        return None
    return alias


def used_by(catalog: Catalog, policy: str) -> dict[str, Sequence[str]]:
    """`in_use_by`, as the original shows it."""
    streams = [stream for stream in catalog.streams.values() if policy_name(stream) == policy]
    return {
        "indices": [stream.name for stream in streams if stream.kind == "index"],
        "data_streams": [stream.name for stream in streams if stream.kind == "data_stream"],
        "composable_templates": [
            name
            for name, each in index_templates(catalog).items()
            if composed(catalog, name, each.body).settings.get(LIFECYCLE_NAME) == policy
        ],
    }
