"""Endpoints that make, show, change and delete indices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final

from dxops.base.errors import Unavailable
from dxops.rooms.logs import describing
from dxops.rooms.logs.aliases import check_write_index
from dxops.rooms.logs.catalog import Catalog, Stream
from dxops.rooms.logs.elastic.administering import (
    acknowledged,
    check_known,
    chosen,
    may_make,
    may_manage,
    object_of,
    stream_or_unknown,
)
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import Names, answered, may_read
from dxops.rooms.logs.elastic.seen_mappings import mappings_of
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.erasing import Eraser
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.naming import check_seen, one_stream, spans_of
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.settings import flat, nested
from dxops.rooms.logs.sizes import numbers_within
from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, index_not_found
from dxops.wire.elastic.handshake import index_created
from dxops.wire.elastic.names import Options, read_flag, read_options, resolve

REQUIRES_NAME: Final = "action.destructive_requires_name"


class Indices:
    """`PUT`, `GET`, `HEAD`, `DELETE /{index}`, `_settings`, putting `_mapping`, `_close` and `_open` refused."""

    def __init__(self, registry: Registry, names: Names, store: Rows, writes: Writes, eraser: Eraser) -> None:
        self._registry = registry
        self._store = store
        self._names = names
        self._writes = writes
        self._eraser = eraser

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        method, get, put = asked.method, asked.method in ("GET", "HEAD"), asked.method in ("PUT", "POST")
        match asked.path:
            case (index,) if not index.startswith("_") or index == "_all":
                if method == "PUT":
                    return await self._create(asked, index)
                if get:
                    return await self._get(asked, index)
                if method == "DELETE":
                    return await self._delete(asked, index)
            case ("_resolve", "index", index) if method in ("GET", "POST"):
                return await self._resolve(asked, index)
            case ("_settings",) if get:
                return await self._settings(asked, "", "")
            case ("_settings", which) if get:
                return await self._settings(asked, "", which)
            case (index, "_settings") if get:
                return await self._settings(asked, index, "")
            case (index, "_settings", which) if get:
                return await self._settings(asked, index, which)
            case (index, "_settings") if put:
                return await self._put_settings(asked, index)
            case (index, "_mapping" | "_mappings") | (index, "_mapping" | "_mappings", "_doc") if put:
                return await self._put_mapping(asked, index)
            case ("_mapping", index) if put:
                return await self._put_mapping(asked, index)
        return None

    async def _create(self, asked: Asked, index: str) -> Answer:
        check_known(asked)
        body = await object_of(asked)
        moment = self._registry.moment()
        name = resolve_date_math(index, moment.now_ms)
        aliases = body.get("aliases")
        may_make(asked, "indices:admin/create", [name, *(aliases if isinstance(aliases, Mapping) else ())])

        def made(catalog: Catalog) -> Catalog:
            after = describing.create_index(catalog, index, body, moment)
            for alias in after.aliases_of(name):
                check_write_index(after, alias)
            return after

        await self._registry.change(made, deed="logs.index.created", of=name)
        return answered(asked, index_created(name))

    async def _get(self, asked: Asked, index: str) -> Answer:
        check_known(asked, "features", "human")
        found = await self._names.resolved(index, read_options(asked.parameters))
        if asked.method == "HEAD":
            if not found.streams:
                raise ElasticRefused(index_not_found(index))
            return answered(asked, {})
        catalog = self._registry.catalog
        naming = await self._names.naming()
        is_flat = _flag(asked, "flat_settings")
        value: dict[str, Any] = {}
        mappings: Mapping[str, Mapping[str, Any]] = {}
        if asked.caller.may_read:  # who only writes is shown what was put: a shipper's start asks for it
            with suppress(Unavailable):
                mappings = await mappings_of(self._store, self._names, found.streams)
        for name in found.streams:
            stream = stream_or_unknown(catalog, name)
            mapping = mappings.get(name, stream.mappings)
            aliases = {alias: behind[name] for alias, behind in naming.aliases.items() if name in behind}
            for key, settings in concrete(stream, found.indices):
                value[key] = {"aliases": aliases, "mappings": mapping, "settings": _shown(settings, is_flat)}
                if stream.kind == "data_stream":
                    value[key]["data_stream"] = name
        return answered(asked, value)

    async def _resolve(self, asked: Asked, index: str) -> Answer:
        """What names mean: indices, aliases and data streams apart."""
        check_known(asked, "mode")
        may_read(asked)
        naming, options = await self._names.naming(), read_options(asked.parameters)
        caller = asked.caller.streams
        now_ms = self._registry.moment().now_ms
        check_seen(index, caller, naming, now_ms)
        indices: list[dict[str, Any]] = []
        aliases: list[dict[str, Any]] = []
        streams: list[dict[str, Any]] = []
        for name in resolve(index, naming.known, options, now_ms=now_ms):
            if name in naming.aliases:
                aliases.append({"name": name, "indices": sorted(naming.aliases[name])})
            elif name in naming.known.data_streams:
                behind = list(naming.known.data_streams[name])
                streams.append({"name": name, "backing_indices": behind, "timestamp_field": "@timestamp"})
            else:
                found: dict[str, Any] = {"name": name, "attributes": ["open"], "mode": "standard"}
                used = [alias for alias, those in naming.aliases.items() if name in those]
                found |= {"aliases": used} if used else {}
                indices.append(found | ({"data_stream": of} if (of := naming.stream_of.get(name)) else {}))
        return answered(asked, {"indices": indices, "aliases": aliases, "data_streams": streams})

    async def _delete(self, asked: Asked, index: str) -> Answer:
        check_known(asked)
        may_manage(asked, "indices:admin/delete")
        catalog = self._registry.catalog
        if ("*" in index or index == "_all") and requires_name(catalog):
            raise ElasticRefused(illegal_argument("Wildcard expressions or all indices are not allowed"))
        naming = await self._names.naming()
        options = read_options(asked.parameters, Options(allow_no_indices=True))
        backing = [part for part in index.split(",") if part in naming.stream_of]
        for part in index.split(","):
            why = None
            if part in naming.aliases:
                why = "matches an alias, specify the corresponding concrete indices instead"
            elif part in naming.known.data_streams:
                why = "is a data stream; delete that by DELETE /_data_stream, or set how long it keeps its documents"
            if why is not None:
                raise ElasticRefused(illegal_argument(f"The provided expression [{part}] {why}."))
        for part in backing:
            describing.without_backing(catalog, part)
        streams = [
            name
            for name in (await self._names.resolved(index, options)).streams
            if stream_or_unknown(catalog, name).kind == "index"
        ]
        for part in backing:
            await self.erase_backing(part)
        if streams or not backing:
            await self.erase(streams)
        return acknowledged(asked)

    async def erase_backing(self, name: str) -> None:
        """Delete a backing index with the documents that it holds. Raises as `erase`; `ElasticRefused` where it is the
        write index."""
        await self._all_loaded()
        catalog = self._registry.catalog
        describing.without_backing(catalog, name)
        stream = one_stream(catalog, name)
        numbers = await numbers_within(self._store, stream.name, spans_of(stream)[name])
        if numbers is not None:
            await self._eraser.erase_numbers(stream.name, *numbers)
            self._writes.writing.forget([stream.name], numbers[1], numbers[0])
        await self._registry.change(
            lambda catalog: describing.without_backing(catalog, name), deed="logs.index.deleted", of=name
        )

    async def _all_loaded(self) -> int:
        """The number behind everything that was stored so far, once it is in the store."""
        await self._registry.refresh()
        end = max(self._writes.end, self._eraser.end)
        if not await self._writes.loaded(end):
            hint = "the role loader or store may be away; see GET /api/spool"
            raise Unavailable("documents of this stream are not in the store yet", hint=hint)
        return end

    async def erase(self, streams: list[str]) -> None:
        """Delete streams with their documents. Raises `Unavailable` before anything is changed, or half way: it may be
        asked again then."""
        end = await self._all_loaded()
        await self._eraser.erase(streams, end)
        self._writes.writing.forget(streams, end)
        await self._registry.change(
            lambda catalog: describing.delete_streams(catalog, streams),
            deed="logs.index.deleted",
            of=",".join(streams)[:500],
        )
        self._names.forget()

    async def _settings(self, asked: Asked, index: str, which: str) -> Answer:
        check_known(asked)
        found = await self._names.resolved(index, read_options(asked.parameters))
        is_flat = _flag(asked, "flat_settings")
        value = {}
        for name in found.streams:
            for key, settings in concrete(stream_or_unknown(self._registry.catalog, name), found.indices):
                wanted = {one: settings[one] for one in chosen(settings, which)}
                if wanted:
                    value[key] = {"settings": _shown(wanted, is_flat)}
        return answered(asked, value)

    async def _put_settings(self, asked: Asked, index: str) -> Answer:
        check_known(asked, "preserve_existing", "reopen")
        may_manage(asked, "indices:admin/settings/update")
        body = await object_of(asked, required=True)
        settings = flat(body.get("settings", body))
        fixed = sorted(set(settings) & {"index.uuid", "index.creation_date", "index.provided_name"})
        if fixed:
            raise ElasticRefused(illegal_argument(f"final setting [{fixed[0]}], not updateable"))
        streams = (await self._names.resolved(index, read_options(asked.parameters))).streams
        preserve = _flag(asked, "preserve_existing")
        await self._registry.change(
            lambda catalog: describing.change_settings(
                describing.created_by_write(catalog, streams, self._registry.moment()), streams, settings,
                preserve=preserve,
            ),
            deed="logs.settings.changed", of=index[:500],
        )  # fmt: skip
        return acknowledged(asked)

    async def _put_mapping(self, asked: Asked, index: str) -> Answer:
        check_known(asked, "write_index_only")
        streams = (await self._names.resolved(index, read_options(asked.parameters))).streams
        may_make(asked, "indices:admin/mapping/put", streams)
        body = await object_of(asked, required=True)
        if "properties" in body and not isinstance(body["properties"], dict):
            raise ElasticRefused(
                Fault(type="mapper_parsing_exception", reason="Expected map for property [properties]")
            )
        await self._registry.change(
            lambda catalog: describing.add_mapping(
                describing.created_by_write(catalog, streams, self._registry.moment()), streams, body
            )
        )
        return acknowledged(asked)


def concrete(stream: Stream, wanted: Collection[str]) -> list[tuple[str, dict[str, Any]]]:
    """The indices behind a stream (of a data stream its backing ones) that are `wanted`, with their settings, flat."""
    places = [(each.name, each.uuid, each.created_ms) for each in stream.backing if each.name in wanted]
    made = []
    if not stream.backing:
        places.append((stream.name, stream.uuid, stream.created_ms))
    for name, uuid, created_ms in places:
        made.append(
            (
                name,
                {
                    "index.creation_date": str(created_ms), "index.uuid": uuid, "index.provided_name": name,
                    "index.version.created": "8190099", **stream.settings,
                },
            )
        )  # fmt: skip
    return made


def requires_name(catalog: Catalog) -> bool:
    """Whether streams may only be deleted by name: unless somebody said otherwise in the cluster's settings."""
    persistent = catalog.cluster.get("persistent")
    return persistent is None or str(persistent.body.get(REQUIRES_NAME, True)).lower() != "false"


def _shown(settings: Mapping[str, Any], is_flat: bool) -> Mapping[str, Any]:
    return settings if is_flat else nested(settings)


def _flag(asked: Asked, name: str) -> bool:
    return read_flag(name, asked.parameters.get(name, "false"))
