"""Options that several queries share."""

from __future__ import annotations

import re
from typing import Any, Final

from dxops.wire.es.body import Body, json_kind
from dxops.wire.es.errors import ILLEGAL, PARSING, EsError, unsupported
from dxops.wire.minimum import minimum
from dxops.wire.query_tree import Scalar

AUTO: Final = -1
_AUTO: Final = re.compile(r"AUTO(?::\s*([0-9]{1,4})\s*,\s*([0-9]{1,4}))?", re.IGNORECASE)
_ANALYZERS: Final = ("standard", "simple", "default")


def options(kind: str, value: Any) -> Body:
    """The options of a query, those that every query has already taken."""
    body = Body(kind, value)
    body.accept("boost")
    body.refuse("_name", "matched queries are not reported")
    return body


def of_field(kind: str, value: Any, short: str) -> tuple[str, Body]:
    """`{"field": {options}}` or `{"field": value}`, where the value is that of the option `short`."""
    outer = Body(kind, value)
    names = outer.keys()
    if len(names) != 1:
        if not names:
            raise EsError(ILLEGAL, f"[{kind}] requires a field name", key=kind)
        reason = f"[{kind}] query doesn't support multiple fields, found [{names[0]}] and [{names[1]}]"
        raise EsError(PARSING, reason, key=names[1])
    name = names[0]
    inner = value[name]
    if isinstance(inner, list):
        raise EsError(PARSING, f"[{kind}] query does not support an array for [{name}]", key=name)
    return name, options(kind, inner if isinstance(inner, dict) else {short: inner})


def scalar(value: Any, kind: str, key: str) -> Scalar:
    """A text, number or boolean. Null is refused: it is the value of no field."""
    if value is None:
        raise EsError(ILLEGAL, f"[{kind}] value of [{key}] cannot be null", key=key)
    if not isinstance(value, str | int | float | bool):
        raise EsError(PARSING, f"[{kind}] value of [{key}] must be a text, number or boolean", key=key)
    return value


def scalar_text(value: Any, kind: str, key: str) -> str:
    """`scalar` as text."""
    found = scalar(value, kind, key)
    return ("true" if found else "false") if isinstance(found, bool) else str(found)


def fuzziness(value: Any, kind: str, text: str | None) -> int:
    """Edits: 0, 1, 2 or -1 for AUTO. `AUTO:low,high` needs the `text` whose length decides."""
    if value is None:
        return 0
    if isinstance(value, str) and (auto := _AUTO.fullmatch(value)):
        if auto[1] is None or (int(auto[1]), int(auto[2])) == (3, 6):
            return AUTO
        if text is None:
            raise unsupported(f"[fuzziness] [{value}] of [{kind}]", "only AUTO and AUTO:3,6", "fuzziness")
        return (len(text) >= int(auto[1])) + (len(text) >= int(auto[2]))
    try:
        edits = float(value) if not isinstance(value, bool) else -1
    except (TypeError, ValueError):
        edits = -1
    if edits not in (0, 1, 2):
        reason = f"[{kind}] [fuzziness] is 0, 1, 2 or AUTO; found {json_kind(value)}"
        raise EsError(ILLEGAL, reason, key="fuzziness")
    return int(edits)


def fuzzy_details(body: Body) -> None:
    """What tunes how the original finds similar words: it changes speed or scores, or is refused."""
    body.accept("max_expansions", "fuzzy_rewrite", "fuzzy_max_expansions", "rewrite")
    for key in ("fuzzy_transpositions", "transpositions"):
        body.refuse(key, "two swapped characters are always one edit", (True,))


def analyzer(body: Body, key: str = "analyzer") -> None:
    """Text is cut in one way; analyzers that cut so are accepted."""
    body.refuse(key, "text is cut into words in one way, that of [standard]", _ANALYZERS)


def least_of(spec: Any, optional: int, kind: str) -> int:
    """`minimum_should_match` for `optional` clauses."""
    try:
        if isinstance(spec, bool) or not isinstance(spec, str | int):
            raise ValueError(spec)
        return minimum(spec, optional)
    except ValueError as error:
        reason = f"[{kind}] [minimum_should_match] is not 3, -1, 75% or 2<75%: found {json_kind(spec)}"
        raise EsError(ILLEGAL, reason, key="minimum_should_match") from error
