"""Index settings: nested, dotted or without `index.` as clients send them, flat as they are kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dxops.wire.elastic.errors import ElasticRefused, illegal_argument

DEFAULT_PIPELINE: Final = "index.default_pipeline"
FINAL_PIPELINE: Final = "index.final_pipeline"
LIFECYCLE_NAME: Final = "index.lifecycle.name"
ROLLOVER_ALIAS: Final = "index.lifecycle.rollover_alias"
HIDDEN: Final = "index.hidden"
PROVIDED_NAME: Final = "index.provided_name"


def flat(settings: object) -> dict[str, Any]:
    """`{"index": {"hidden": true}}`, `{"hidden": true}` and `{"index.hidden": true}` are the same. Values as sent, but
    numbers and booleans as texts, as the original shows them; None is kept: it takes a setting away.

    Raises `ElasticRefused` for what is no object.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise ElasticRefused(illegal_argument("[settings] must be an object"))
    found: dict[str, Any] = {}
    _flatten("", settings, found)
    return {name if name.startswith("index.") else f"index.{name}": value for name, value in found.items()}


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Flat settings as objects. A name below one that has a value stays dotted."""
    made: dict[str, Any] = {}
    for name in sorted(settings):
        place, parts = made, name.split(".")
        while len(parts) > 1:
            inner = place.setdefault(parts[0], {})
            if not isinstance(inner, dict):
                break
            place = inner
            parts.pop(0)
        place[".".join(parts)] = settings[name]
    return made


def merged(*several: Mapping[str, Any]) -> dict[str, Any]:
    """Later ones win; None takes away."""
    made: dict[str, Any] = {}
    for one in several:
        made |= one
    return {name: value for name, value in made.items() if value is not None}


def text_of(settings: Mapping[str, Any], name: str) -> str | None:
    """A setting that is a text and says something."""
    value = settings.get(name)
    return value if isinstance(value, str) and value else None


def merged_objects(*several: Mapping[str, Any]) -> dict[str, Any]:
    """Objects merged member by member, as mappings are; of other values the later wins."""
    made: dict[str, Any] = {}
    for one in several:
        for name, value in one.items():
            before = made.get(name)
            both = isinstance(before, Mapping) and isinstance(value, Mapping)
            made[name] = merged_objects(before, value) if both else value  # type: ignore[arg-type]
    return made


def _flatten(above: str, value: Mapping[str, Any], into: dict[str, Any]) -> None:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            _flatten(f"{above}{name}.", inner, into)
        elif isinstance(inner, bool):
            into[above + name] = str(inner).lower()
        elif isinstance(inner, int | float):
            into[above + name] = str(inner)
        else:
            into[above + name] = inner
