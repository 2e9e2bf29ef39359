"""Documents into templates and values, at the speed of a regular expression.

A template that keeps coming back gets an expression of its own, which takes a document apart in one match (about 2 µs
for 450 bytes). Everything else is taken apart by `cut`, ten times slower. Both give the same result.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from itertools import repeat
from typing import Final

import msgspec
import orjson

from dxops.wire.logs.cut import Cut, cut
from dxops.wire.logs.document import (
    ESCAPED,
    FLAG,
    LIST,
    MESSAGE,
    MESSAGE_ESCAPED,
    MESSAGE_RAW,
    NUMBER,
    PLAIN,
    RAW,
    TIME,
    slots,
    time_text,
)

# Documents are valid JSON: a quote ends a text unless a backslash is before it, and no text holds a control character.
_TEXT = rb'([^"\\]*+)'
_TEXT_WITHOUT_BACKSLASH = rb'([^"]*+)'  # a single excluded byte is found at the speed of memchr
_QUOTED = rb'("[^"]*+(?:(?<=\\)"[^"]*+)*+")'  # at that speed too; takes too much behind an escaped backslash
_QUOTED_EXACTLY = rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")'
_BACKSLASH_LAST = rb'\\"'
"""Where a text ends that ends in a backslash."""
_VALUE: Final = {
    PLAIN: _TEXT,
    MESSAGE: _TEXT,
    ESCAPED: _QUOTED,
    MESSAGE_ESCAPED: _QUOTED,
    MESSAGE_RAW: _QUOTED,
    RAW: _QUOTED,
    NUMBER: rb"(-?[0-9][0-9.eE+-]*+)",
    FLAG: rb"(true|false)",
    LIST: rb"(\[\s*+[^\[\]{}\s][^\[\]{}]*+\])",
    TIME: rb"([0-9TZ:.-]{24})",
}
_FIRST_TIME = rb"[0-9TZ:.-]{24}"  # compared where it stands, so it need not be taken out
_YEAR_10000: Final = 253_402_300_800 // 60
_MARK = re.compile(rb"[\x00-\x08\x0e\x0f]")
_MESSAGES: Final = (MESSAGE, MESSAGE_ESCAPED, MESSAGE_RAW)
_NEEDS_BACKSLASH: Final = (ESCAPED, RAW, MESSAGE_ESCAPED, MESSAGE_RAW)
_APART: Final = (TIME, MESSAGE, MESSAGE_ESCAPED)
"""Marks whose value is in a column of its own."""

_WORTH_IT = 3
_MAX_KNOWN = 512
_MAX_SEEN = 4096
_MAX_ALIKE = 48
"""Expressions that are tried before a document is cut, which takes as long as some hundred that do not match."""


class Alike(msgspec.Struct):
    """Documents of a batch that have one template, by their places in it. Each has `len(names)` of `values`, in their
    order."""

    template: bytes
    names: tuple[bytes, ...]
    places: list[int]
    messages: list[bytes]
    values: list[bytes]


class _Shape:
    """One template with its expression, and what has to be done with the groups."""

    __slots__ = (
        "_escaped", "_exact", "_match", "_match_plain", "_message", "_message_mark", "_pattern", "_raw", "_time_at",
        "_times", "_width", "names", "template",
    )  # fmt: skip

    def __init__(self, template: bytes) -> None:
        pieces = _MARK.split(template)
        marks = slots(template.decode())
        first_is_time = bool(marks) and marks[0][0] == TIME
        kinds = [mark for mark, _ in marks[first_is_time:]]
        self.template = template
        self.names = tuple(name.encode() for mark, name in marks if mark not in _APART)
        self._time_at = len(pieces[0]) if first_is_time else -1
        self._times = tuple(index for index, mark in enumerate(kinds) if mark == TIME)
        kinds = [mark for mark in kinds if mark != TIME]
        self._message = next((index for index, mark in enumerate(kinds) if mark in _MESSAGES), -1)
        self._message_mark = kinds[self._message] if self._message >= 0 else ""
        self._escaped = tuple(index for index, mark in enumerate(kinds) if mark == ESCAPED)
        self._raw = tuple(index for index, mark in enumerate(kinds) if mark == RAW)
        self._pattern = _pattern(pieces, marks)
        self._match = re.compile(self._pattern, re.DOTALL).fullmatch
        self._exact: re.Pattern[bytes] | None = None
        self._match_plain = None
        if not any(mark in _NEEDS_BACKSLASH for mark in kinds):
            plain = self._pattern.replace(_TEXT, _TEXT_WITHOUT_BACKSLASH)
            self._match_plain = re.compile(plain, re.DOTALL).fullmatch
        self._width = len(kinds) + (self._message_mark == MESSAGE_RAW)

    def take(self, line: bytes, time: bytes, backslash: bool) -> tuple[bytes, ...] | None:
        """The document's values and message in their order, or None when it is not of this shape. `time` is its row's,
        as it would be written; `backslash` says whether the line has one."""
        if self._time_at >= 0 and not line.startswith(time, self._time_at):
            return None
        if backslash and _BACKSLASH_LAST in line:
            found = self._match_exactly(line)
        else:
            match = self._match if backslash else self._match_plain
            found = match(line) if match is not None else None
        if found is None:
            return None
        groups = found.groups()
        if self._times:
            if any(groups[index] != time for index in self._times):
                return None
            groups = tuple(group for index, group in enumerate(groups) if index not in self._times)
        return self._changed(groups) if backslash else groups

    def _match_exactly(self, line: bytes) -> re.Match[bytes] | None:
        if self._exact is None:
            self._exact = re.compile(self._pattern.replace(_QUOTED, _QUOTED_EXACTLY), re.DOTALL)
        return self._exact.fullmatch(line)

    def alike(self, places: list[int], values: list[bytes]) -> Alike:
        """Documents of this shape; `values` are what `take` made of them, and are changed."""
        if self._message < 0:
            return Alike(self.template, self.names, places, [b""] * len(places), values)
        messages = values[self._message :: self._width]
        del values[self._message :: self._width]
        return Alike(self.template, self.names, places, messages, values)

    def _changed(self, groups: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        """Escaped texts decoded, the message of `MESSAGE_RAW` before its text. None when `cut` would give one of them
        another mark."""
        for index in self._raw:
            if _raw(groups[index]) is None:
                return None
        at, mark = self._message, self._message_mark
        if not self._escaped and (at < 0 or mark == MESSAGE):
            return groups
        changed = list(groups)
        for index in self._escaped:
            text = _escaped(groups[index])
            if text is None:
                return None
            changed[index] = text
        if at >= 0 and mark != MESSAGE:
            text = _raw(groups[at]) if mark == MESSAGE_RAW else _escaped(groups[at])
            if text is None:
                return None
            changed[at] = text
            if mark == MESSAGE_RAW:
                changed.insert(at + 1, groups[at])
        return tuple(changed)


def _pattern(pieces: Sequence[bytes], marks: Sequence[tuple[str, str]]) -> bytes:
    pattern = re.escape(pieces[0])
    for index, ((mark, _), piece) in enumerate(zip(marks, pieces[1:], strict=True)):
        pattern += (_FIRST_TIME if mark == TIME and index == 0 else _VALUE[mark]) + re.escape(piece)
    return pattern


class Shapes:
    """Takes batches apart and learns their templates. Bounded; not for several threads at once.

    A document is only held against the shapes of documents with as many quotes as it has.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, _Shape] = OrderedDict()
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self._alike: dict[int, list[_Shape]] = {}
        self._heads = _Minutes()

    def split(self, documents: Sequence[bytes], times_ms: Sequence[int]) -> list[Alike]:
        """Documents (each a valid JSON object) with the time of each in milliseconds since 1970, by template."""
        found: dict[_Shape, tuple[list[int], list[bytes]]] = {}
        rest: dict[tuple[bytes, tuple[bytes, ...]], Alike] = {}
        alike, heads = self._alike, self._heads
        times = [
            heads[ms // 60_000] + _SECONDS[(within := ms % 60_000) // 1000] + _MILLIS[within % 1000] for ms in times_ms
        ]
        counts = map(bytes.count, documents, repeat(b'"'))
        escapes = map(bytes.__contains__, documents, repeat(ord("\\")))
        for place, (line, time, quotes, backslash) in enumerate(zip(documents, times, counts, escapes, strict=True)):
            shapes = alike.get(quotes)
            if shapes is not None:
                for index, shape in enumerate(shapes):
                    taken = shape.take(line, time, backslash)
                    if taken is not None:
                        if index:
                            shapes.insert(index // 2, shapes.pop(index))
                        gathered = found.get(shape)
                        if gathered is None:
                            gathered = found[shape] = [], []
                        gathered[0].append(place)
                        gathered[1].extend(taken)
                        break
                else:
                    shapes = None
            if shapes is None:
                apart = cut(line, times_ms[place])
                self._learn(apart, quotes)
                key = apart.template, apart.names
                group = rest.get(key)
                if group is None:
                    group = rest[key] = Alike(*key, [], [], [])
                group.places.append(place)
                group.messages.append(apart.message)
                group.values += apart.values
        return [*(shape.alike(*gathered) for shape, gathered in found.items()), *rest.values()]

    def _learn(self, apart: Cut, quotes: int) -> None:
        template = apart.template
        if not apart.learnable:
            return
        shape = self._known.get(template)
        if shape is None:
            count = self._seen.pop(template, 0) + 1
            if count < _WORTH_IT:
                self._seen[template] = count
                if len(self._seen) > _MAX_SEEN:
                    self._seen.popitem(last=False)
                return
            if len(self._known) >= _MAX_KNOWN:
                self._known.popitem(last=False)
            shape = self._known[template] = _Shape(template)
        else:
            self._known.move_to_end(template)
        alike = self._alike.get(quotes)
        if alike is None:
            if len(self._alike) >= _MAX_KNOWN:
                self._alike.clear()
            alike = self._alike[quotes] = []
        if shape not in alike:
            alike.insert(0, shape)
            del alike[_MAX_ALIKE:]


class _Minutes(dict[int, bytes]):
    """`2026-01-01T00:00:` by minutes since 1970, made when first asked for; what no time begins with where the year has
    not four digits. Bounded."""

    def __missing__(self, minute: int) -> bytes:
        if len(self) > 4096:
            self.clear()
        made = self[minute] = time_text(minute * 60_000)[:17].encode() if 0 <= minute < _YEAR_10000 else b"no time "
        return made


_SECONDS: Final = [b"%02d." % second for second in range(60)]
_MILLIS: Final = [b"%03dZ" % millis for millis in range(1000)]


def _escaped(literal: bytes) -> bytes | None:
    """The text of a JSON string with escapes, if orjson writes it back the same; else None."""
    if b"\\" not in literal:
        return None
    try:
        text = orjson.loads(literal)
    except orjson.JSONDecodeError:  # lone surrogates
        return None
    return str(text).encode() if orjson.dumps(text) == literal else None


def _raw(literal: bytes) -> bytes | None:
    """The text of a JSON string whose escapes orjson would write differently; else None."""
    if b"\\" not in literal:
        return None
    try:
        text = orjson.loads(literal)
    except orjson.JSONDecodeError:
        return None
    return None if orjson.dumps(text) == literal else str(text).encode()
