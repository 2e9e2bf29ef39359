"""Endpoints of templates: composable, legacy and component ones, and what they would make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dxops.rooms.logs import templates
from dxops.rooms.logs.catalog import Catalog, Definition, DefinitionKind
from dxops.rooms.logs.describing import delete_definitions, put_definition
from dxops.rooms.logs.elastic.administering import (
    acknowledged,
    check_definition_name,
    check_known,
    chosen,
    may_make,
    may_manage_all,
    may_put,
    object_of,
    plain_missing,
    seen_templates,
)
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import answered
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.settings import flat, nested
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument, resource_not_found
from dxops.wire.elastic.names import read_flag, read_long

_KINDS: Mapping[str, tuple[DefinitionKind, str, str]] = {
    "_index_template": ("index_template", "index_templates", "index_template"),
    "_component_template": ("component_template", "component_templates", "component_template"),
}


class Templates:
    """`_index_template`, `_template`, `_component_template`, `_simulate`, `_simulate_index`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        method, post = asked.method, asked.method in ("PUT", "POST")
        match asked.path:
            case ("_index_template", "_simulate_index", name) if asked.method == "POST":
                return await self._simulate_index(asked, name)
            case ("_index_template", "_simulate") if asked.method == "POST":
                return await self._simulate(asked, None)
            case ("_index_template", "_simulate", name) if asked.method == "POST":
                return await self._simulate(asked, name)
            case ("_index_template" | "_component_template" | "_template",) if method in ("GET", "HEAD"):
                return await self._get(asked, "")
            case ("_index_template" | "_component_template" | "_template", name) if method in ("GET", "HEAD"):
                return await self._get(asked, name)
            case ("_index_template" | "_component_template" | "_template", name) if post:
                return await self._put(asked, name)
            case ("_index_template" | "_component_template" | "_template", name) if method == "DELETE":
                return await self._delete(asked, name)
        return None

    async def _get(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        family, catalog = asked.path[0], self._registry.catalog
        kind: DefinitionKind = "template" if family == "_template" else _KINDS[family][0]
        every: Mapping[str, Definition] = catalog.definitions(kind)
        if kind == "index_template" and asked.caller.streams is None:
            every = templates.index_templates(catalog)
        seen = {key for key in seen_templates(catalog, kind, asked.caller.streams)}
        every = {key: each for key, each in every.items() if key in seen or key in templates.BUILT_IN}
        names = chosen(every, name)
        missing = plain_missing(every, name)
        if kind == "template":  # the old API answers an empty object
            status = 404 if name and not names else 200
            shown = {key: _legacy(every[key].body, flat_settings=_flat(asked)) for key in names}
            return answered(asked, shown, status)
        if missing:
            label = "index template" if kind == "index_template" else "component template"
            raise ElasticRefused(resource_not_found(f"{label} matching [{','.join(missing)}] not found"))
        _, plural, single = _KINDS[family]
        return answered(
            asked,
            {plural: [{"name": key, single: _shown(every[key].body, flat_settings=_flat(asked))} for key in names]},
        )

    async def _put(self, asked: Asked, name: str) -> Answer:
        check_known(asked, "create", "cause", "order")
        check_definition_name(name)
        family = asked.path[0]
        kind: DefinitionKind = "template" if family == "_template" else _KINDS[family][0]
        body = await object_of(asked, required=True)
        if kind == "template" and "order" in asked.parameters:
            body = {**body, "order": read_long("order", asked.parameters["order"])}
        may_put(asked, self._registry.catalog, kind, name, body)
        create = read_flag("create", asked.parameters.get("create", "false"))

        def made(catalog: Catalog) -> Catalog:
            _check(catalog, kind, name, body)
            return put_definition(catalog, kind, name, body, self._registry.moment().now_ms, create=create)

        await self._registry.change(made, deed=f"logs.{kind}.put", of=name)
        return acknowledged(asked)

    async def _delete(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        family = asked.path[0]
        kind: DefinitionKind = "template" if family == "_template" else _KINDS[family][0]
        may_manage_all(asked, f"indices:admin/{kind}/delete")

        def made(catalog: Catalog) -> Catalog:
            every = catalog.definitions(kind)
            names = chosen(every, name)
            missing = plain_missing(every, name)
            if missing or (not names and "*" not in name):
                wanted = ",".join(missing) or name
                raise ElasticRefused(resource_not_found(f"{kind.replace('_', ' ')} [{wanted}] missing"))
            if kind == "component_template":
                for each in names:
                    users = templates.users_of_component(catalog, each)
                    if users:
                        reason = (
                            f"component templates [{each}] cannot be removed as they are still in use by "
                            f"index templates [{', '.join(users)}]"
                        )
                        raise ElasticRefused(illegal_argument(reason))
            return delete_definitions(catalog, kind, names)

        await self._registry.change(made, deed=f"logs.{kind}.deleted", of=name)
        return acknowledged(asked)

    async def _simulate_index(self, asked: Asked, name: str) -> Answer:
        check_known(asked, "create", "cause")
        may_make(asked, "indices:admin/index_template/simulate_index", [name])
        catalog, body = self._registry.catalog, await object_of(asked)
        if body:
            _check(catalog, "index_template", "_simulated", body)
            catalog = _with(catalog, "_simulated", body)
        return answered(asked, _simulated(templates.applied(catalog, name)))

    async def _simulate(self, asked: Asked, name: str | None) -> Answer:
        check_known(asked, "create", "cause")
        catalog, body = self._registry.catalog, await object_of(asked)
        if body:
            _check(catalog, "index_template", name or "_simulated", body)
        else:
            known = templates.index_templates(catalog)
            seen = [*templates.BUILT_IN, *seen_templates(catalog, "index_template", asked.caller.streams)]
            if name is None or name not in known or name not in seen:
                reason = f"unable to simulate template [{name}] that does not exist"
                raise ElasticRefused(illegal_argument(reason))
            body = dict(known[name].body)
        return answered(asked, _simulated(templates.composed(catalog, name, body)))


def _check(catalog: Catalog, kind: DefinitionKind, name: str, body: Mapping[str, Any]) -> None:
    if kind == "component_template":
        if not isinstance(body.get("template"), Mapping):
            raise ElasticRefused(illegal_argument(f"component template [{name}] needs [template], an object"))
        flat(body["template"].get("settings"))
        return
    templates.check_patterns(kind.replace("_", " "), name, body)
    if kind == "template":
        flat(body.get("settings"))
        return
    templates.check_components(catalog, name, body)
    for key in ("settings", "mappings", "aliases"):
        if key in body:
            raise ElasticRefused(
                illegal_argument(f"[index_template] unknown field [{key}]; it belongs into [template]")
            )


def _with(catalog: Catalog, name: str, body: Mapping[str, Any]) -> Catalog:
    known = {**catalog.index_template, name: Definition(body=body)}
    return msgspec.structs.replace(catalog, index_template=known)


def _simulated(found: templates.Applied) -> dict[str, Any]:
    template: dict[str, Any] = {
        "settings": nested(found.settings), "mappings": found.mappings, "aliases": found.aliases,
    }  # fmt: skip
    if found.lifecycle is not None:
        template["lifecycle"] = found.lifecycle
    overlapping = [{"name": name, "index_patterns": list(patterns)} for name, patterns in found.overlapping]
    return {"template": template, "overlapping": overlapping}


def _shown(body: Mapping[str, Any], *, flat_settings: bool) -> Mapping[str, Any]:
    """As it was put, with the settings the way the original shows them."""
    template = body.get("template")
    if not isinstance(template, Mapping) or "settings" not in template:
        return body
    settings = flat(template["settings"])
    return {**body, "template": {**template, "settings": settings if flat_settings else nested(settings)}}


def _legacy(body: Mapping[str, Any], *, flat_settings: bool) -> dict[str, Any]:
    settings = flat(body.get("settings"))
    patterns = body.get("index_patterns", [])
    return {
        "order": 0, "mappings": {}, "aliases": {}, **body,
        "index_patterns": [patterns] if isinstance(patterns, str) else patterns,
        "settings": settings if flat_settings else nested(settings),
    }  # fmt: skip


def _flat(asked: Asked) -> bool:
    return read_flag("flat_settings", asked.parameters.get("flat_settings", "false"))
