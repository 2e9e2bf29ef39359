"""The answer's exact bytes, and that every short cut gives what the long way gives."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.bulk import Bulk, parse_bulk
from dxops.wire.elastic.bulk_actions import Defaults
from dxops.wire.elastic.bulk_answer import Outcome, encode_answer
from dxops.wire.elastic.errors import illegal_argument, version_conflict
from dxops.wire.elastic.filter_path import read_filter_path

BEATS = "errors,items.*.error,items.*.status"
SPELLED = "errors," + ",".join(
    f"items.{op}.{f}" for f in ("error", "status") for op in ("index", "create", "update", "delete")
)


def batch(*heads: str) -> Bulk:
    lines = [f"{head}\n" + ("" if "delete" in head else '{"doc":{}}\n') for head in heads]
    return parse_bulk("".join(lines).encode(), Defaults(index="x"), now_ms=0)


def answer(bulk: Bulk, filter_path: str = "", **outcome: Any) -> bytes:
    values = {"ids": bulk.ids, "seq_nos": range(5, 5 + len(bulk)), "errors": bulk.errors} | outcome
    return encode_answer(bulk, Outcome(**values), took_ms=4, filter_path=filter_path)


def test_section_5_word_for_word() -> None:
    bulk = parse_bulk(
        b'{"create":{"_index":"x","_id":"a1"}}\n{}\n{"create":{"_index":"x","_id":"a2"}}\n{"a":1,"@timestamp":"?"}\n',
        now_ms=0,
    )
    assert answer(bulk).decode() == (
        '{"took":4,"errors":true,"items":['
        '{"create":{"_index":"x","_id":"a1","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0}'
        ',"_seq_no":5,"_primary_term":1,"status":201}},'
        '{"create":{"_index":"x","_id":"a2","status":400,"error":{"type":"document_parsing_exception",'
        '"reason":"[1:21] failed to parse field [@timestamp] of type [date]","caused_by":{"type":'
        '"illegal_argument_exception","reason":"failed to parse date field [?] with format '
        '[strict_date_optional_time||epoch_millis]"}}}}]}'
    )


def test_results_and_versions() -> None:
    bulk = batch('{"index":{"_id":"1"}}', '{"update":{"_id":"2"}}', '{"delete":{"_id":"3"}}', '{"delete":{"_id":"4"}}')
    items = orjson.loads(answer(bulk, results=["updated", "noop", "deleted", "not_found"], versions=[3, 2, 2, 1]))[
        "items"
    ]
    assert [[*item] for item in items] == [["index"], ["update"], ["delete"], ["delete"]]
    inner = [next(iter(item.values())) for item in items]
    assert [item["status"] for item in inner] == [200, 200, 200, 404]
    assert [item["_version"] for item in inner] == [3, 2, 2, 1]
    assert [item["_seq_no"] for item in inner] == [5, 6, 7, 8]
    assert "error" not in inner[3]


def test_a_failed_item_without_an_id_says_null() -> None:
    bulk = batch('{"index":{}}')
    item = orjson.loads(answer(bulk, errors={0: illegal_argument("no")}))["items"][0]["index"]
    assert item["_id"] is None
    assert [*item] == ["_index", "_id", "status", "error"]


@pytest.mark.parametrize("id_", ['a"b', "a\\b", "\u0001", "é", "\u2028", "😀"])
def test_ids_are_escaped(id_: str) -> None:
    bulk = batch(orjson.dumps({"index": {"_id": id_}}).decode())
    assert orjson.loads(answer(bulk))["items"][0]["index"]["_id"] == id_


OPS = ["index", "create", "delete", "update"]
heads = st.lists(
    st.tuples(st.sampled_from(OPS), st.sampled_from("xy"), st.text('a"é', min_size=1)),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(heads, st.sets(st.integers(0, 5)), st.sampled_from([BEATS, SPELLED, " " + BEATS + ","]))
def test_the_short_cut_for_beats_is_the_general_filter(
    ops: list[tuple[str, str, str]], failed: set[int], path: str
) -> None:
    bulk = batch(*[orjson.dumps({op: {"_index": index, "_id": id_}}).decode() for op, index, id_ in ops])
    errors = {place: version_conflict("x", "1", "document already exists") for place in failed if place < len(bulk)}
    whole = orjson.loads(answer(bulk, errors=errors))
    assert whole["errors"] is bool(errors)
    assert len(whole["items"]) == len(ops)
    assert all(len(item) == 1 for item in whole["items"])
    wanted = read_filter_path(BEATS)
    assert wanted is not None
    assert answer(bulk, path, errors=errors) == orjson.dumps(wanted.apply(whole))


def test_any_other_filter() -> None:
    bulk = batch('{"index":{"_id":"1"}}', '{"create":{"_id":"2"}}')
    assert answer(bulk, "took,items.index._id") == b'{"took":4,"items":[{"index":{"_id":"1"}}]}'
    assert answer(bulk, "-items") == b'{"took":4,"errors":false}'
    assert answer(bulk, "nothing") == b"{}"
    assert (
        answer(bulk, "errors,items.create.status,items.create.error")
        == b'{"errors":false,"items":[{"create":{"status":201}}]}'
    )
