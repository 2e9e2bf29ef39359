"""One document taken apart by walking its text: the slow, complete way. See `document` for the marks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from dxops.wire.elastic.documents import BadSource, read_document
from dxops.wire.logs.document import (
    ESCAPED,
    FLAG,
    LIST,
    MAX_DEPTH,
    MESSAGE,
    MESSAGE_ESCAPED,
    MESSAGE_RAW,
    NUMBER,
    PLAIN,
    RAW,
    TIME,
    WHOLE,
    time_text,
)

MESSAGE_NAMES: Final = ("message", "msg", "log", "MESSAGE", "event.original")
"""Where a log line's text is, the first that holds a text winning."""

TIME_NAME: Final = "@timestamp"
_TIME_NAME: Final = TIME_NAME.encode()
_MAX_DERIVED: Final = 256
_FEW: Final = 16  # things, and fields of each: together no more than may be derived
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# a member up to its value, and the value: a text, a number or flag, null; or the bracket that begins it
_MEMBER = re.compile(
    rb'[\s,]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:\s*+'
    rb'(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([-0-9tf][^\s,}\]]*+)|(null)|([{\[]))'
)
_FLAT_ARRAY = re.compile(rb'\[[^\[\]{}"]*+(?:' + _STRING + rb'[^\[\]{}"]*+)*+\]')
_SCANNER: Final = json.JSONDecoder(parse_int=float, parse_float=float)  # for where a value ends, not what it is
_STRING_OR_BRACKET = re.compile(_STRING + rb"|[\[\]{}]")
_PLAIN, _ESCAPED, _RAW, _NUMBER, _FLAG, _LIST, _TIME, _MESSAGE, _MESSAGE_ESCAPED, _MESSAGE_RAW = (
    mark.encode() for mark in (PLAIN, ESCAPED, RAW, NUMBER, FLAG, LIST, TIME, MESSAGE, MESSAGE_ESCAPED, MESSAGE_RAW)
)


@lru_cache(maxsize=4096)
def _second(second: int) -> bytes:
    return time_text(second * 1000)[:20].encode()


class Cut(msgspec.Struct, frozen=True):
    """A document apart. `names` and `values` may hold more than the template's slots: what is inside arrays of objects,
    for queries. `learnable` is False for what no expression can be made of."""

    template: bytes
    message: bytes
    names: tuple[bytes, ...]
    values: tuple[bytes, ...]
    learnable: bool


def cut(line: bytes, ts_ms: int) -> Cut:
    """Take one JSON object apart. `ts_ms` is its row's time."""
    walk = _Walk(line, ts_ms)
    try:
        walk.run()
    except (ValueError, RecursionError):  # lone surrogates: texts that no UTF-8 can hold
        return _whole(line)
    if walk.repeated:
        return _whole(line)
    values = walk.values
    derived = [(name, value) for name, value in walk.derived.items() if name not in values][:_MAX_DERIVED]
    names = (*values, *(name for name, _ in derived))
    held = (*values.values(), *(value for _, value in derived))
    return Cut(b"".join(walk.template), walk.message, names, held, not walk.derived and not walk.deep)


class _Walk:
    """Goes through the members one by one. What is between two values is copied as it stands."""

    def __init__(self, line: bytes, ts_ms: int) -> None:
        self.line = line
        self.time = _second(ts_ms // 1000) + b"%03dZ" % (ts_ms % 1000) if 0 <= ts_ms < 253402300800000 else b""
        self.template: list[bytes] = []
        self.values: dict[bytes, bytes] = {}
        self.derived: dict[bytes, bytes] = {}
        self.message = b""
        self.repeated = False
        self.deep = False
        self._names: set[bytes] = set()
        self._message_name = b""

    def run(self) -> None:
        """Raises `ValueError` for a document that holds what no UTF-8 text or 64-bit number can."""
        line, template, member = self.line, self.template, _MEMBER.match
        self._message_name = _message_name(line)
        prefix, prefixes = b"", [b""]
        at = line.index(b"{") + 1
        done = 0  # copied up to here
        while True:
            match = member(line, at)
            if match is None:
                at = line.index(b"}", at) + 1
                prefixes.pop()
                if not prefixes:
                    break
                prefix = prefixes[-1]
                continue
            literal, text, scalar, null, bracket = match.groups()
            key = literal[1:-1] if b"\\" not in literal else orjson.loads(literal).encode()
            name = prefix + key
            at = match.end()
            if bracket == b"{" and len(prefixes) < MAX_DEPTH:
                prefix = name + b"."
                prefixes.append(prefix)
                continue
            self._claim(name)
            if null is not None:
                continue
            if text is not None:
                template.append(line[done : match.start(2) - 1])
                self._text(text, name)
            elif scalar is not None:
                template.append(line[done : match.start(3)])
                template.append(_FLAG if scalar[0] in b"tf" else _NUMBER)
                self.values[name] = scalar
            else:
                begun, at = at - 1, self._end_of(at - 1)
                template.append(line[done:begun])
                self._bracketed(line[begun:at], name)
            done = at
        template.append(line[done:])

    def _text(self, body: bytes, name: bytes) -> None:
        if b"\\" not in body:
            if name == self._message_name:
                self.message = body
                self.template.append(b'"' + _MESSAGE + b'"')
            elif name == _TIME_NAME and body == self.time:
                self.template.append(b'"' + _TIME + b'"')
            else:
                self.values[name] = body
                self.template.append(b'"' + _PLAIN + b'"')
            return
        part = b'"' + body + b'"'
        text = orjson.loads(part)
        canonical = orjson.dumps(text) == part
        if name == self._message_name:
            self.message = text.encode()
            if canonical:
                self.template.append(_MESSAGE_ESCAPED)
                return
        if canonical:
            self.values[name] = text.encode()
            self.template.append(_ESCAPED)
        else:
            self.values[name] = part
            self.template.append(_MESSAGE_RAW if name == self._message_name else _RAW)

    def _bracketed(self, text: bytes, name: bytes) -> None:
        """An array, or an object that is nested too deep."""
        if text[:1] == b"{":
            self.deep = True
        elif not text[1:-1].strip():
            self.template.append(text)
            return
        elif b"{" in text:
            for inner, values in _inside(name.decode(), orjson.loads(text)):
                self.derived[inner.encode()] = orjson.dumps(values)
        self.values[name] = text
        self.template.append(_LIST)

    def _claim(self, name: bytes) -> None:
        if name in self._names or not name:
            self.repeated = True
        self._names.add(name)

    def _end_of(self, start: int) -> int:
        """Behind the array or object that begins there."""
        flat = _FLAT_ARRAY.match(self.line, start)
        if flat is not None:
            return flat.end()
        try:
            return _SCANNER.raw_decode(self.line.decode("latin-1"), start)[1]  # a character for each byte
        except RecursionError:
            depth = 0
        for match in _STRING_OR_BRACKET.finditer(self.line, start):
            part = match.group()
            if part in (b"[", b"{"):
                depth += 1
            elif part in (b"]", b"}"):
                depth -= 1
                if depth == 0:
                    return match.end()
        raise AssertionError("documents are valid JSON")


def _whole(line: bytes) -> Cut:
    """A document whose names repeat or are empty: kept as one value, its parts beside it for queries."""
    parts: dict[str, list[Any]] = {}
    for name, value in _flat("", _read(line), 0):
        if name:
            parts.setdefault(name, []).append(value)
    message = next((parts[name][0] for name in MESSAGE_NAMES if isinstance(parts.get(name, [None])[0], str)), "")
    pairs = [("", line.decode())]
    for name, values in list(parts.items())[:_MAX_DERIVED]:
        if values != [None]:
            pairs.append((name, _plain(values[0] if len(values) == 1 else values)))
    return Cut(
        WHOLE.encode(),
        _held(message),
        tuple(_held(name) for name, _ in pairs),
        tuple(_held(value) for _, value in pairs),
        False,
    )


def _read(line: bytes) -> Any:
    """The document as far as it can be read: what is only there to be found may be missing or replaced."""
    try:
        return read_document(line)
    except BadSource:
        return {}


def _held(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):
        return json.dumps(value)


def _flat(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value and depth < MAX_DEPTH:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else key, inner, depth + 1)
    else:
        yield name, value


def _inside(name: str, value: Any) -> Iterator[tuple[str, list[Any]]]:
    """The values inside an array of objects, as the fields they make: `items.price` with every price."""
    found: dict[str, list[Any]] = {}
    if all(type(thing) is dict and len(thing) < _FEW for thing in value[:_FEW]) and len(value) <= _FEW:
        names: dict[str, str] = {}
        for thing in value:
            for key, inner in thing.items():
                if type(inner) in (list, dict):
                    break
                if inner is not None:
                    where = names.get(key) or names.setdefault(key, f"{name}.{key}")
                    found.setdefault(where, []).append(inner)
            else:
                continue
            break
        else:
            yield from found.items()
            return
        found.clear()
    pending: list[tuple[str, Any, int]] = [(name, value, 0)]
    while pending and len(found) < _MAX_DERIVED:
        where, thing, depth = pending.pop()
        if depth > MAX_DEPTH:
            continue
        if isinstance(thing, list):
            pending.extend((where, inner, depth + 1) for inner in reversed(thing))
        elif isinstance(thing, dict):
            pending.extend((f"{where}.{key}", inner, depth + 1) for key, inner in reversed(thing.items()))
        elif where != name and thing is not None:
            found.setdefault(where, []).append(thing)
    yield from found.items()


def _message_name(line: bytes) -> bytes:
    """Which of `MESSAGE_NAMES` this document's message is under; b"" without one."""
    for name in MESSAGE_NAMES:
        if f'"{name.rpartition(".")[2]}"'.encode() not in line:
            continue
        document = orjson.loads(line)
        for candidate in MESSAGE_NAMES:
            value: Any = document.get(candidate)
            if value is None and "." in candidate:
                parent, _, child = candidate.partition(".")
                inner = document.get(parent)
                value = inner.get(child) if isinstance(inner, dict) else None
            if isinstance(value, str):
                return candidate.encode()
        return b""
    return b""
