"""Which templates apply to a new index, and what they make of it. Pure.

As in the original: of index templates that fit the one of the highest priority, with its components; where none fits,
all legacy templates that fit, by order. Unlike it, templates of equal priority may overlap: the first by name counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dxops.rooms.logs.catalog import Catalog, Definition, DefinitionKind
from dxops.rooms.logs.settings import DEFAULT_PIPELINE, FINAL_PIPELINE, LIFECYCLE_NAME, flat, merged, merged_objects
from dxops.wire.elastic.errors import ElasticRefused, Fault
from dxops.wire.elastic.names import matches_any

BUILT_IN: Final[Mapping[str, Definition]] = {
    "logs": Definition(
        body={
            "index_patterns": ["logs-*-*"], "data_stream": {}, "priority": 100, "version": 1,
            "_meta": {"description": "data streams of the usual names", "managed": True},
        }
    )
}  # fmt: skip
"""Index templates that are there unless one of the same name is stored."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What templates give. `template` is the index template's name, None where only legacy ones fit (or none)."""

    template: str | None = None
    settings: Mapping[str, Any] = {}
    mappings: Mapping[str, Any] = {}
    aliases: Mapping[str, Any] = {}
    data_stream: Mapping[str, Any] | None = None
    lifecycle: Any = None
    overlapping: tuple[tuple[str, tuple[str, ...]], ...] = ()


NOTHING: Final = Applied()
_NAMING: Final[Mapping[str, Sequence[str]]] = {
    "policy": (LIFECYCLE_NAME,),
    "pipeline": (DEFAULT_PIPELINE, FINAL_PIPELINE),
}
"""The settings that name a definition."""


def index_templates(catalog: Catalog) -> dict[str, Definition]:
    """The stored ones, and the built-in ones that no stored one replaces."""
    return {**BUILT_IN, **catalog.index_template}


def applied(catalog: Catalog, name: str) -> Applied:
    """What the templates make of an index of that name."""
    fitting = [
        (key, each) for key, each in sorted(index_templates(catalog).items()) if matches_any(name, patterns_of(each))
    ]
    if not fitting:
        return _legacy(catalog, name)
    chosen = max(fitting, key=lambda each: priority_of(each[1]))
    others = tuple((key, tuple(patterns_of(each))) for key, each in fitting if key != chosen[0])
    return composed(catalog, chosen[0], chosen[1].body, overlapping=others)


def composed(
    catalog: Catalog,
    name: str | None,
    body: Mapping[str, Any],
    *,
    overlapping: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> Applied:
    """An index template put together with its components."""
    components = [catalog.component_template.get(each) for each in body.get("composed_of") or ()]
    parts = [part_of(each.body.get("template")) for each in components if each is not None]
    parts.append(part_of(body.get("template")))
    data_stream = body.get("data_stream")
    lifecycles = [part["lifecycle"] for part in parts if part.get("lifecycle") is not None]
    return Applied(
        template=name,
        settings=merged(*(flat(part.get("settings")) for part in parts)),
        mappings=merged_objects(*(part_of(part.get("mappings")) for part in parts)),
        aliases=merged_objects(*(part_of(part.get("aliases")) for part in parts)),
        data_stream=data_stream if isinstance(data_stream, Mapping) else None,
        lifecycle=lifecycles[-1] if lifecycles else None,
        overlapping=overlapping,
    )


def patterns_of(template: Definition) -> list[str]:
    """`index_patterns`, a text or a list of texts."""
    found = template.body.get("index_patterns")
    return [found] if isinstance(found, str) else list(_texts(found))


def aliases_of(catalog: Catalog, kind: DefinitionKind, body: Mapping[str, Any]) -> list[str]:
    """The aliases that a definition makes, its components' too; `{index}` in them stands for each of its patterns."""
    if kind == "index_template":
        found = composed(catalog, None, body).aliases
    else:
        found = part_of((body if kind == "template" else part_of(body.get("template"))).get("aliases"))
    patterns = patterns_of(Definition(body=body)) or ["{index}"]
    return [alias.replace("{index}", pattern) for alias in found for pattern in patterns]


def priority_of(template: Definition) -> int:
    value = template.body.get("priority")
    return value if isinstance(value, int) else 0


def check_patterns(kind: str, name: str, body: Mapping[str, Any]) -> None:
    """Raises `ElasticRefused` for a template that could never apply or means something else than it says."""
    patterns = body.get("index_patterns")
    if isinstance(patterns, str):
        patterns = [patterns]
    if not isinstance(patterns, list) or not patterns or not all(isinstance(each, str) and each for each in patterns):
        reason = f"{kind} [{name}] needs [index_patterns], a list of texts"
        raise ElasticRefused(
            Fault(type="action_request_validation_exception", reason=f"Validation Failed: 1: {reason};")
        )
    flat(part_of(body.get("template")).get("settings"))


def check_components(catalog: Catalog, name: str, body: Mapping[str, Any]) -> None:
    """Raises `ElasticRefused` for components that are not there."""
    ignored = set(_texts(body.get("ignore_missing_component_templates")))
    missing = [
        each
        for each in _texts(body.get("composed_of"))
        if each not in catalog.component_template and each not in ignored
    ]
    if missing:
        cause = f"index template [{name}] specifies component templates [{', '.join(missing)}] that do not exist"
        reason = f"index_template [{name}] invalid, cause [{cause}]"
        raise ElasticRefused(Fault(type="invalid_index_template_exception", reason=reason))


def users_of_component(catalog: Catalog, name: str) -> list[str]:
    """Index templates that are composed of it."""
    return [key for key, each in catalog.index_template.items() if name in _texts(each.body.get("composed_of"))]


def concerned(catalog: Catalog, kind: DefinitionKind, name: str) -> list[str]:
    """Whom a component, policy or pipeline of that name concerns, whether it is there or not: the streams that name it,
    and the patterns of the templates that do."""
    if kind == "component_template":
        users = users_of_component(catalog, name)
        return [pattern for each in users for pattern in patterns_of(catalog.index_template[each])]
    keys = _NAMING.get(kind, ())
    found = [each.name for each in catalog.streams.values() if _names(each.settings, keys, name)]
    for each in index_templates(catalog).values() if keys else ():
        if _names(composed(catalog, None, each.body).settings, keys, name):
            found += patterns_of(each)
    for each in catalog.template.values() if keys else ():
        if _names(flat(each.body.get("settings")), keys, name):
            found += patterns_of(each)
    return found


def part_of(value: object) -> Mapping[str, Any]:
    """An object, or nothing."""
    return value if isinstance(value, Mapping) else {}


def _legacy(catalog: Catalog, name: str) -> Applied:
    fitting = [each for each in catalog.template.values() if matches_any(name, patterns_of(each))]
    if not fitting:
        return NOTHING
    bodies = [each.body for each in sorted(fitting, key=_order)]
    return Applied(
        settings=merged(*(flat(body.get("settings")) for body in bodies)),
        mappings=merged_objects(*(part_of(body.get("mappings")) for body in bodies)),
        aliases=merged_objects(*(part_of(body.get("aliases")) for body in bodies)),
    )


def _names(settings: Mapping[str, Any], keys: Sequence[str], name: str) -> bool:
    return any(settings.get(key) == name for key in keys)


def _order(template: Definition) -> int:
    value = template.body.get("order")
    return value if isinstance(value, int) else 0


def _texts(value: object) -> Sequence[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
