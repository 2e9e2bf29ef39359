"""Reading a document's source: what is accepted, and why not.

A source is a JSON object by RFC 8259. Accepted although common readers refuse them, because the bytes are kept as they
came and a log is worth more than purity: lone surrogates (`\\ud800`), numbers beyond any float (`1e400`), integers of
any length, names that occur twice (the last one counts). Refused: NaN, raw control characters, invalid UTF-8, a byte
order mark, nesting deeper than 1024, anything that is not an object.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Never

import msgspec
import orjson

MAX_DEPTH: Final = 1024  # orjson's own

_LONE = re.compile("[\ud800-\udfff]")


class BadSource(ValueError):
    """Not a document. `line` and `column` are 1-based within the source; the message says why."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


def read_document(source: bytes) -> dict[str, Any]:
    """The document as a value; for every source that bulk accepts, and for no other.

    Lone surrogates read as U+FFFD, numbers that no float holds as their text, other integers beyond 64 bits as
    floats. Raises `BadSource`.
    """
    try:
        value = orjson.loads(source)
    except orjson.JSONDecodeError as error:
        value = _read_leniently(source, error)
    if type(value) is not dict:
        raise BadSource(f"expected an object but found {_kind(value)}")
    return value


def write_document(document: dict[str, Any]) -> bytes:
    """JSON of a document that a pipeline changed. Raises `BadSource` when it is nested too deep to be written."""
    try:
        return orjson.dumps(document)
    except (TypeError, UnicodeEncodeError):  # orjson writes 254 levels, and no lone surrogates
        try:
            return msgspec.json.encode(_without_lone_surrogates(document))
        except RecursionError:
            raise BadSource("nested too deep to be written") from None


def _read_leniently(source: bytes, refusal: orjson.JSONDecodeError) -> object:
    position = refusal.lineno, refusal.colno
    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        raise BadSource(f"invalid UTF-8 byte 0x{source[error.start]:02x}", 1, error.start + 1) from None
    if refusal.msg.startswith("depth limit"):
        raise BadSource(f"nested deeper than {MAX_DEPTH} levels", *position)
    try:
        value = _LENIENT.decode(text)
    except RecursionError:
        raise BadSource(f"nested deeper than {MAX_DEPTH} levels, or nearly so", *position) from None
    except json.JSONDecodeError as error:
        raise BadSource(refusal.msg, error.lineno, error.colno) from None
    except ValueError as error:
        raise BadSource(str(error), *position) from None
    return _without_lone_surrogates(value)


def _without_lone_surrogates(value: object) -> object:
    """Walks by its own stack: the value may be deeper than calls may."""
    top = [value]
    todo: list[Any] = [top]
    while todo:
        container = todo.pop()
        pairs: list[Any] = list(enumerate(container) if isinstance(container, list) else container.items())
        if isinstance(container, dict) and any(_LONE.search(name) for name, _ in pairs):
            container.clear()
            pairs = [(_LONE.sub("\ufffd", name), item) for name, item in pairs]
            container.update(pairs)
            pairs = list(container.items())
        for place, item in pairs:
            if isinstance(item, str):
                container[place] = _LONE.sub("\ufffd", item)
            elif isinstance(item, list | dict):
                todo.append(item)
    return top[0]


def _integer(text: str) -> int | float | str:
    """As orjson reads it: beyond 64 bits as a float."""
    if len(text) < 21 and -(1 << 63) <= int(text) < 1 << 64:
        return int(text)
    return _float(text)


def _float(text: str) -> float | str:
    number = float(text)
    return text if number in (float("inf"), float("-inf")) else number


def _constant(text: str) -> Never:
    raise ValueError(f"{text} is not JSON")


_LENIENT = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_constant)


def _kind(value: object) -> str:
    names = {"list": "an array", "str": "a string", "bool": "a boolean", "NoneType": "null"}
    return names.get(type(value).__name__, "a number")
