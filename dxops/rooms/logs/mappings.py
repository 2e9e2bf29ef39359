"""What `GET /{index}/_mapping` says: the fields that were seen, in the words of a mapping that was put. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_NUMBERS: Final = frozenset(
    {"long", "integer", "short", "byte", "double", "float", "half_float", "scaled_float", "unsigned_long"}
)
_FITTING: Final[Mapping[str, frozenset[str]]] = {
    "double": _NUMBERS | {"date"},
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date", "date_nanos"}),
}


def shown_properties(declared: object, seen: Mapping[str, Any]) -> dict[str, Any]:
    """`properties`: what was seen, with the declared type where it fits; declared fields that were never seen too.

    A mapping limits no document, so a field that holds something else is shown as what it holds.
    """
    made = dict(seen)
    for name, what in declared.items() if isinstance(declared, Mapping) else ():
        found = made.get(name)
        if found is None:
            made[name] = what
        elif isinstance(what, Mapping) and "properties" in found:
            made[name] = {**what, "properties": shown_properties(what.get("properties"), found["properties"])}
        elif isinstance(what, Mapping) and what.get("type") in _fitting(found.get("type")):
            made[name] = what
    return made


def _fitting(seen: str | None) -> frozenset[str]:
    """The types that a field may be declared as which holds values of this kind; of texts all that are no numbers."""
    if seen in ("keyword", "text"):
        return _TEXTS
    return _FITTING.get(seen or "", frozenset())


_TEXTS: Final = frozenset(
    {"keyword", "text", "match_only_text", "wildcard", "constant_keyword", "ip", "version", "date", "date_nanos",
     "search_as_you_type", "completion", "binary", "geo_point", "flattened"}
)  # fmt: skip
