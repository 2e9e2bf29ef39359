"""Elasticsearch's errors as values, and their JSON.

    {"error":{"root_cause":[{"type":T,"reason":R}],"type":T,"reason":R},"status":N}

A `Fault` is an error that may stand for one item or for the whole request; `ElasticRefused` carries one out of a codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import orjson

from dxops.base.errors import (
    Conflict,
    DxopsError,
    Forbidden,
    Missing,
    Refused,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

REASON_CHARS: Final = 4000  # a reason quotes input; the answer must stay smaller than what it answers


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One error. `extra` are its further fields (`index`, `line`, `header`…) in the order in which they are answered.

    `root` is the error at the bottom where that is another one; `caused_by` the error that led to this one.
    """

    type: str
    reason: str
    status: int = 400
    extra: Mapping[str, object] = {}
    caused_by: Fault | None = None
    root: Fault | None = None

    def cause(self) -> dict[str, object]:
        """`{"type", "reason", …, "caused_by"}`: what stands in a bulk item's `error`."""
        value: dict[str, object] = {"type": self.type, "reason": self.reason[:REASON_CHARS], **self.extra}
        if self.caused_by is not None:
            value["caused_by"] = self.caused_by.cause()
        return value

    def to_value(self) -> dict[str, object]:
        """The whole answer, as a value."""
        root = (self.root or self).cause()
        root.pop("caused_by", None)
        return {"error": {"root_cause": [root], **self.cause()}, "status": self.status}

    def to_json(self) -> bytes:
        """The whole answer, without whitespace."""
        return dumps(self.to_value())


class ElasticRefused(Refused):
    """A `Fault` for the whole request; its status is the fault's, not always 400."""

    default_code = "elastic"

    def __init__(self, fault: Fault, *, hint: str | None = None) -> None:
        super().__init__(fault.reason, code=fault.type, hint=hint)
        self.fault = fault


def dumps(value: object) -> bytes:
    """JSON of a value that may hold lone surrogates, which become `?`, or integers beyond 64 bits.

    Raises `ElasticRefused` for one that is nested too deep to be written (at least 250 levels always can be).
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        try:
            return msgspec.json.encode(_plain(value))
        except RecursionError:
            raise ElasticRefused(illegal_argument("a value is nested too deep to be written")) from None


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def illegal_argument(reason: str) -> Fault:
    """The request asks for what cannot be."""
    return Fault(type="illegal_argument_exception", reason=reason)


def parse_exception(reason: str) -> Fault:
    """The body is absent or is not what the endpoint reads."""
    return Fault(type="parse_exception", reason=reason)


def parsing_exception(reason: str, line: int, column: int) -> Fault:
    """A query body that is JSON but not a query; positions are 1-based."""
    return Fault(type="parsing_exception", reason=reason, extra={"line": line, "col": column})


def x_content(reason: str, line: int, column: int) -> Fault:
    """A body that is not JSON, or has a wrong type at a position; both 1-based."""
    return Fault(type="x_content_parse_exception", reason=f"[{line}:{column}] {reason}")


def index_not_found(name: str) -> Fault:
    """No index, alias or data stream of that name."""
    extra = {"resource.type": "index_or_alias", "resource.id": name, "index_uuid": "_na_", "index": name}
    return Fault(type="index_not_found_exception", reason=f"no such index [{name}]", status=404, extra=extra)


def invalid_index_name(name: str, why: str) -> Fault:
    """`why` begins with a lower-case word: "must be lowercase"."""
    extra = {"index_uuid": "_na_", "index": name}
    return Fault(type="invalid_index_name_exception", reason=f"Invalid index name [{name}], {why}", extra=extra)


def index_exists(name: str, uuid: str) -> Fault:
    """The answer to creating an index (or a write index of an alias) twice; Beats expect it."""
    extra = {"index_uuid": uuid, "index": name}
    reason = f"index [{name}/{uuid}] already exists"
    return Fault(type="resource_already_exists_exception", reason=reason, extra=extra)


def resource_not_found(reason: str) -> Fault:
    """A template, policy, pipeline or context that is not there."""
    return Fault(type="resource_not_found_exception", reason=reason, status=404)


def document_missing(index: str, id_: str) -> Fault:
    """An update of a document that is not there."""
    extra = {"index_uuid": "_na_", "shard": "0", "index": index}
    return Fault(type="document_missing_exception", reason=f"[{id_}]: document missing", status=404, extra=extra)


def version_conflict(index: str, id_: str, why: str) -> Fault:
    """`why`: "document already exists (current version [1])", "required seqNo [3], primary term [1]. current …"."""
    reason = f"[{id_}]: version conflict, {why}"
    extra = {"index_uuid": "_na_", "shard": "0", "index": index}
    return Fault(type="version_conflict_engine_exception", reason=reason, status=409, extra=extra)


def rejected_execution(reason: str) -> Fault:
    """Back-pressure: nothing of the request (or of the item) was kept; try again."""
    return Fault(type="es_rejected_execution_exception", reason=reason, status=429)


def security(reason: str, *, status: int) -> Fault:
    """401 names how to authenticate, as clients expect; 403 does not."""
    challenge = ['Basic realm="security", charset="UTF-8"', "ApiKey"]
    extra = {"header": {"WWW-Authenticate": challenge}} if status == 401 else {}
    return Fault(type="security_exception", reason=reason, status=status, extra=extra)


def too_large(limit_bytes: int, what: str = "the request body") -> Fault:
    """413: says the limit."""
    reason = f"{what} is larger than the limit of {limit_bytes} bytes"
    return Fault(type="content_too_long_exception", reason=reason, status=413)


_TYPES: Final[tuple[tuple[type[DxopsError], str, int], ...]] = (
    (Unauthenticated, "security_exception", 401),
    (Forbidden, "security_exception", 403),
    (TooLarge, "content_too_long_exception", 413),
    (Throttled, "es_rejected_execution_exception", 429),
    (Missing, "resource_not_found_exception", 404),
    (Conflict, "version_conflict_engine_exception", 409),
    (Unavailable, "cluster_block_exception", 503),
    (Refused, "illegal_argument_exception", 400),
)


def fault_of(error: Exception) -> Fault:
    """Any error of the one tree in Elasticsearch's words; what is not of the tree says nothing of itself (500)."""
    if isinstance(error, ElasticRefused):
        return error.fault
    if not isinstance(error, DxopsError):
        return Fault(type="exception", reason="internal error; the log has it", status=500)
    reason = f"{error.message} ({error.hint})" if error.hint else error.message
    for kind, name, status in _TYPES:
        if isinstance(error, kind):
            return (
                security(reason, status=status)
                if "security" in name
                else Fault(type=name, reason=reason, status=status)
            )
    return Fault(type="exception", reason=reason, status=500)
