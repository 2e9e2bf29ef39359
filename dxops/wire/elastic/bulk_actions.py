"""Bulk's action lines: `{"create":{"_index":"x","_id":"a1"}}` as interned `Action` and id.

A batch has few different actions once the id is taken out: equal ones become one object, so that whoever stores the
batch can group by identity. `_type` is ignored; null or empty `_id` means absent; a number as `_id` is its text.
"""

from __future__ import annotations

from typing import Any, Final, Literal, Never

import msgspec
import orjson

from dxops.wire.elastic.date_math import resolve_date_math
from dxops.wire.elastic.errors import ElasticRefused, Fault, illegal_argument, invalid_index_name
from dxops.wire.elastic.names import index_name_fault

Op = Literal["index", "create", "update", "delete"]

MAX_ACTION_BYTES: Final = 1 << 20
MAX_ID_BYTES: Final = 512

_OPS: Final[dict[str, Op]] = {"index": "index", "create": "create", "update": "update", "delete": "delete"}
_TEXTS = frozenset({"_index", "routing", "pipeline"})
_FLAGS = frozenset({"require_alias", "require_data_stream"})
_NUMBERS = frozenset({"if_seq_no", "if_primary_term", "retry_on_conflict"})
_IGNORED = frozenset({"_type", "list_executed_pipelines"})
_UNSUPPORTED = {
    "version": "external versions are not supported; use if_seq_no and if_primary_term",
    "version_type": "external versions are not supported; use if_seq_no and if_primary_term",
}
_MISSING_INDEX: Final = Fault(
    type="action_request_validation_exception", reason="Validation Failed: 1: index is missing;"
)


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL says for actions that say nothing: `/{index}/_bulk?pipeline=&routing=&require_alias=`."""

    index: str | None = None
    pipeline: str | None = None
    routing: str | None = None
    require_alias: bool = False
    require_data_stream: bool = False


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action without its id. `pipeline` is `_none` where even the index's own is not wanted.

    `source` is the JSON of what an update is to show of its document. `fault` is what is wrong with the index: it fails
    each item that has this action.
    """

    op: Op
    index: str
    routing: str | None = None
    pipeline: str | None = None
    require_alias: bool = False
    require_data_stream: bool = False
    dynamic_templates: tuple[tuple[str, str], ...] = ()
    if_seq_no: int | None = None
    if_primary_term: int | None = None
    retry_on_conflict: int | None = None
    source: str | None = None
    fault: Fault | None = None


class ActionReader:
    """Reads the action lines of one request."""

    def __init__(self, defaults: Defaults, now_ms: int) -> None:
        self._defaults = defaults
        self._now_ms = now_ms
        self._plain: dict[tuple[str, str], Action] = {}
        self._other: dict[bytes, Action] = {}

    def read(self, line: bytes, number: int) -> tuple[Action, str | None]:
        """(action, id or None). `number` is the 1-based line. Raises `ElasticRefused`: the whole body is refused."""
        try:
            ((op, meta),) = orjson.loads(line).items()
            id_ = meta.pop("_id", None)
            if len(meta) == 1:
                found = self._plain.get((op, meta["_index"]))
                if found is not None and type(id_) is str:
                    return found, id_ or None
        except (ValueError, AttributeError, KeyError, TypeError):
            return self._refuse(line, number)
        if len(line) > MAX_ACTION_BYTES:
            _malformed(number, f"it is longer than {MAX_ACTION_BYTES} bytes")
        action = self._intern(op, meta, number)
        return action, _id_text(id_, number)

    def _intern(self, op: str, meta: dict[str, Any], number: int) -> Action:
        try:
            key = orjson.dumps([op, meta], option=orjson.OPT_SORT_KEYS)
        except TypeError:  # nested too deep to be written, so not something that is accepted
            return self._make(op, meta, number)
        action = self._other.get(key)
        if action is None:
            action = self._other[key] = self._make(op, meta, number)
            if meta.keys() == {"_index"} and type(meta["_index"]) is str:
                self._plain[op, meta["_index"]] = action
        return action

    def _make(self, op: str, meta: dict[str, Any], number: int) -> Action:
        if op not in _OPS:
            _malformed(number, f"expected 'create', 'delete', 'index' or 'update' but found [{op[:100]}]")
        fields = {name: _checked(name, value, number) for name, value in meta.items() if name not in _IGNORED}
        given = {name.lstrip("_"): value for name, value in fields.items() if value is not None}
        for name in ("index", "pipeline", "routing"):
            default = getattr(self._defaults, name)
            if default is not None:
                given.setdefault(name, default)
        for name in _FLAGS:
            given.setdefault(name, getattr(self._defaults, name))
        if not given.get("index"):
            raise ElasticRefused(_MISSING_INDEX)
        index, fault = self._index(given.pop("index"))
        return Action(op=_OPS[op], index=index, fault=fault, **given)

    def _index(self, name: str) -> tuple[str, Fault | None]:
        if name.startswith("<"):
            try:
                name = resolve_date_math(name, self._now_ms)
            except ElasticRefused as error:
                return name, error.fault
        why = index_name_fault(name)
        return name, None if why is None else invalid_index_name(name, why)

    def _refuse(self, line: bytes, number: int) -> tuple[Action, str | None]:
        """The reason why a line is no action; reads it again, unhurried. Actions without `_id` and `_index` pass."""
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            _malformed(number, f"not JSON at column {error.colno}: {error.msg}")
        if not isinstance(value, dict):
            _malformed(number, f"expected START_OBJECT but found [{_token(value)}]")
        for name in [name for name, each in value.items() if name not in _OPS and not isinstance(each, dict | list)]:
            if len(value) > 1:
                del value[name]  # winston-elasticsearch notes its attempts there; the original passes over it up to 8
        if len(value) != 1:
            found = "END_OBJECT" if not value else "FIELD_NAME"
            _malformed(number, f"expected exactly one of 'create', 'delete', 'index' or 'update' but found [{found}]")
        ((op, meta),) = value.items()
        if not isinstance(meta, dict):
            if op in _OPS:
                _malformed(number, f"expected START_OBJECT but found [{_token(meta)}]")
            _malformed(number, f"expected 'create', 'delete', 'index' or 'update' but found [{op[:100]}]")
        id_ = meta.pop("_id", None)
        return self._intern(op, meta, number), _id_text(id_, number)


def _checked(name: str, value: Any, number: int) -> Any:
    """The field's value, None if it is null (which counts as absent)."""
    if value is None:
        return None
    if name in _TEXTS:
        if isinstance(value, str):
            return value
        if name == "routing" and isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    elif name in _FLAGS:
        if isinstance(value, bool) or value in ("true", "false"):
            return value is True or value == "true"
    elif name in _NUMBERS:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    elif name == "_source":
        if isinstance(value, bool | str | list | dict):
            return orjson.dumps(value).decode()
    elif name == "dynamic_templates":
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return tuple(value.items())
    elif name in _UNSUPPORTED:
        _bad(f"Action/metadata line [{number}] contains the parameter [{name}]: {_UNSUPPORTED[name]}")
    else:
        _bad(f"Action/metadata line [{number}] contains an unknown parameter [{name[:100]}]")
    _malformed(number, f"[{name}] has a value of the wrong type [{_token(value)}]")


def _id_text(id_: object, number: int) -> str | None:
    if id_ is None or id_ == "":
        return None
    if isinstance(id_, str):
        return id_
    if isinstance(id_, int | float) and not isinstance(id_, bool):
        return str(id_)
    _malformed(number, f"[_id] has a value of the wrong type [{_token(id_)}]")


def _token(value: object) -> str:
    names = {"list": "START_ARRAY", "dict": "START_OBJECT", "str": "VALUE_STRING", "NoneType": "VALUE_NULL"}
    return names.get(type(value).__name__, "VALUE_BOOLEAN" if isinstance(value, bool) else "VALUE_NUMBER")


def _malformed(number: int, why: str) -> Never:
    _bad(f"Malformed action/metadata line [{number}], {why}")


def _bad(reason: str) -> Never:
    raise ElasticRefused(illegal_argument(reason))
