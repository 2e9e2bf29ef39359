"""Endpoints of aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dxops.rooms.logs.aliases import check_write_index, checked_options, missing_alias, with_alias, without_alias
from dxops.rooms.logs.catalog import Catalog
from dxops.rooms.logs.describing import created_by_write, delete_streams
from dxops.rooms.logs.elastic.administering import (
    acknowledged,
    check_known,
    chosen,
    may_manage_all,
    object_of,
    plain_missing,
)
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.indices import Indices
from dxops.rooms.logs.elastic.reading import Names, answered
from dxops.rooms.logs.registry import Registry
from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument
from dxops.wire.elastic.names import Options, read_options

_ACTIONS = ("add", "remove", "remove_index")


class Aliases:
    """`_alias`, `_aliases`, `/{index}/_alias/{name}` with all their methods."""

    def __init__(self, registry: Registry, names: Names, indices: Indices) -> None:
        self._registry = registry
        self._names = names
        self._indices = indices

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        get, put = asked.method in ("GET", "HEAD"), asked.method in ("PUT", "POST")
        if not get and set(asked.path[:2]) & {"_alias", "_aliases"}:
            # an alias may take the name that others' documents go to, so a limited caller makes none
            may_manage_all(asked, "indices:admin/aliases")
        match asked.path:
            case ("_aliases",) if asked.method == "POST":
                return await self._update(asked)
            case ("_alias" | "_aliases",) if get:
                return await self._get(asked, "", "")
            case ("_alias", alias) if get:
                return await self._get(asked, "", alias)
            case (index, "_alias" | "_aliases") if get:
                return await self._get(asked, index, "")
            case (index, "_alias" | "_aliases", alias) if get:
                return await self._get(asked, index, alias)
            case (index, "_alias" | "_aliases", alias) if put:
                return await self._put(asked, index, alias)
            case (index, "_alias" | "_aliases", alias) if asked.method == "DELETE":
                return await self._remove(asked, index, alias)
        return None

    async def _get(self, asked: Asked, index: str, alias: str) -> Answer:
        check_known(asked)
        options = read_options(asked.parameters, Options(hidden=True))
        streams = (await self._names.resolved(index, options)).streams
        aliases = (await self._names.naming()).aliases
        wanted = chosen(aliases, alias)
        missing = plain_missing(aliases, alias) if alias != "_all" else []
        value: dict[str, Any] = {}
        for stream in streams:
            found = {name: aliases[name][stream] for name in wanted if stream in aliases[name]}
            if found or (index and not alias) or (not index and not alias):
                value[stream] = {"aliases": found}
        shown = {name for each in value.values() for name in each["aliases"]}
        missing += [name for name in wanted if name in alias.split(",") and name not in shown]
        if missing:
            fault = missing_alias(missing).fault
            return answered(asked, {"error": fault.reason, "status": 404, **value}, 404)
        return answered(asked, value)

    async def _put(self, asked: Asked, index: str, alias: str) -> Answer:
        check_known(asked)
        body = await object_of(asked)
        return await self._changed(asked, [("add", {**body, "index": index, "alias": alias})])

    async def _remove(self, asked: Asked, index: str, alias: str) -> Answer:
        check_known(asked)
        return await self._changed(asked, [("remove", {"index": index, "alias": alias, "must_exist": True})])

    async def _update(self, asked: Asked) -> Answer:
        check_known(asked)
        body = await object_of(asked, required=True)
        actions = body.get("actions")
        if not isinstance(actions, list) or not actions:
            raise ElasticRefused(illegal_argument("Must specify at least one action: [actions] needs a list"))
        several = []
        for each in actions:
            if not isinstance(each, Mapping) or len(each) != 1:
                raise ElasticRefused(illegal_argument("an action is an object with one of add, remove, remove_index"))
            ((kind, what),) = each.items()
            if kind not in _ACTIONS or not isinstance(what, Mapping):
                raise ElasticRefused(illegal_argument(f"[aliases] unknown field [{kind[:100]}]"))
            several.append((kind, what))
        return await self._changed(asked, several)

    async def _changed(self, asked: Asked, actions: Sequence[tuple[str, Mapping[str, Any]]]) -> Answer:
        """All or nothing."""
        ready = [(kind, what, await self._streams(what)) for kind, what in actions]
        gone = [stream for kind, _, streams in ready for stream in streams if kind == "remove_index"]
        moment = self._registry.moment()

        def made(catalog: Catalog) -> Catalog:
            catalog = delete_streams(catalog, gone)
            for kind, what, streams in ready:
                catalog = created_by_write(catalog, [each for each in streams if each not in gone], moment)
                if kind != "remove_index":
                    catalog = _acted(catalog, kind, what, streams, moment.now_ms)
            for alias in catalog.aliases:
                check_write_index(catalog, alias)
            return catalog

        if gone:
            made(self._registry.catalog)  # what is wrong is said before documents are gone
            await self._indices.erase(gone)
        await self._registry.change(made, deed="logs.aliases.changed", of=",".join(_subjects(actions))[:500])
        return (
            answered(asked, {"acknowledged": True, "errors": False})
            if asked.path == ("_aliases",)
            else acknowledged(asked)
        )

    async def _streams(self, what: Mapping[str, Any]) -> list[str]:
        expression = ",".join(_names(what, "index", "indices"))
        if not expression:
            raise ElasticRefused(illegal_argument("One of [index] or [indices] is required"))
        return list((await self._names.resolved(expression, Options())).streams)


def _acted(catalog: Catalog, kind: str, what: Mapping[str, Any], streams: Sequence[str], now_ms: int) -> Catalog:
    aliases = _names(what, "alias", "aliases")
    if not aliases:
        raise ElasticRefused(illegal_argument("One of [alias] or [aliases] is required"))
    if kind == "add":
        options = {key: value for key, value in what.items() if key not in ("index", "indices", "alias", "aliases")}
        checked = checked_options(options)
        for alias in aliases:
            for stream in streams:
                catalog = with_alias(catalog, resolve_date_math(alias, now_ms), stream, checked)
        return catalog
    missing = []
    for alias in aliases:
        found = [name for name in chosen(catalog.aliases, alias) if set(catalog.aliases[name]) & set(streams)]
        if not found and what.get("must_exist") is not False:
            missing.append(alias)
        for name in found:
            catalog = without_alias(catalog, name, streams)
    if missing:
        raise missing_alias(missing)
    return catalog


def _subjects(actions: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    return [
        name for _, what in actions for name in _names(what, "alias", "aliases") or _names(what, "index", "indices")
    ]


def _names(what: Mapping[str, Any], one: str, several: str) -> list[str]:
    found = what.get(one, what.get(several, []))
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise ElasticRefused(illegal_argument(f"[{one}] must be a text, [{several}] a list of texts"))
    return found
