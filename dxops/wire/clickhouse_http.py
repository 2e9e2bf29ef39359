"""The HTTP interface of ClickHouse, as values: what a request asks for, and how answers and errors look.

Source: ClickHouse manual, "HTTP interface", and what `clickhouse-connect` 1.12 sends. Bodies are not read here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec

RESERVED = frozenset({
    "query", "database", "query_id", "default_format", "user", "password", "compress", "decompress",
    "enable_http_compression", "buffer_size", "wait_end_of_query", "role", "quota_key", "stacktrace",
    "client_protocol_version", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
    "http_zlib_compression_level", "cancel_http_readonly_queries_on_client_close", "close_session",
    "http_write_exception_in_output_format", "session_id", "session_timeout", "session_check",
})  # fmt: skip
"""URL keys with a meaning of their own. `param_*` are query parameters; every other key is a setting."""


class BadRequest(Exception):
    """The request itself is malformed; `code` is ClickHouse's."""

    def __init__(self, message: str, code: int = 36) -> None:
        super().__init__(message)
        self.code = code


class Credential(msgspec.Struct, frozen=True):
    """Who a request says that it is. The user is `default` where it names none."""

    user: str
    password: str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL and the headers of a request say. `query` is SQL in the URL; the body's SQL or data follows it.

    `params` and `settings` have their values as sent: ClickHouse parses both by their types.
    """

    query: bytes | None = None
    database: str | None = None
    query_id: str | None = None
    default_format: str | None = None
    settings: Mapping[str, str] = {}
    params: Mapping[str, str] = {}
    credential: Credential | None = None
    compress_answers: bool = False
    whole: bool = False  # `wait_end_of_query=1`: nothing is sent before the answer is complete
    native_compression: bool = False  # `compress=1`, `decompress=1`: ClickHouse's own block compression


def parse_call(query_string: bytes, headers: Mapping[str, str]) -> Call:
    """Read a request's head. `headers` has names in lower case. Raises `BadRequest`.

    A key that comes twice is refused: which one counts would be a guess.
    """
    fields: dict[str, bytes] = {}
    for pair in query_string.split(b"&"):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if not name:
            continue
        key = _text(unquote_to_bytes(name), "a key of the URL")
        if key in fields:
            raise BadRequest(f"'{key}' comes twice in the URL")
        fields[key] = unquote_to_bytes(value)
    query = fields.pop("query", None)
    texts = {key: _text(value, f"'{key}'") for key, value in fields.items()}
    return Call(
        query=query or None,
        database=texts.get("database") or headers.get("x-clickhouse-database") or None,
        query_id=texts.get("query_id") or headers.get("x-clickhouse-query-id") or None,
        default_format=texts.get("default_format") or headers.get("x-clickhouse-format") or None,
        settings={key: value for key, value in texts.items() if key not in RESERVED and not key.startswith("param_")},
        params={key[6:]: value for key, value in texts.items() if key.startswith("param_")},
        credential=_credential(texts, headers),
        compress_answers=texts.get("enable_http_compression", "0") in ("1", "true"),
        whole=texts.get("wait_end_of_query", "0") == "1",
        native_compression=texts.get("compress", "0") == "1" or texts.get("decompress", "0") == "1",
    )


def _text(value: bytes, what: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{what} is not UTF-8") from None


def _credential(texts: Mapping[str, str], headers: Mapping[str, str]) -> Credential | None:
    """From one place only, as ClickHouse insists: `X-ClickHouse-User` and `-Key`, Basic, or the URL."""
    found = []
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        found.append(Credential(headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")))
    if "authorization" in headers:
        scheme, _, rest = headers["authorization"].partition(" ")
        if scheme.lower() != "basic":
            raise BadRequest("only Basic authorization is known", 516)
        try:
            user, _, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise BadRequest("the Authorization header is malformed", 516) from None
        found.append(Credential(user or "default", password))
    if "user" in texts or "password" in texts:
        found.append(Credential(texts.get("user", "default"), texts.get("password", "")))
    if len(found) > 1:
        raise BadRequest("credentials come from several places; use one of headers, Basic and the URL", 516)
    return found[0] if found else None


ENCODINGS = ("zstd", "lz4", "gzip", "deflate")
"""Content encodings of bodies and answers, best first."""


def accepted_encoding(header: str) -> str | None:
    """The best of `ENCODINGS` that an Accept-Encoding header allows, None for identity."""
    offered = {}
    for part in header.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        match = re.search(r"q\s*=\s*([0-9.]+)", parameters)
        offered[name.strip()] = not match or float("0" + match[1].rstrip(".")) > 0
    return next((name for name in ENCODINGS if offered.get(name)), None)


_CODES = {
    401: (194,),  # REQUIRED_PASSWORD
    403: (192, 193, 516),  # UNKNOWN_USER, WRONG_PASSWORD, AUTHENTICATION_FAILED
    # what the caller wrote: parse errors, bad arguments, types, syntax, read-only
    400: (6, 26, 27, 36, 38, 41, 42, 43, 44, 53, 62, 69, 70, 72, 85, 117, 130, 131, 164, 376, 427, 456, 457, 636),
    404: (46, 47, 50, 56, 60, 73, 75, 81, 115, 139, 169, 336),  # UNKNOWN_*
    408: (159,),  # TIMEOUT_EXCEEDED
    413: (307,),  # TOO_MANY_BYTES
    501: (48,),  # NOT_IMPLEMENTED
    503: (202, 241, 439),  # TOO_MANY_SIMULTANEOUS_QUERIES, MEMORY_LIMIT_EXCEEDED, CANNOT_SCHEDULE_TASK
}
_STATUS = {code: status for status, codes in _CODES.items() for code in codes}


def status_of(code: int) -> int:
    """The HTTP status that goes with an error code of ClickHouse."""
    return _STATUS.get(code, 500)


_CODE = re.compile(r"Code: (\d+)\.")


def code_of(text: str) -> int:
    """The code in an error text, 1002 (UNKNOWN_EXCEPTION) where there is none."""
    match = _CODE.search(text)
    return int(match[1]) if match else 1002


def error_text(code: int, message: str, name: str) -> str:
    """An error as ClickHouse words it."""
    return f"Code: {code}. DB::Exception: {message}. ({name})"


def summary(**numbers: int) -> str:
    """The value of X-ClickHouse-Summary: numbers as strings, absent ones 0."""
    names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read", "result_rows",
             "result_bytes", "elapsed_ns")  # fmt: skip
    return json.dumps({name: str(numbers.get(name, 0)) for name in names}, separators=(",", ":"))


def exception_trailer(tag: str, text: str) -> bytes:
    """What ends an answer that failed half way, for a client that was told `tag` in X-ClickHouse-Exception-Tag."""
    message = text.encode()
    return b"__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (
        tag.encode(), message, len(message) + 1, tag.encode()
    )  # fmt: skip


_HEADER_LINES = {
    "CSVWithNames": 1, "CSVWithNamesAndTypes": 2, "TabSeparatedWithNames": 1, "TabSeparatedWithNamesAndTypes": 2,
    "TSVWithNames": 1, "TSVWithNamesAndTypes": 2, "JSONCompactEachRowWithNames": 1,
    "JSONCompactEachRowWithNamesAndTypes": 2, "JSONCompactStringsEachRowWithNames": 1,
    "JSONCompactStringsEachRowWithNamesAndTypes": 2, "TabSeparatedRawWithNames": 1,
    "TabSeparatedRawWithNamesAndTypes": 2, "TSVRawWithNames": 1, "TSVRawWithNamesAndTypes": 2,
}  # fmt: skip
_PLAIN = frozenset({
    "Native", "RowBinary", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONEachRow", "JSONLines",
    "NDJSON", "JSONCompactEachRow", "JSONStringsEachRow", "JSONCompactStringsEachRow", "TSKV", "LineAsString",
    "RawBLOB", "MsgPack",
})  # fmt: skip
_BINARY_HEADER = ("RowBinaryWithNames", "RowBinaryWithNamesAndTypes")


def is_streamable(output_format: str) -> bool:
    """Whether an answer in this format can be put together from answers to parts of it (`without_header`)."""
    return output_format in _PLAIN or output_format in _HEADER_LINES or output_format in _BINARY_HEADER


def header_size(output_format: str, answer: bytes) -> int:
    """The length of what an answer in a streamable format begins with before its first row. Every later part of the
    same answer begins with the same bytes, which have to go."""
    if output_format in _BINARY_HEADER:
        return _binary_header_size(answer, types=output_format.endswith("Types"))
    end = 0
    quote = b'"' if output_format.startswith(("CSV", "JSON")) else None
    for _ in range(_HEADER_LINES.get(output_format, 0)):
        end = answer.index(b"\n", end) + 1
        while quote and _open_quote(answer[:end], json_quotes=output_format.startswith("JSON")):
            end = answer.index(b"\n", end) + 1
    return end


def _open_quote(text: bytes, *, json_quotes: bool) -> bool:
    if json_quotes:
        return False  # JSON escapes line ends inside texts
    return text.count(b'"') % 2 == 1


def _binary_header_size(answer: bytes, *, types: bool) -> int:
    columns, at = _varint(answer, 0)
    for _ in range(columns * (2 if types else 1)):
        size, at = _varint(answer, at)
        at += size
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


_TEXT = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"})


def parameter(value: object) -> str:
    """A value as a `param_*` field has it: escaped as in TSV, literals inside arrays and maps. Raises TypeError for
    what has no form."""
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(_TEXT)
    return _literal(value)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.translate(_TEXT).replace("'", "\\'") + "'"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_literal, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_literal(key)}:{_literal(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"{type(value).__name__} is no value of a query parameter")
