"""A refusal in Elasticsearch's shape.

    {"error": {"root_cause": [{"type": T, "reason": R, "line": L, "col": C}], "type": T, "reason": R, ...}, "status": N}

The codecs read JSON that is already decoded, so an error names the `key` it is about, and `error_body` finds its line
and column in the request's text when that is at hand.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dxops.base.errors import Refused

PARSING: Final = "parsing_exception"
ILLEGAL: Final = "illegal_argument_exception"


class EsError(Refused):
    """`type` and `reason` as clients show them; `key` is the JSON key at fault, or "" where none is."""

    def __init__(self, type_: str, reason: str, *, status: int = 400, key: str = "", hint: str | None = None) -> None:
        super().__init__(reason, code=type_, hint=hint, field=key or None)
        self.type = type_
        self.reason = reason
        self.status = status
        self.key = key


def unknown_option(kind: str, key: str) -> EsError:
    """An option that the query, aggregation or request `kind` does not have."""
    return EsError(PARSING, f"[{kind}] does not support [{key}]", key=key)


def unsupported(what: str, why: str, key: str = "") -> EsError:
    """Something that Elasticsearch has and dxops has not."""
    return EsError(ILLEGAL, f"{what} is not supported: {why}", key=key)


def error_body(error: EsError, source: bytes | str = b"") -> dict[str, Any]:
    """The JSON answer. `source` is the request's body; with it, line and column (from 1) are given where known."""
    cause: dict[str, Any] = {"type": error.type, "reason": error.reason}
    place = locate(error.key, source) if error.key else None
    if place is not None:
        cause["line"], cause["col"] = place
    return {"error": {"root_cause": [cause], **cause}, "status": error.status}


def locate(key: str, source: bytes | str) -> tuple[int, int] | None:
    """Line and column of the first object key `key`, or None."""
    text = source.decode("utf-8", "replace") if isinstance(source, bytes) else source
    found = re.search(rf'"{re.escape(key)}"\s*:', text)
    if found is None:
        return None
    start = found.start()
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
