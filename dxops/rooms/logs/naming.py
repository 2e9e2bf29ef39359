"""From names that clients use to streams: aliases, data streams, backing indices, what a caller may see. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from dxops.rooms.logs.catalog import Catalog, Stream
from dxops.rooms.logs.settings import HIDDEN
from dxops.wire.elastic.errors import ElasticRefused, Fault, index_not_found, security
from dxops.wire.elastic.names import (
    DEFAULT_OPTIONS,
    Known,
    Options,
    indices_of,
    matches_any,
    resolve,
    split_expression,
)


class Span(msgspec.Struct, frozen=True):
    """What a backing index holds of its data stream: the documents that were received from `from_ms` (None: ever) to
    before `to_ms` (None: now and later), when the next one followed it."""

    from_ms: int | None
    to_ms: int | None


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """Every name that there is. `stream_of`: backing indices to their data streams; `spans` of those that hold only a
    part of theirs."""

    known: Known
    stream_of: Mapping[str, str]
    spans: Mapping[str, Span]
    aliases: Mapping[str, Mapping[str, Mapping[str, Any]]]


class Resolved(msgspec.Struct, frozen=True):
    """Streams, each once; `filters` of those only reached through aliases with a filter (any of them), `spans`
    of those that were only reached by some of their backing indices. `indices`: the same with backing indices instead
    of data streams."""

    streams: tuple[str, ...]
    filters: Mapping[str, tuple[Any, ...]] = {}
    spans: Mapping[str, tuple[Span, ...]] = {}
    indices: tuple[str, ...] = ()


def naming_of(catalog: Catalog, others: Iterable[str] = (), *, patterns: Sequence[str] | None = None) -> Naming:
    """`others` are streams that have documents and are not registered. `patterns` are a caller's: the rest is not
    there for it."""
    streams = catalog.streams
    names = [*streams, *(name for name in others if name not in streams)]
    if patterns is not None:
        names = [name for name in names if matches_any(name, patterns)]
    there = set(names)
    data_streams = {name: streams[name] for name in names if name in streams and streams[name].kind == "data_stream"}
    stream_of = {each.name: name for name, stream in data_streams.items() for each in stream.backing}
    aliases = {
        alias: visible
        for alias, behind in catalog.aliases.items()
        if (visible := {stream: options for stream, options in behind.items() if stream in there})
    }
    hidden = {name for name in names if name in streams and streams[name].settings.get(HIDDEN) == "true"}
    hidden |= {
        alias
        for alias, behind in aliases.items()
        if all(options.get("is_hidden") is True for options in behind.values())
    }
    return Naming(
        known=Known(
            indices=[*(name for name in names if name not in data_streams), *stream_of],
            aliases={alias: list(behind) for alias, behind in aliases.items()},
            data_streams={name: [each.name for each in stream.backing] for name, stream in data_streams.items()},
            hidden=frozenset(hidden),
        ),
        stream_of=stream_of,
        spans={name: span for stream in data_streams.values() for name, span in spans_of(stream).items()},
        aliases=aliases,
    )


def spans_of(stream: Stream) -> dict[str, Span]:
    """By backing index; nothing where there is only one, which holds everything."""
    begins = [None, *(each.created_ms for each in stream.backing[1:])]
    ends = [*begins[1:], None]
    if len(stream.backing) < 2:
        return {}
    return {each.name: Span(*span) for each, span in zip(stream.backing, zip(begins, ends, strict=True), strict=True)}


def check_seen(expression: str, patterns: Sequence[str] | None, naming: Naming, now_ms: int) -> None:
    """Raises `ElasticRefused` (403) for a plain name that a caller limited to `patterns` may not use, whether it is
    there or not; wildcards are narrowed instead."""
    if patterns is None:
        return
    for part in split_expression(expression, now_ms):
        if part == "_all" or "*" in part or part.startswith("-") or part in naming.known:
            continue
        if not matches_any(part, patterns):
            reason = f"this credential is limited to [{','.join(patterns)}] and may not use [{part}]"
            raise ElasticRefused(security(reason, status=403))


def resolved(expression: str, naming: Naming, options: Options = DEFAULT_OPTIONS, *, now_ms: int) -> Resolved:
    """Raises `ElasticRefused`: no such index."""
    plain: dict[str, None] = {}
    filtered: dict[str, list[Any]] = {}
    parts: dict[str, list[Span]] = {}
    names = resolve(expression, naming.known, options, now_ms=now_ms)
    for name in names:
        behind = naming.aliases.get(name)
        if behind is None:
            stream = naming.stream_of.get(name, name)
            if name in naming.spans:
                parts.setdefault(stream, []).append(naming.spans[name])
            else:
                plain[stream] = None
            continue
        for stream, how in behind.items():
            if how.get("filter"):
                filtered.setdefault(stream, []).append(how["filter"])
            else:
                plain[stream] = None
    plain |= dict.fromkeys(each for each, those in parts.items() if len(those) == len(naming.known.data_streams[each]))
    filters = {stream: tuple(each) for stream, each in filtered.items() if stream not in plain}
    spans = {stream: tuple(each) for stream, each in parts.items() if stream not in plain}
    found = tuple(dict.fromkeys([*plain, *spans, *filters]))
    return Resolved(found, filters, spans, tuple(indices_of(names, naming.known)))


def write_target(catalog: Catalog, name: str) -> str:
    """The stream that a document sent to `name` goes to: of an alias its write index, of a backing index its data
    stream, else the name itself. Raises `ElasticRefused` for an alias that has no write index."""
    behind = catalog.aliases.get(name)
    if behind is None:
        return _data_stream_of(catalog, name) if name.startswith(".ds-") else name
    stream = write_index(catalog, name)
    if stream is None:
        reason = (
            f"no write index is defined for alias [{name}]. The write index may be explicitly disabled using "
            "is_write_index=false or the alias points to multiple indices without one being designated as a write index"
        )
        raise ElasticRefused(Fault(type="illegal_argument_exception", reason=reason))
    return stream


def write_index(catalog: Catalog, alias: str) -> str | None:
    """The stream marked so, or the only one unless it is marked not to be."""
    behind = catalog.aliases.get(alias, {})
    for stream, options in behind.items():
        if options.get("is_write_index") is True:
            return stream
    only = [stream for stream, options in behind.items() if options.get("is_write_index") is not False]
    return only[0] if len(behind) == 1 and only else None


def one_stream(catalog: Catalog, name: str) -> Stream:
    """A stream by its own name or that of a backing index. Raises `ElasticRefused` (404)."""
    stream = catalog.streams.get(name) or catalog.streams.get(_data_stream_of(catalog, name))
    if stream is None:
        raise ElasticRefused(index_not_found(name))
    return stream


def _data_stream_of(catalog: Catalog, name: str) -> str:
    """Of a backing index; the name itself where it is none."""
    middle = name.removeprefix(".ds-").rsplit("-", 2)
    if len(middle) == 3 and middle[0] in catalog.streams:
        return middle[0]
    return name
