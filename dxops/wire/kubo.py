"""Kubo's RPC as text: query flags in, answer lines out (`/api/v0`, Kubo's RPC reference).

A flag that would change the answer and is not supported is refused by its name: another CID than the one asked for
is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import orjson

from dxops.base.errors import Forbidden, Missing, Refused, Unauthenticated, Unavailable

MAX_ARGS: Final = 1000

_TRUE = frozenset({"true", "1", "t", "", "yes"})
_FALSE = frozenset({"false", "0", "f", "no"})

# Accepted and without effect: output shape is fixed, or the client has acted on them already.
_COMMON: Final = frozenset(
    {"stream-channels", "encoding", "enc", "timeout", "offline", "quiet", "q", "quieter", "Q", "cid-base"}
    | {"upgrade-cidv0-in-output"}
)  # fmt: skip
_ADD_IGNORED: Final = frozenset(
    {"recursive", "r", "dereference-args", "dereference-symlinks", "stdin-name", "hidden", "H", "ignore"}
    | {"ignore-rules-path"}
    | {"pin-name", "fast-provide-root", "fast-provide-wait", "fast-provide-dag", "preload", "file-import-concurrency"}
    | {"block-write-concurrency"}
)  # fmt: skip
# What would give another DAG: acceptable only with the value that changes nothing.
_ADD_FIXED: Final[dict[str, frozenset[str]]] = {
    "hash": frozenset({"sha2-256"}),
    "trickle": _FALSE,
    "t": _FALSE,
    "inline": _FALSE,
    "nocopy": _FALSE,
    "fscache": _FALSE,
    "to-files": frozenset({""}),
    "preserve-mode": _FALSE,
    "preserve-mtime": _FALSE,
    "mode": frozenset({"", "0"}),
    "mtime": frozenset({"", "0"}),
    "mtime-nsecs": frozenset({"", "0"}),
    "max-file-links": frozenset({"174"}),
    "max-directory-links": frozenset({"0"}),
    "max-hamt-fanout": frozenset({"256"}),
    "empty-dirs": _TRUE,
    "include-empty-dirs": _TRUE,
}


class Query:
    """A call's query: repeated `arg`s in order, and flags (the last of each name wins)."""

    def __init__(self, query: str) -> None:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_ARGS)
        self.args = [value for name, value in pairs if name == "arg"]
        self.flags = {name: value for name, value in pairs if name != "arg"}

    def arg(self, what: str = "ipfs-path") -> str:
        """The one argument. Raises `Refused` in Kubo's words when it is absent."""
        if not self.args or not self.args[0]:
            raise Refused(f'argument "{what}" is required', field="arg")
        return self.args[0]

    def text(self, *names: str, default: str = "") -> str:
        """The first of the flag's spellings that is given."""
        return next((self.flags[name] for name in names if name in self.flags), default)

    def boolean(self, *names: str, default: bool = False) -> bool:
        """Raises `Refused` for anything that is neither true nor false."""
        for name in names:
            if name in self.flags:
                value = self.flags[name].lower()
                if value not in _TRUE and value not in _FALSE:
                    raise Refused(f"option '{name}' is '{self.flags[name]}', not true or false", field=name)
                return value in _TRUE
        return default

    def number(self, name: str, default: int | None = None) -> int | None:
        """Raises `Refused` for anything but a number of at least 0."""
        value = self.flags.get(name, "")
        if not value:
            return default
        if not (value.isascii() and value.isdigit()) or len(value) > 18:
            raise Refused(f"option '{name}' is '{value[:40]}', not a number of at least 0", field=name)
        return int(value)

    def check_cid_base(self) -> None:
        """CIDs are answered as base58 (v0) and base32 (v1). Raises `Refused` for another wish."""
        base = self.flags.get("cid-base", "")
        if base not in ("", "base32", "base58btc") or self.boolean("upgrade-cidv0-in-output"):
            name = "upgrade-cidv0-in-output" if self.boolean("upgrade-cidv0-in-output") else "cid-base"
            raise Refused(
                f"option '{name}' is not supported: answers are base58btc for v0 and base32 for v1", field=name
            )


class AddFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What `add` was asked for. `chunk_bytes` is None for the profile's own size."""

    cid_version: int
    raw_leaves: bool
    chunk_bytes: int | None
    wrap: bool
    only_hash: bool
    pin: bool
    progress: bool
    silent: bool


def add_flags(query: Query) -> AddFlags:
    """Kubo's defaults: v0, dag-pb leaves, 262144 bytes; `cid-version=1` makes raw leaves the default.

    Raises `Refused` naming the first flag that is unknown or asks for what is not supported.
    """
    known = {"cid-version", "raw-leaves", "chunker", "s", "wrap-with-directory", "w", "only-hash", "n"}
    known |= {"pin", "progress", "p", "silent", "inline-limit"} | _COMMON | _ADD_IGNORED
    for name, value in query.flags.items():
        fixed = _ADD_FIXED.get(name)
        if fixed is not None and value.lower() not in fixed:
            raise Refused(f"option '{name}={value[:60]}' is not supported", field=name, hint="leave it out")
        if fixed is None and name not in known:
            raise Refused(f"option '{name[:60]}' is not known to add", field=name[:60], hint="leave it out")
    query.check_cid_base()
    version = query.number("cid-version", 0)
    if version not in (0, 1):
        raise Refused(f"option 'cid-version' is {version}, not 0 or 1", field="cid-version")
    raw_leaves = query.boolean("raw-leaves", default=version == 1)
    return AddFlags(
        cid_version=1 if version == 1 else 0,
        raw_leaves=raw_leaves,
        chunk_bytes=_chunk_bytes(query.text("chunker", "s")),
        wrap=query.boolean("wrap-with-directory", "w"),
        only_hash=query.boolean("only-hash", "n"),
        pin=query.boolean("pin", default=True),
        progress=query.boolean("progress", "p"),
        silent=query.boolean("silent"),
    )


def _chunk_bytes(chunker: str) -> int | None:
    if chunker in ("", "default"):
        return None
    kind, _, size = chunker.partition("-")
    if kind != "size" or not (size.isascii() and size.isdigit()) or len(size) > 9:
        raise Refused(
            f"option 'chunker={chunker[:60]}' is not supported", field="chunker", hint="use size-262144 or size-1048576"
        )
    if not 1 <= int(size) <= 1_048_576:
        raise Refused("option 'chunker': the size must be 1 to 1048576", field="chunker")
    return int(size)


def line(value: Mapping[str, object]) -> bytes:
    """One line of an answer."""
    return orjson.dumps(value) + b"\n"


def lines(values: Iterable[Mapping[str, object]]) -> bytes:
    """Several lines."""
    return b"".join(map(line, values))


def error_body(error: Exception) -> tuple[int, bytes]:
    """(status, body) as Kubo's clients read it: 400 for malformed arguments, 403, else 500 "function failed"."""
    message = str(error) or type(error).__name__
    hint = getattr(error, "hint", None)
    status, code = 500, 0
    if isinstance(error, Unauthenticated):
        status = 401
    elif isinstance(error, Forbidden):
        status = 403
    elif isinstance(error, Unavailable):
        status = 503
    elif isinstance(error, Refused) and not isinstance(error, Missing):
        status, code = 400, 1
    if hint and status != 500:
        message = f"{message} ({hint})"
    return status, error_line(message, code)


def error_line(message: str, code: int = 0) -> bytes:
    """`{"Message","Code","Type":"error"}`: an error body, and the last line of a stream that failed."""
    return line({"Message": message, "Code": code, "Type": "error"})
