"""Names of fields as SQL over `log_events`.

Every function gives text that is safe to put into a statement: names and values come in as data and leave quoted.
"""

from __future__ import annotations

import re
from typing import Final

from dxops.base.errors import Refused
from dxops.wire.logs.cut import MESSAGE_NAMES

TIME: Final = "ts"
MESSAGE: Final = "message"
_TIME_NAMES: Final = frozenset({"@timestamp"})
_ID_BITS: Final = re.compile(r"(?=.*[0-9])[0-9A-Za-z_-]{16,}")
_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b"}
)

MAX_NAME: Final = 1024

COLUMNS: Final = {f"_{name}": name for name in ("level", "service", "host", "environment")}
"""Names that mean a column of the row, whatever the sender called what is in it. No document's own field has them
unless a sender names it so."""


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return f"'{text.translate(_ESCAPES)}'"


def literals(texts: list[str] | tuple[str, ...]) -> str:
    """Texts as an array or the inside of IN: `'a', 'b'`."""
    return ", ".join(map(literal, texts))


def base_name(name: str) -> str:
    """The field a name means: multi-fields of Elasticsearch's default mapping (`level.keyword`) are the field itself.

    Raises `Refused` for a name that no document can have.
    """
    if not name or len(name) > MAX_NAME:
        raise Refused(f"a field's name has 1 to {MAX_NAME} characters", field=name[:40])
    for suffix in (".keyword", ".text"):
        if name.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def is_time(name: str) -> bool:
    """Whether the name means the row's time."""
    return name in _TIME_NAMES


RECEIVED: Final = "_dxops_received"
"""When a document was received, in milliseconds: for conditions of our own."""


def is_message(name: str) -> bool:
    """Whether the name may mean the row's message, whose words are indexed."""
    return name in MESSAGE_NAMES


def is_pattern(name: str) -> bool:
    return "*" in name


def looks_like_id(text: str) -> bool:
    """A single long run with a digit in it: an identifier, which people mean whole."""
    return _ID_BITS.fullmatch(text) is not None


def value_of(name: str) -> str:
    """SQL of a field's value as text; '' where a document does not have it."""
    if name == "message":
        return MESSAGE
    if name in COLUMNS:
        return f"toString({COLUMNS[name]})"
    if name == "_index":
        return "toString(stream)"
    if name == "_id":
        return "id"
    if name == "_seq_no":
        return "toString(seq)"
    if is_time(name):
        return "concat(replaceOne(toString(ts), ' ', 'T'), 'Z')"
    attr = f"attrs[{literal(name)}]"
    return f"if({attr} != '', {attr}, message)" if is_message(name) else attr


def number_of(name: str) -> str:
    """SQL of a field's value as a nullable number; times are milliseconds since 1970."""
    if is_time(name):
        return "toUnixTimestamp64Milli(ts)"
    if name == "_seq_no":
        return "toFloat64(seq)"
    if name == RECEIVED:
        return "toUnixTimestamp64Milli(received)"
    return f"toFloat64OrNull({value_of(name)})"


def like_pattern(pattern: str) -> str:
    """A name pattern with `*` as the pattern of LIKE."""
    return re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%")
