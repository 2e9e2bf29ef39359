"""Aliases: what an action may say, and the catalogue after it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dxops.base.errors import DxopsError
from dxops.rooms.logs.catalog import Catalog
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument
from dxops.wire.elastic.names import index_name_fault
from dxops.wire.es.query import parse_query

_OPTIONS: Final = frozenset(
    {"is_write_index", "filter", "is_hidden", "routing", "index_routing", "search_routing", "must_exist"}
)
_FLAGS: Final = frozenset({"is_write_index", "is_hidden", "must_exist"})


def checked_options(options: object) -> dict[str, Any]:
    """An alias's options as they are kept: what is false or null by default is left out, a filter must be a query.

    Raises `ElasticRefused`.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ElasticRefused(illegal_argument("an alias's options must be an object"))
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise ElasticRefused(illegal_argument(f"Unknown field [{unknown[0][:100]}] in alias"))
    made: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or name == "must_exist":
            continue
        if name in _FLAGS and not isinstance(value, bool):
            raise ElasticRefused(illegal_argument(f"[{name}] of an alias must be true or false"))
        made[name] = value
    if "routing" in made:  # as the original shows it
        routing = made.pop("routing")
        made = {"index_routing": routing, "search_routing": routing, **made}
    if made.get("filter") is not None:
        try:
            parse_query(made["filter"])
        except DxopsError as error:
            raise ElasticRefused(illegal_argument(f"failed to parse filter for alias: {error.message}")) from error
    return made


def alias_fault(catalog: Catalog, alias: str) -> str | None:
    """Why there cannot be an alias of this name, or None."""
    why = index_name_fault(alias)
    if why is None and alias in catalog.streams:
        why = "an index or data stream exists with the same name as the alias"
    return why


def with_alias(catalog: Catalog, alias: str, stream: str, options: Mapping[str, Any]) -> Catalog:
    """`stream` behind `alias`, with these options instead of those that it had there. A second write index is refused
    by `check_write_index`, once all actions of a request were done."""
    why = alias_fault(catalog, alias)
    if why is not None:
        reason = f"Invalid alias name [{alias}]: {why}"
        raise ElasticRefused(Fault(type="invalid_alias_name_exception", reason=reason, extra={"index": alias}))
    behind = {**catalog.aliases.get(alias, {}), stream: options}
    return msgspec.structs.replace(catalog, aliases={**catalog.aliases, alias: behind})


def without_alias(catalog: Catalog, alias: str, streams: Sequence[str]) -> Catalog:
    """None of these streams behind `alias`."""
    left = {stream: options for stream, options in catalog.aliases.get(alias, {}).items() if stream not in streams}
    aliases = {name: behind for name, behind in catalog.aliases.items() if name != alias}
    if left:
        aliases[alias] = left
    return msgspec.structs.replace(catalog, aliases=aliases)


def check_write_index(catalog: Catalog, alias: str) -> None:
    """Raises `ElasticRefused` where an alias has two write indices."""
    marked = sorted(
        stream for stream, options in catalog.aliases.get(alias, {}).items() if options.get("is_write_index") is True
    )
    if len(marked) > 1:
        reason = f"alias [{alias}] has more than one write index [{','.join(marked)}]"
        raise ElasticRefused(Fault(type="illegal_state_exception", reason=reason))


def missing_alias(names: Sequence[str]) -> ElasticRefused:
    """404, as for `GET` and removal."""
    reason = f"alias{'es' if len(names) > 1 else ''} [{','.join(names)}] missing"
    return ElasticRefused(Fault(type="aliases_not_found_exception", reason=reason, status=404))
