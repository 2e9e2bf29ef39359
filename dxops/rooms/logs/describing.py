"""Changes of the catalogue: each makes a new one out of the old one, or says in Elasticsearch's words why not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dxops.rooms.logs.aliases import alias_fault, checked_options, with_alias
from dxops.rooms.logs.catalog import Backing, Catalog, Definition, DefinitionKind, Stream
from dxops.rooms.logs.naming import one_stream
from dxops.rooms.logs.settings import PROVIDED_NAME, flat, merged, merged_objects
from dxops.rooms.logs.templates import Applied, applied, part_of
from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, index_exists, parse_exception
from dxops.wire.elastic.names import check_index_name

MAX_STREAMS: Final = 50_000
_SINGLE: Final[Mapping[str, Any]] = {"index.number_of_shards": "1", "index.number_of_replicas": "0"}
_INDEX_PARTS: Final = frozenset({"settings", "mappings", "aliases", "warmers"})


class Moment(msgspec.Struct, frozen=True):
    """What a change may need from outside: the time, and a source of uuids (22 URL-safe characters)."""

    now_ms: int
    uuid: Callable[[], str]


def create_index(catalog: Catalog, given: str, body: Mapping[str, Any], at: Moment) -> Catalog:
    """`PUT /{index}`: by its templates and what the body says. Date math is resolved, in aliases too."""
    name = check_index_name(resolve_date_math(given, at.now_ms))
    _check_free(catalog, name)
    unknown = sorted(set(body) - _INDEX_PARTS)
    if unknown:
        raise ElasticRefused(parse_exception(f"unknown key [{unknown[0][:100]}] for create index"))
    found = applied(catalog, name)
    if found.data_stream is not None:
        reason = (
            f"cannot create index with name [{name}], because it matches with template [{found.template}] "
            "that creates data streams only, use create data stream api instead"
        )
        raise ElasticRefused(illegal_argument(reason))
    named = {PROVIDED_NAME: given} if given != name else {}  # rolling over resolves it anew
    stream = Stream(
        name=name,
        uuid=at.uuid(),
        created_ms=at.now_ms,
        settings={**_SINGLE, **named, **merged(found.settings, flat(body.get("settings")))},
        mappings=_object(body, "mappings"),
        template=found.template,
    )
    made = with_stream(catalog, stream)
    for alias, options in {**found.aliases, **_object(body, "aliases")}.items():
        made = with_alias(made, resolve_date_math(alias, at.now_ms), name, checked_options(options))
    return made


def create_data_stream(catalog: Catalog, name: str, at: Moment) -> Catalog:
    """`PUT /_data_stream/{name}`. An index that was made by a write becomes one: shippers that write first and set up
    later are common."""
    check_index_name(name)
    before = catalog.streams.get(name)
    if before is not None and before.kind == "data_stream":
        raise ElasticRefused(
            Fault(type="resource_already_exists_exception", reason=f"data_stream [{name}] already exists")
        )
    found = applied(catalog, name)
    if found.data_stream is None:
        raise ElasticRefused(illegal_argument(f"no matching index template found for data stream [{name}]"))
    if before is None or not before.by_write:
        _check_free(catalog, name)
    made = _data_stream(name, found, at)
    if before is not None:
        made = msgspec.structs.replace(made, created_ms=before.created_ms)
    return _with_template_aliases(with_stream(catalog, made), name, found, at)


def created_by_write(
    catalog: Catalog, names: Iterable[str], at: Moment, made_before: Mapping[str, Stream] | None = None
) -> Catalog:
    """The streams that documents came for without anybody having made them; those that are there stay.

    `made_before` are what they were said to be, so that they keep their uuids.
    """
    fresh: dict[str, tuple[Stream, Applied]] = {}
    for name in names:
        if name in catalog.streams or name in catalog.aliases or name in fresh:
            continue
        found = applied(catalog, name)
        stream = (made_before or {}).get(name)
        if stream is None and found.data_stream is not None:
            stream = msgspec.structs.replace(_data_stream(name, found, at), by_write=True)
        elif stream is None:
            stream = Stream(
                name=name, uuid=at.uuid(), created_ms=at.now_ms, by_write=True, template=found.template,
                settings={**_SINGLE, **found.settings},
            )  # fmt: skip
        fresh[name] = stream, found
    if not fresh:
        return catalog
    made = _with_streams(catalog, {name: stream for name, (stream, _) in fresh.items()})
    for name, (_, found) in fresh.items():
        if found.aliases:
            made = _with_template_aliases(made, name, found, at)
    return made


def delete_streams(catalog: Catalog, names: Iterable[str]) -> Catalog:
    """Without these streams and the aliases that only they had."""
    gone = set(names)
    return msgspec.structs.replace(
        catalog,
        streams={name: stream for name, stream in catalog.streams.items() if name not in gone},
        aliases={
            alias: left
            for alias, behind in catalog.aliases.items()
            if (left := {stream: options for stream, options in behind.items() if stream not in gone})
        },
    )


def without_backing(catalog: Catalog, name: str) -> Catalog:
    """Without this backing index. Raises `ElasticRefused` where documents go to it."""
    stream = one_stream(catalog, name)
    if stream.backing[-1].name == name:
        reason = f"index [{name}] is the write index for data stream [{stream.name}] and cannot be deleted"
        raise ElasticRefused(illegal_argument(reason))
    left = tuple(each for each in stream.backing if each.name != name)
    return with_stream(catalog, msgspec.structs.replace(stream, backing=left))


def change_settings(
    catalog: Catalog, names: Sequence[str], settings: Mapping[str, Any], *, preserve: bool = False
) -> Catalog:
    """`PUT /{index}/_settings`. `preserve`: what is set already stays."""
    made = catalog
    for name in names:
        stream = made.streams[name]
        changed = merged(settings, stream.settings) if preserve else merged(stream.settings, settings)
        made = with_stream(made, msgspec.structs.replace(stream, settings=changed))
    return made


def add_mapping(catalog: Catalog, names: Sequence[str], mapping: Mapping[str, Any]) -> Catalog:
    """`PUT /{index}/_mapping`: kept, and shown; it limits no document."""
    made = catalog
    for name in names:
        stream = made.streams[name]
        made = with_stream(made, msgspec.structs.replace(stream, mappings=merged_objects(stream.mappings, mapping)))
    return made


def put_definition(
    catalog: Catalog, kind: DefinitionKind, name: str, body: Mapping[str, Any], now_ms: int, *, create: bool = False
) -> Catalog:
    """Store it; the same again changes nothing. `create`: refused where there is one."""
    known = dict(catalog.definitions(kind))
    before = known.get(name)
    if create and before is not None:
        raise ElasticRefused(illegal_argument(f"{kind.replace('_', ' ')} [{name}] already exists"))
    if before is not None and before.body == body:
        return catalog
    known[name] = Definition(body=body, version=1 if before is None else before.version + 1, modified_ms=now_ms)
    return msgspec.structs.replace(catalog, **{kind: known})


def delete_definitions(catalog: Catalog, kind: DefinitionKind, names: Iterable[str]) -> Catalog:
    gone = set(names)
    left = {name: each for name, each in catalog.definitions(kind).items() if name not in gone}
    return msgspec.structs.replace(catalog, **{kind: left})


def with_stream(catalog: Catalog, stream: Stream) -> Catalog:
    """With the stream added or replaced."""
    return _with_streams(catalog, {stream.name: stream})


def backing_name(stream: str, generation: int, now_ms: int) -> str:
    """`.ds-logs-app-default-2026.01.01-000001`."""
    return f".ds-{stream}-{resolve_date_math('<{now/d}>', now_ms)}-{generation:06d}"


def _with_streams(catalog: Catalog, more: Mapping[str, Stream]) -> Catalog:
    streams = {**catalog.streams, **more}
    if len(streams) > MAX_STREAMS:
        raise ElasticRefused(illegal_argument(f"there are {MAX_STREAMS} indices already; delete some first"))
    return msgspec.structs.replace(catalog, streams=streams)


def _data_stream(name: str, found: Applied, at: Moment) -> Stream:
    settings = dict(found.settings)
    if found.data_stream is not None and found.data_stream.get("hidden") is True:
        settings["index.hidden"] = "true"
    return Stream(
        name=name,
        kind="data_stream",
        uuid=at.uuid(),
        created_ms=at.now_ms,
        settings={**_SINGLE, **settings},
        template=found.template,
        lifecycle=found.lifecycle if isinstance(found.lifecycle, Mapping) else None,
        backing=(Backing(backing_name(name, 1, at.now_ms), at.uuid(), at.now_ms),),
    )


def _with_template_aliases(catalog: Catalog, name: str, found: Applied, at: Moment) -> Catalog:
    made = catalog
    for alias, options in found.aliases.items():
        alias = resolve_date_math(alias.replace("{index}", name), at.now_ms)
        # a template must not be able to stop a document: an alias that cannot be is left out
        if alias_fault(made, alias) is None:
            made = with_alias(made, alias, name, checked_options(options))
    return made


def _check_free(catalog: Catalog, name: str) -> None:
    stream = catalog.streams.get(name)
    if stream is not None:
        raise ElasticRefused(index_exists(name, stream.uuid))
    if name in catalog.aliases:
        extra = {"index_uuid": "_na_", "index": name}
        reason = f"Invalid index name [{name}], already exists as alias"
        raise ElasticRefused(Fault(type="invalid_index_name_exception", reason=reason, extra=extra))


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise ElasticRefused(parse_exception(f"[{name}] must be an object"))
    return part_of(value)
