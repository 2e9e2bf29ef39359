"""Bytes into records, however they are cut into reads."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dxops.wire.logs.splitting import Record, Splitter, Starts, Traces

TRACE = b"""plain
Traceback (most recent call last):
  File "x.py", line 1
ValueError: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "y.py", line 2
KeyError
next line
{"a": 1}
  indented after JSON stands alone
java.lang.Exception: x
\tat a.b(C.java:1)
Caused by: y
\tat d
last
"""


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


def split(splitter: Splitter, parts: list[bytes]) -> list[Record]:
    found = [record for part in parts for record in splitter.feed(part)]
    return found + splitter.end()


def test_tracebacks_are_one_record() -> None:
    texts = [record.text for record in split(Splitter(Traces()), [TRACE])]
    assert [text.split(b"\n")[0] for text in texts] == [
        b"plain",
        b"next line",
        b'{"a": 1}',
        b"  indented after JSON stands alone",
        b"java.lang.Exception: x",
        b"last",
    ]
    assert texts[0].endswith(b"KeyError")
    assert texts[4].endswith(b"\tat d")


def test_a_pattern_says_where_records_begin() -> None:
    splitter = Splitter(Starts(re.compile(rb"^\d")))
    found = split(splitter, [b"1 a\n b\nc\n2 d\n3"])
    assert [record.text for record in found] == [b"1 a\n b\nc", b"2 d", b"3"]


def test_huge_lines_are_cut_between_characters_and_told() -> None:
    line = "é".encode() * 30
    found = split(Splitter(max_bytes=25), [line[:20], line[20:] + b"\nshort\n"])
    assert [(record.text, record.cut_bytes) for record in found] == [("é".encode() * 12, 36), (b"short", 0)]


def test_the_hole_of_a_truncated_file_is_skipped() -> None:
    for parts in ([b"\0" * 100 + b"a\nb\n"], [b"\0" * 60, b"\0" * 40 + b"a", b"\nb\n"]):
        found = split(Splitter(max_bytes=50), parts)
        assert [record.text for record in found] == [b"a", b"b"]
        assert sum(record.size_bytes for record in found) == 104


def test_half_a_line_waits_and_whole_ones_can_be_asked_for() -> None:
    splitter = Splitter(Traces())
    assert [record.text for record in splitter.feed(b'{"a":1}\nplain\nha')] == [b'{"a":1}']
    assert splitter.may_go_on
    assert splitter.waits_for_line
    assert [record.text for record in splitter.flush()] == [b"plain"]
    assert splitter.pending_bytes == 2
    assert [record.text for record in splitter.feed(b"lf\n") + splitter.flush()] == [b"half"]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"a", b"  b", b"Traceback (most recent call last):", b"E: x", b"", b"{}", b"\0c", b"d\r"])
    ),
    st.lists(st.integers(0, 1000), max_size=8),
    st.booleans(),
    st.sampled_from([None, Traces, lambda: Starts(re.compile(b"a"))]),
    st.sampled_from([60, 1000]),
)
def test_reads_do_not_matter(
    lines: list[bytes], cuts: list[int], ended: bool, joining: type[Traces] | None, limit: int
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    whole = split(Splitter(joining() if joining else None, limit), [data])
    cut = split(Splitter(joining() if joining else None, limit), pieces(data, cuts))
    assert cut == whole
    assert sum(record.size_bytes for record in whole) == len(data)
