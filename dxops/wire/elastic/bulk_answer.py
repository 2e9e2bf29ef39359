"""The answer to `_bulk`: one item per operation in the body's order, no whitespace, `errors` right before `items`.

{"took":4,"errors":false,"items":[{"create":{"_index":"x","_id":"a1",…,"status":201}}]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Final, Literal

import msgspec
import orjson

from dxops.wire.elastic.bulk import Bulk
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.documents import read_document
from dxops.wire.elastic.errors import Fault, dumps
from dxops.wire.elastic.filter_path import read_filter_path
from dxops.wire.es.fields import SourceFilter, filter_source

Result = Literal["created", "updated", "deleted", "noop", "not_found"]

_STATUS: Final[dict[Result, int]] = {"created": 201, "updated": 200, "deleted": 200, "noop": 200, "not_found": 404}
_SHARDS: Final = '"_shards":{"total":1,"successful":1,"failed":0}'
_NO_SHARDS: Final = '"_shards":{"total":0,"successful":0,"failed":0}'
NO_VERSION: Final = -3
"""What the original answers as the version of a document that a pipeline dropped."""
_OPS: Final = ("index", "create", "update", "delete")
_USUAL: Final = frozenset({"error", "status"})


class Outcome(msgspec.Struct, kw_only=True):
    """What became of each operation. Columns are as long as the batch; a failed item's entries are not looked at.

    `results` None: each was created. `versions` None: each is version 1. `errors` are all failed items, the codec's
    own (`Bulk.errors`) included. `got`: for updates that ask for it, what to show and the whole document.
    """

    ids: Sequence[str | None]
    seq_nos: Sequence[int]
    results: Sequence[Result] | None = None
    versions: Sequence[int] | None = None
    errors: Mapping[int, Fault]
    got: Mapping[int, tuple[SourceFilter, bytes]] = {}


def encode_answer(bulk: Bulk, outcome: Outcome, *, took_ms: int, filter_path: str = "") -> bytes:
    """The body of the 200 answer. Raises `ElasticRefused` only for an absurd `filter_path`."""
    fields = _item_fields(filter_path)
    if fields is None:
        whole = encode_answer(bulk, outcome, took_ms=took_ms)
        wanted = read_filter_path(filter_path)
        return whole if wanted is None else orjson.dumps(wanted.apply(orjson.loads(whole)))
    errors = b"true" if outcome.errors else b"false"
    if fields:
        return b'{"errors":%b,"items":[%b]}' % (errors, _short_items(bulk, outcome).encode())
    items = _whole_items(bulk, outcome)
    return b'{"took":%d,"errors":%b,"items":[%b]}' % (took_ms, errors, items.encode())


@lru_cache(maxsize=256)
def _item_fields(filter_path: str) -> frozenset[str] | None:
    """Nothing for no filter, `{error, status}` for what Beats ask in any spelling, None for any other filter."""
    if not filter_path:
        return frozenset()
    asked = {part.strip() for part in filter_path.split(",")} - {""}
    usual = {f"items.*.{field}" for field in _USUAL}
    spelled = {f"items.{op}.{field}" for op in _OPS for field in _USUAL}
    if "errors" not in asked or not asked <= {"errors"} | usual | spelled:
        return None
    return _USUAL if usual <= asked or spelled <= asked else None


def _whole_items(bulk: Bulk, outcome: Outcome) -> str:
    ids = outcome.ids
    if bulk.has_ids:
        plain = all(map(_needs_no_escape, ids))
        quoted: Sequence[str | None] = ids if plain else [None if id_ is None else _inside(id_) for id_ in ids]
    else:
        quoted = ids
    if bulk.uniform is not None and outcome.results is None and outcome.versions is None and not outcome.errors:
        before, middle, after = _frame(bulk.uniform, "created", 1)
        return ",".join(
            [f"{before}{id_}{middle}{seq}{after}" for id_, seq in zip(quoted, outcome.seq_nos, strict=True)]
        )
    frames: dict[tuple[int, Result, int], tuple[str, str, str]] = {}
    items: list[str] = []
    results: Sequence[Result] | repeat[Result] = outcome.results or repeat("created")
    versions: Sequence[int] | repeat[int] = outcome.versions or repeat(1)
    columns = zip(bulk.actions, quoted, outcome.seq_nos, results, versions, strict=False)
    for place, (action, id_, seq, result, version) in enumerate(columns):
        fault = outcome.errors.get(place)
        if fault is not None:
            items.append(_failed(action, id_, fault))
            continue
        if version == NO_VERSION:
            items.append(_dropped(action, id_))
            continue
        key = (id(action), result, version)
        frame = frames.get(key)
        if frame is None:
            frame = frames[key] = _frame(action, result, version)
        got = _got(outcome.got[place], seq) if place in outcome.got else ""
        items.append(f"{frame[0]}{id_}{frame[1]}{seq}{got}{frame[2]}")
    return ",".join(items)


def _dropped(action: Action, id_: str | None) -> str:
    """As the original says it; an id that was to be made never was."""
    return (
        f'{{"{action.op}":{{"_index":"{_inside(action.index)}","_id":"{"auto-generated" if id_ is None else id_}",'
        f'"_version":{NO_VERSION},"result":"noop",{_NO_SHARDS},"status":200}}}}'
    )


def _got(got: tuple[SourceFilter, bytes], seq: int) -> str:
    wanted, document = got
    if wanted.includes or wanted.excludes:
        document = dumps(filter_source(read_document(document), wanted))
    return f',"get":{{"_seq_no":{seq},"_primary_term":1,"found":true,"_source":{document.decode()}}}'


def _frame(action: Action, result: Result, version: int) -> tuple[str, str, str]:
    """The item's text before the id, between id and sequence number, and after it."""
    before = f'{{"{action.op}":{{"_index":"{_inside(action.index)}","_id":"'
    shards = _NO_SHARDS if result == "noop" else _SHARDS
    middle = f'","_version":{version},"result":"{result}",{shards},"_seq_no":'
    return before, middle, f',"_primary_term":1,"status":{_STATUS[result]}}}}}'


def _failed(action: Action, id_: str | None, fault: Fault) -> str:
    text = "null" if id_ is None else f'"{id_}"'
    cause = dumps(fault.cause()).decode()
    return (
        f'{{"{action.op}":{{"_index":"{_inside(action.index)}","_id":{text},"status":{fault.status},"error":{cause}}}}}'
    )


def _short_items(bulk: Bulk, outcome: Outcome) -> str:
    """Items of `{"status"}` alone, or of status and error."""
    if bulk.uniform is not None and outcome.results is None and not outcome.errors:
        item = f'{{"{bulk.uniform.op}":{{"status":201}}}}'
        return ",".join([item] * len(bulk))
    if outcome.results is None and not outcome.errors:
        by_id = {id(action): f'{{"{action.op}":{{"status":201}}}}' for action in bulk.distinct()}
        return ",".join(map(by_id.__getitem__, map(id, bulk.actions)))
    items: list[str] = []
    results: Sequence[Result] | repeat[Result] = outcome.results or repeat("created")
    for place, (action, result) in enumerate(zip(bulk.actions, results, strict=False)):
        fault = outcome.errors.get(place)
        if fault is None:
            items.append(f'{{"{action.op}":{{"status":{_STATUS[result]}}}}}')
        else:
            cause = dumps(fault.cause()).decode()
            items.append(f'{{"{action.op}":{{"status":{fault.status},"error":{cause}}}}}')
    return ",".join(items)


def _needs_no_escape(id_: str | None) -> bool:
    return id_ is None or (id_.isprintable() and '"' not in id_ and "\\" not in id_)


def _inside(text: str) -> str:
    """The text as it stands between the quotes of a JSON string."""
    return dumps(text)[1:-1].decode()
