"""Bytes of a growing file or pipe into records: a line each, or several that belong together (a traceback).

A record is cut where it grows too large; its size still counts every byte that it took from the source, so that the
places of all records add up to the source's own.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

import msgspec

MAX_RECORD_BYTES: Final = 256 << 10
_MAX_LINES: Final = 1000

_TRACE = re.compile(
    rb"Traceback \(most recent call last\):|Caused by:|Suppressed: |During handling of the above exception|"
    rb"The above exception was the direct cause|\.\.\. \d+ more|"
    rb"goroutine \d+ \[|Exception in thread |\+ Exception Group"
)
_PYTHON: Final = b"Traceback (most recent call last):"
_RAISED = re.compile(rb"[A-Za-z_][\w.]*(?::|$)")


class Record(msgspec.Struct, frozen=True, gc=False):
    """`text` without the line's end. It took `size_bytes` from the source; `cut_bytes` of them were left out."""

    text: bytes
    size_bytes: int
    cut_bytes: int = 0


class Joining(Protocol):
    """Which lines belong to the one before. Asked once for every line, in order."""

    def continues(self, line: bytes) -> bool:
        """Whether `line` belongs to the record of the lines before it, if there are any."""
        ...

    @property
    def alone(self) -> bool:
        """Whether nothing can belong to the line that was asked for last."""
        ...


class Traces:
    """Tracebacks of Python, Java, Go and their like, and indented lines. What begins with `{` stands alone."""

    def __init__(self) -> None:
        self.alone = True
        self._trace = False
        self._indented = False

    def continues(self, line: bytes) -> bool:
        indented = line[:1] in (b" ", b"\t")
        if self.alone:
            joins = False
        elif indented:
            joins = True
        elif not line:
            joins = self._trace
        elif _TRACE.match(line):
            joins = True
            self._trace = self._trace or line.startswith(_PYTHON)
        else:  # the exception itself stands flush left behind the indented frames
            joins = self._trace and self._indented and _RAISED.match(line) is not None
        if not joins:
            self._trace = line.startswith(_PYTHON)
            self.alone = line[:1] == b"{" or not line
        self._indented = indented
        return joins


class Starts:
    """A record begins with a line in which `pattern` is found."""

    alone = False

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern

    def continues(self, line: bytes) -> bool:
        return self._pattern.search(line) is None


class Splitter:
    """One per source. Memory is bounded by a record's limit and what is fed at once."""

    def __init__(self, joining: Joining | None = None, max_bytes: int = MAX_RECORD_BYTES) -> None:
        self._joining = joining
        self._max_bytes = max_bytes
        self._rest = b""  # of the last line, whose end is not here yet
        self._rest_size = 0
        self._rest_cut = 0
        self._lines: list[bytes] = []  # of the record that may go on
        self._bytes = 0
        self._size = 0
        self._cut = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes of the source that were fed and are in no record yet."""
        return self._size + self._rest_size

    @property
    def waits_for_line(self) -> bool:
        """Whether the last line has no end yet."""
        return self._rest_size > 0

    @property
    def may_go_on(self) -> bool:
        """Whether whole lines wait for others that belong to them."""
        return bool(self._lines)

    def feed(self, data: bytes) -> list[Record]:
        """The records that are complete now."""
        lines = data.split(b"\n")
        last = lines.pop()
        found: list[Record] = []
        if lines:
            self._line(self._rest + lines[0], self._rest_size + len(lines[0]) + 1, self._rest_cut, found)
            self._rest, self._rest_size, self._rest_cut = b"", 0, 0
            if self._joining is None:
                self._plain(lines, found)
            else:
                for line in lines[1:]:
                    self._line(line, len(line) + 1, 0, found)
        if last:
            self._keep(last)
        return found

    def flush(self) -> list[Record]:
        """The record that might have gone on: call it when the source is quiet."""
        found: list[Record] = []
        self._close(found)
        return found

    def end(self) -> list[Record]:
        """Everything, also a last line without an end: the source has ended."""
        found: list[Record] = []
        if self._rest_size:
            self._line(self._rest, self._rest_size, self._rest_cut, found)
            self._rest, self._rest_size, self._rest_cut = b"", 0, 0
        self._close(found)
        return found

    def _keep(self, last: bytes) -> None:
        self._rest_size += len(last)
        if not self._rest:
            last = last.lstrip(b"\0")
        room = max(0, self._max_bytes - len(self._rest))
        self._rest += last[:room]
        self._rest_cut += max(0, len(last) - room)

    def _plain(self, lines: list[bytes], found: list[Record]) -> None:
        limit = self._max_bytes
        for line in lines[1:]:
            if len(line) > limit or line[:1] == b"\0":
                self._line(line, len(line) + 1, 0, found)
            else:
                found.append(Record(line[:-1] if line[-1:] == b"\r" else line, len(line) + 1))

    def _line(self, line: bytes, size: int, cut: int, found: list[Record]) -> None:
        if line[:1] == b"\0":
            line = line.lstrip(b"\0")  # the hole that a writer leaves which goes on behind a truncation
        line = line.removesuffix(b"\r")
        joins = self._joining is not None and self._joining.continues(line)
        if not (joins and len(self._lines) < _MAX_LINES and self._bytes < self._max_bytes):
            self._close(found)
        kept = _cut(line, max(0, self._max_bytes - self._bytes))
        self._lines.append(kept)
        self._bytes += len(kept) + 1
        self._size += size
        self._cut += cut + len(line) - len(kept)
        if self._joining is None or self._joining.alone:
            self._close(found)

    def _close(self, found: list[Record]) -> None:
        if not self._lines:
            return
        found.append(Record(b"\n".join(self._lines), self._size, self._cut))
        self._lines = []
        self._bytes = self._size = self._cut = 0


def _cut(line: bytes, limit: int) -> bytes:
    """At most `limit` bytes, not ending inside a UTF-8 character."""
    if len(line) <= limit:
        return line
    for end in range(limit, max(0, limit - 4), -1):
        if line[end] & 0xC0 != 0x80:
            return line[:end]
    return line[:limit]
