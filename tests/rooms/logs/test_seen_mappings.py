"""Mappings from the fields that were seen."""

from __future__ import annotations

import time

from dxops.rooms.logs.elastic.seen_mappings import mappings_from
from dxops.rooms.logs.streams import StreamField


def test_each_stream_has_its_own_fields_in_the_words_that_were_put() -> None:
    fields = [
        StreamField("@timestamp", "date", ("a", "b")),
        StreamField("http.status", "double", ("a",)),
        StreamField("http", "keyword", ("b",)),
        StreamField("http.status", "double", ("b", "gone")),
    ]
    declared = {
        "a": {"dynamic": True, "properties": {"http": {"properties": {"status": {"type": "long"}}}}},
        "b": {},
        "c": {},
    }
    found = mappings_from(fields, declared)
    assert found["a"]["properties"]["http"] == {"properties": {"status": {"type": "long"}}}
    assert found["a"]["dynamic"] is True
    assert found["b"]["properties"]["http"] == {"type": "keyword"}
    assert found["b"]["properties"]["http.status"] == {"type": "double"}
    assert found["c"] == {}


def test_a_thousand_streams_of_many_fields_take_no_time() -> None:
    streams = tuple(f"s{n}" for n in range(1_000))
    fields = [StreamField(f"f{n}", "keyword", streams) for n in range(500)]
    began = time.thread_time()
    found = mappings_from(fields, {name: {} for name in streams})
    assert len(found["s999"]["properties"]) == 500
    assert time.thread_time() - began < 3
