"""Index names and expressions: `logs-*,-logs-old-*,<app-{now/d}>`, `_all`, over indices, aliases and data streams."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import msgspec

from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument, index_not_found, invalid_index_name
from dxops.wire.name_patterns import name_matches

MAX_NAME_BYTES: Final = 255
MAX_EXPRESSION_NAMES: Final = 10_000

_FORBIDDEN = re.compile(r'[\\/*?"<>| ,]')
_FORBIDDEN_TEXT: Final = r"""['\\','/','*','?','"','<','>','|',' ',',']"""
_KINDS: Final = frozenset({"open", "closed", "hidden", "none", "all"})


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`ignore_unavailable`, `allow_no_indices`, and what wildcards expand to."""

    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    open: bool = True
    closed: bool = False
    hidden: bool = False


DEFAULT_OPTIONS: Final = Options()


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """All that a name can mean. An alias and a data stream list the indices behind them, newest last.

    `hidden` and `closed` are names of indices, aliases or streams; a name that begins with a dot counts as hidden.
    """

    indices: Collection[str] = ()
    aliases: Mapping[str, Collection[str]] = {}
    data_streams: Mapping[str, Collection[str]] = {}
    hidden: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()

    def names(self) -> Iterable[str]:
        """Every name, once."""
        return dict.fromkeys([*self.indices, *self.aliases, *self.data_streams])

    def names_of_indices(self) -> list[str]:
        """Indices that are no backing ones, and data streams."""
        behind = {name for each in self.data_streams.values() for name in each}
        return [*(name for name in self.indices if name not in behind), *self.data_streams]

    def __contains__(self, name: object) -> bool:
        return name in self.aliases or name in self.data_streams or name in self.indices


@lru_cache(maxsize=4096)
def index_name_fault(name: str) -> str | None:
    """Why no index can have this name ("must be lowercase"), or None."""
    if not name:
        return "must not be empty"
    if name in (".", ".."):
        return "must not be '.' or '..'"
    if _FORBIDDEN.search(name):
        return f"must not contain the following characters {_FORBIDDEN_TEXT}"
    for char in "#:":
        if char in name:
            return f"must not contain '{char}'"
    if name[0] in "_-+":
        return "must not start with '_', '-', or '+'"
    size = len(name.encode("utf-8", "replace"))
    if size > MAX_NAME_BYTES:
        return f"index name is too long, ({size} > {MAX_NAME_BYTES})"
    if name != name.lower():
        return "must be lowercase"
    if not name.isprintable():
        return "must not contain control characters"
    return None


def check_index_name(name: str) -> str:
    """The name. Raises `ElasticRefused` (`invalid_index_name_exception`)."""
    why = index_name_fault(name)
    if why is not None:
        raise ElasticRefused(invalid_index_name(name, why))
    return name


def read_options(parameters: Mapping[str, str], base: Options = DEFAULT_OPTIONS) -> Options:
    """From the query string, over the endpoint's own defaults. Raises `ElasticRefused` for an unknown word."""
    changes: dict[str, bool] = {}
    for name in ("ignore_unavailable", "allow_no_indices"):
        if name in parameters:
            changes[name] = read_flag(name, parameters[name])
    if "expand_wildcards" in parameters:
        kinds = {kind.strip() for kind in parameters["expand_wildcards"].split(",")} - {""}
        unknown = kinds - _KINDS
        if unknown:
            raise ElasticRefused(illegal_argument(f"No valid expand wildcard value [{min(unknown)[:60]}]"))
        everything = "all" in kinds
        for kind in ("open", "closed", "hidden"):
            changes[kind] = everything or kind in kinds
        if kinds == {"hidden"}:
            changes["open"] = True
    return msgspec.structs.replace(base, **changes)


def read_flag(name: str, text: str) -> bool:
    """A boolean of the query string: `?pretty` is true. Raises `ElasticRefused`."""
    if text in ("", "true"):
        return True
    if text == "false":
        return False
    why = f"Failed to parse value [{text[:60]}] as only [true] or [false] are allowed."
    raise ElasticRefused(illegal_argument(f"{name}: {why}"))


def read_long(name: str, text: str) -> int:
    """A whole number of the query string. Raises `ElasticRefused`."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise ElasticRefused(illegal_argument(f"Failed to parse long parameter [{name}] with value [{text[:60]}]"))
    return int(text)


def split_expression(expression: str, now_ms: int, *, encoded: bool = False) -> list[str]:
    """The parts of a comma list, date math resolved; an empty expression is `_all`.

    `encoded` decodes percent escapes, for a path that the server did not decode. Commas within `<…>` do not split.
    """
    if encoded:
        expression = unquote(expression)
    parts = [part.strip() for part in re.split(r",(?![^<>]*>)", expression)]
    if len(parts) > MAX_EXPRESSION_NAMES:
        raise ElasticRefused(illegal_argument(f"more than {MAX_EXPRESSION_NAMES} names in one expression"))
    resolved = []
    for part in parts:
        minus = "-" if part.startswith("-<") else ""
        resolved.append(minus + resolve_date_math(part[len(minus) :], now_ms))
    return [part for part in resolved if part] or ["_all"]


def resolve(expression: str, known: Known, options: Options = DEFAULT_OPTIONS, *, now_ms: int) -> list[str]:
    """The names that the expression means, each once, in order; aliases and data streams stay what they are.

    Exclusions apply to what stands before them and count only after a wildcard (as in the original, a leading `-` is
    otherwise part of the name). Raises `ElasticRefused`: `index_not_found_exception` for a plain name that is not known
    unless `ignore_unavailable`, for an empty result unless `allow_no_indices`.
    """
    parts = split_expression(expression, now_ms)
    found: dict[str, None] = {}
    wild = False
    for part in parts:
        if part.startswith("-") and wild:
            for name in [name for name in found if name_matches(part[1:], name)]:
                del found[name]
        elif part in ("_all", "*") or "*" in part:
            wild = True
            found |= dict.fromkeys(_expanded("*" if part == "_all" else part, known, options))
        elif part in known:
            found[part] = None
        elif not options.ignore_unavailable:
            why = index_name_fault(part)
            if why is not None and part[0] in "_":
                raise ElasticRefused(invalid_index_name(part, why))
            raise ElasticRefused(index_not_found(part))
    if not found and not options.allow_no_indices:
        raise ElasticRefused(index_not_found(expression or "_all"))
    return list(found)


def indices_of(names: Iterable[str], known: Known) -> list[str]:
    """The concrete indices behind resolved names, each once."""
    found: dict[str, None] = {}
    for name in names:
        behind = known.aliases.get(name)
        if behind is None:
            behind = known.data_streams.get(name, (name,))
        for index in behind:
            # an alias may stand for a data stream
            found |= dict.fromkeys(known.data_streams.get(index, (index,)))
    return list(found)


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of an index template's `index_patterns` (or a role's) covers the name."""
    return any(name_matches(pattern, name) for pattern in patterns)


def _expanded(pattern: str, known: Known, options: Options) -> Iterable[str]:
    dotted = pattern.startswith(".")
    for name in sorted(known.names()):
        if not name_matches(pattern, name):
            continue
        if (name in known.hidden or name.startswith(".")) and not (options.hidden or (dotted and name[0] == ".")):
            continue
        if options.closed if name in known.closed else options.open:
            yield name
