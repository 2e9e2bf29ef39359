"""Ids from sequence numbers: a bijection, in batches too; nobody else's ids read as ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.auto_ids import MAX_SEQ, AutoIds

IDS = AutoIds(b"0123456789abcdef")
OTHER = AutoIds(b"0123456789abcdeg")


@given(st.integers(0, MAX_SEQ))
def test_there_and_back(seq: int) -> None:
    id_ = IDS.id_of(seq)
    assert re.fullmatch(r"[A-Za-z0-9_-]{20}", id_)
    assert IDS.seq_of(id_) == seq
    assert OTHER.seq_of(id_) is None


@given(st.integers(0, MAX_SEQ - 10_000), st.integers(0, 9_000))
def test_a_batch_is_one_after_the_other(first: int, count: int) -> None:
    ids = IDS.ids_of(first, count)
    assert len(ids) == count == len(set(ids))
    for place in {0, count // 2, count - 1} if count else ():
        assert ids[place] == IDS.id_of(first + place)
    later = IDS.ids_later(first, count)
    assert (len(later), list(later), later[:2]) == (count, ids, ids[:2])


@given(st.text(max_size=24) | st.text("ABCDEFabc0123456789_-", min_size=20, max_size=20))
def test_foreign_ids(text: str) -> None:
    assert IDS.seq_of(text) is None


def test_bounds() -> None:
    for bad in (-1, MAX_SEQ + 1):
        with pytest.raises(ValueError, match="outside"):
            IDS.id_of(bad)
    with pytest.raises(ValueError, match="outside"):
        IDS.ids_of(MAX_SEQ, 2)
    with pytest.raises(ValueError, match="16 to 64"):
        AutoIds(b"short")
    assert list(IDS.seqs_of([IDS.id_of(9), "x"])) == [9, -1]
