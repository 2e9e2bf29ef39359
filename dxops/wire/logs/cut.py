"""One document taken apart by walking its text: the slow, complete way. See `document` for the marks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
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
_MAX_DERIVED: Final = 256
_PART = re.compile(r'[{}]|"(?:[^"\\]|\\.)*"|[-0-9tfn\[][^\s{}"\[\],]*|[\s,:]+')
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


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
    walk = _Walk(line.decode(), ts_ms)
    try:
        walk.run()
    except (ValueError, RecursionError):  # lone surrogates: texts that no UTF-8 can hold
        return _whole(line)
    if walk.repeated:
        return _whole(line)
    derived = [(name, value) for name, value in walk.derived.items() if name not in walk.values][:_MAX_DERIVED]
    pairs = [*walk.values.items(), *derived]
    return Cut(
        "".join(walk.template).encode(),
        walk.message.encode(),
        tuple(name.encode() for name, _ in pairs),
        tuple(value.encode() for _, value in pairs),
        not walk.derived and not walk.deep,
    )


class _Walk:
    def __init__(self, text: str, ts_ms: int) -> None:
        self.text = text
        self.at = 0
        self.time = time_text(ts_ms) if 0 <= ts_ms < 253402300800000 else ""
        self.template: list[str] = []
        self.values: dict[str, str] = {}
        self.derived: dict[str, str] = {}
        self.message = ""
        self.repeated = False
        self.deep = False
        self._names: set[str] = set()
        self._message_name = ""

    def run(self) -> None:
        """Raises `ValueError` for a document that holds what no UTF-8 text or 64-bit number can."""
        self._message_name = _message_name(self.text)
        path: list[str] = []
        key = ""
        expects_key = False
        while self.at < len(self.text):
            match = _PART.match(self.text, self.at)
            assert match is not None, "documents are valid JSON"
            part = match.group()
            first = part[0]
            if first == "{":
                if len(path) >= MAX_DEPTH:
                    self._keep(key, path, self._bracketed(), LIST)
                    self.deep = True
                    continue
                path.append(key)
                self.template.append("{")
                expects_key = True
            elif first == "}":
                key = path.pop()
                self.template.append("}")
            elif first == '"' and expects_key:
                key = part[1:-1] if "\\" not in part else orjson.loads(part)
                self.template.append(part)
                expects_key = False
            elif first == '"':
                self._text(part, ".".join((*path[1:], key)))
            elif first == "[":
                self._array(self._bracketed(), ".".join((*path[1:], key)))
                continue
            elif first in " \t\r\n,:":
                self.template.append(part)
                if "," in part:
                    expects_key = True
            elif part == "null":
                self._claim(".".join((*path[1:], key)))
                self.template.append(part)
            else:
                mark = FLAG if first in "tf" else NUMBER
                self._put(".".join((*path[1:], key)), part, mark)
            self.at = match.end()

    def _text(self, part: str, name: str) -> None:
        body = part[1:-1]
        escaped = "\\" in body
        if not escaped and name == TIME_NAME and body == self.time:
            self._claim(name)
            self.template += ('"', TIME, '"')
            return
        text = orjson.loads(part) if escaped else body
        canonical = not escaped or orjson.dumps(text).decode() == part
        if name == self._message_name and canonical:
            self._claim(name)
            self.message = text
            self.template += (MESSAGE_ESCAPED,) if escaped else ('"', MESSAGE, '"')
        elif not escaped:
            self._claim(name)
            self.values[name] = text
            self.template += ('"', PLAIN, '"')
        elif canonical:
            self._put(name, text, ESCAPED)
        elif name == self._message_name:
            self.message = text
            self._put(name, part, MESSAGE_RAW)
        else:
            self._put(name, part, RAW)

    def _array(self, text: str, name: str) -> None:
        if not text[1:-1].strip():
            self._claim(name)
            self.template.append(text)
            return
        self._put(name, text, LIST)
        if "{" in text:
            for inner, values in _inside(name, orjson.loads(text)):
                self.derived[inner] = orjson.dumps(values).decode()

    def _keep(self, key: str, path: list[str], text: str, mark: str) -> None:
        self._put(".".join((*path[1:], key)), text, mark)

    def _put(self, name: str, value: str, mark: str) -> None:
        self._claim(name)
        self.values[name] = value
        self.template.append(mark)

    def _claim(self, name: str) -> None:
        if name in self._names or not name:
            self.repeated = True
        self._names.add(name)

    def _bracketed(self) -> str:
        """The array or object at the cursor, which moves behind it."""
        start, depth = self.at, 0
        for match in _STRING_OR_BRACKET.finditer(self.text, start):
            part = match.group()
            if part in "[{":
                depth += 1
            elif part in "]}":
                depth -= 1
                if depth == 0:
                    self.at = match.end()
                    return self.text[start : self.at]
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


def _message_name(text: str) -> str:
    """Which of `MESSAGE_NAMES` this document's message is under; "" without one."""
    for name in MESSAGE_NAMES:
        last = name.rpartition(".")[2]
        if f'"{last}"' not in text:
            continue
        document = orjson.loads(text)
        for candidate in MESSAGE_NAMES:
            value: Any = document.get(candidate)
            if value is None and "." in candidate:
                parent, _, child = candidate.partition(".")
                inner = document.get(parent)
                value = inner.get(child) if isinstance(inner, dict) else None
            if isinstance(value, str):
                return candidate
        return ""
    return ""
