"""Timestamps as logs have them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.times import MAX_MS, MIN_MS, format_ms, read_loose_time, read_time, read_times

NOW = 1_767_225_600_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", NOW),
        ("2026-01", NOW),
        ("2026-01-01", NOW),
        ("2026-01-01T", NOW),
        ("2026-01-01T10", NOW + 36_000_000),
        ("2026-01-01T00:01", NOW + 60_000),
        ("2026-01-01T00:00:01Z", NOW + 1000),
        ("2026-01-01T00:00:00.123456789Z", NOW + 123),
        ("2026-01-01T00:00:00,5", NOW + 500),
        ("2026-01-01 00:00:00.5 +0000", NOW + 500),
        ("2026-01-01t01:00:00.999+01:00", NOW + 999),
        ("2026-01-01T01:00:00+01", NOW),
        ("2025-12-31T23:00:00-0100", NOW),
        ("2025-12-31T23:59:60Z", NOW),
        ("2025-12-31T23:59:60.250Z", NOW + 250),
        ("1767225600000", NOW),
        ("1767225600000.9", NOW),
        ("-1", -1),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_texts(text: str, expected: int) -> None:
    assert read_time(text) == expected
    assert read_time(text) == expected, "the second time from the cache"


@pytest.mark.parametrize(
    "value",
    ["", "soon", "2026-1-1", "2026-02-30", "2026-01-01T24:00:00", "2026-01-01T00:60", "2026T10",
     "2026-01-01T10:00+25:00", "0000-01-01", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.123Zx", "２０２６", "1" * 30,
     True, None, {}, [],
     ["2026", "2026"], float("nan"), float("inf"), MAX_MS + 1, MIN_MS - 1, "2026-01-01T00:00:00.12xZ"],
)  # fmt: skip
def test_no_times(value: object) -> None:
    assert read_time(value) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_against_datetime(moment: datetime) -> None:
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution * 1000)
    assert read_time(moment.isoformat()) == expected
    assert read_time(format_ms(expected)) == expected
    assert read_time(expected) == expected


USUAL = st.datetimes(timezones=st.just(UTC)).map(
    lambda at: f"{at.replace(tzinfo=None).isoformat('T', 'milliseconds')}Z"
)


@given(
    st.lists(
        USUAL | st.sampled_from(["2026-01-01T00:00:60.000Z", "2026-01-01T00:00:00.1234Z", "x" * 24, None, 5, [], {}])
    )
)
def test_many_at_once_are_read_as_each_alone(values: list[object]) -> None:
    for _ in range(2):
        assert read_times(values) == [read_time(value) for value in values]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1767225600, NOW), (1767225600.25, NOW + 250), (NOW, NOW), (NOW * 1000, NOW), (NOW * 1_000_000, NOW),
     ("1767225600", NOW), ("2026", NOW), ("12:05", None), (1e300, None), (False, None),
     (float("nan"), None), (float("inf"), None)],
)  # fmt: skip
def test_loose_times(value: object, expected: int | None) -> None:
    assert read_loose_time(value) == expected


@given(st.text("0123456789-:TZ.+, z", max_size=40) | st.integers() | st.floats())
def test_hostile_times(value: str | float) -> None:
    for read in (read_time, read_loose_time):
        found = read(value)
        assert found is None or MIN_MS - 66_000_000 <= found <= MAX_MS + 66_000_000
