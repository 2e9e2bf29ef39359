"""`multipart/form-data` as a stream: bytes in, parts and their bytes out, with tight bounds (RFC 7578).

The scanning is done by `multipart`'s push parser; this module states the bounds, decodes file names the way Kubo's
clients encode them, and turns every fault into `MultipartFault`. Holds at most one header line and one chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus

import msgspec
from multipart import MultipartError, ParserLimitReached, PushMultipartParser

from dxops.base.errors import Refused

MAX_PARTS: Final = 200_000
MAX_BOUNDARY: Final = 200  # RFC 2046 allows 70; some clients use a little more
MAX_HEADER_BYTES: Final = 16_384  # a path of 4096 bytes, percent-encoded, fits
MAX_HEADERS: Final = 16
MAX_PREAMBLE_BYTES: Final = 65_536

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)
_TEXT = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class MultipartFault(Refused):
    """The body is not acceptable multipart: malformed, over a bound, or cut before its closing boundary."""

    default_code = "multipart"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a part. `filename` is decoded (percent signs and `+`), None when absent; `content_type` is
    lower-case without parameters, "" when absent; `headers` have lower-case names."""

    name: str
    filename: str | None
    content_type: str
    headers: dict[str, str]


class PartEnd(msgspec.Struct, frozen=True):
    """The part is complete."""


Event = Part | bytes | PartEnd


def boundary_of(content_type: str) -> str:
    """The boundary in a `Content-Type`. Raises `MultipartFault` unless it is multipart/form-data with a sane one."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise MultipartFault(
            f"expected multipart/form-data, got '{kind or 'nothing'}'", field="Content-Type", hint="send a form upload"
        )
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2] or "") if found else ""
    if not boundary:
        raise MultipartFault("Content-Type names no boundary", field="Content-Type")
    if len(boundary) > MAX_BOUNDARY or not _TEXT.fullmatch(boundary):
        raise MultipartFault(
            f"the boundary must be 1 to {MAX_BOUNDARY} printable ASCII characters", field="Content-Type"
        )
    return boundary


class MultipartReader:
    """Feed it a body's chunks; take events. `feed(b"")` is not an end: call `finish()` once the body is over.

    Every part gives `Part`, then zero or more non-empty `bytes`, then `PartEnd`. Raises `MultipartFault`.
    """

    def __init__(self, boundary: str, *, max_parts: int = MAX_PARTS) -> None:
        self._max_parts = max_parts
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=MAX_HEADER_BYTES,
            max_header_count=MAX_HEADERS,
            max_segment_count=max_parts,
        )
        self._started = False
        self._preamble = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes. Consume the iterator fully before the next call."""
        if not chunk:
            return
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    yield PartEnd()
                elif isinstance(event, bytes | bytearray):
                    yield bytes(event)
                else:
                    self._started = True
                    yield Part(
                        name=event.name or "",
                        filename=None if event.filename is None else _decode(event.filename),
                        content_type=event.content_type or "",
                        headers={name.lower(): value for name, value in event.headerlist},
                    )
        except ParserLimitReached as error:
            raise MultipartFault(
                f"{error}: at most {self._max_parts} parts, {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes each",
                code="multipart_bound",
            ) from error
        except MultipartError as error:
            raise MultipartFault(f"not valid multipart: {error}") from error
        if not self._started:
            self._preamble += len(chunk)
            if self._preamble > MAX_PREAMBLE_BYTES:
                raise MultipartFault(f"no part within the first {MAX_PREAMBLE_BYTES} bytes", code="multipart_bound")

    def finish(self) -> None:
        """The body is over. Raises `MultipartFault` when the closing boundary has not been seen."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise MultipartFault(
                "the upload was cut: its closing boundary is missing", code="upload_cut", hint="send it again"
            ) from error


def _decode(filename: str) -> str:
    """Kubo's clients escape file names like a query: `%20` or `+` for a space, `%2B` for a plus."""
    try:
        return unquote_plus(filename, errors="strict")
    except UnicodeDecodeError as error:
        raise MultipartFault(f"the file name '{filename[:200]}' is not UTF-8", field="filename") from error
