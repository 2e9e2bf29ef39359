"""Dates, date math and formats. Expected values were made by hand (`date -u -d`), not by the code under test."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.es.date_format import format_ms
from dxops.wire.es.dates import Span, is_date_math, parse_date, resolve_range
from dxops.wire.es.errors import EsError, error_body
from dxops.wire.es.rounding import Rounding
from dxops.wire.es.zones import zone, zone_name
from dxops.wire.query_tree import Range


def at(text: str, ms: int = 0) -> int:
    """`2024-03-05 06:07:08` of UTC."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1000 + ms


NOW = at("2024-03-05 06:07:08", 9)  # a Tuesday


@pytest.mark.parametrize(
    ("text", "down", "up"),
    [
        ("now", NOW, NOW),
        ("now-15m", at("2024-03-05 05:52:08", 9), at("2024-03-05 05:52:08", 9)),
        ("now-m", at("2024-03-05 06:06:08", 9), at("2024-03-05 06:06:08", 9)),
        ("now/d", at("2024-03-05"), at("2024-03-05 23:59:59", 999)),
        ("now-15m/d", at("2024-03-05"), at("2024-03-05 23:59:59", 999)),
        ("now-1d/d", at("2024-03-04"), at("2024-03-04 23:59:59", 999)),
        ("now/w", at("2024-03-04"), at("2024-03-10 23:59:59", 999)),
        ("now/M", at("2024-03-01"), at("2024-03-31 23:59:59", 999)),
        ("now/y", at("2024-01-01"), at("2024-12-31 23:59:59", 999)),
        ("now/h", at("2024-03-05 06:00:00"), at("2024-03-05 06:59:59", 999)),
        ("now/H", at("2024-03-05 06:00:00"), at("2024-03-05 06:59:59", 999)),
        ("now/m", at("2024-03-05 06:07:00"), at("2024-03-05 06:07:59", 999)),
        ("now/s", at("2024-03-05 06:07:08"), at("2024-03-05 06:07:08", 999)),
        ("now+1d-1h/m", at("2024-03-06 05:07:00"), at("2024-03-06 05:07:59", 999)),
        ("now/d+9h", at("2024-03-05 09:00:00"), at("2024-03-06 08:59:59", 999)),
        ("now-1y", at("2023-03-05 06:07:08", 9), at("2023-03-05 06:07:08", 9)),
        ("now-1w", at("2024-02-27 06:07:08", 9), at("2024-02-27 06:07:08", 9)),
        ("2024-01-01||+1M/d", at("2024-02-01"), at("2024-02-01 23:59:59", 999)),
        ("2024-01-31||+1M", at("2024-02-29"), at("2024-02-29")),
        ("2023-01-31||+1M", at("2023-02-28"), at("2023-02-28")),
        ("2024-02-29||+1y", at("2025-02-28"), at("2025-02-28")),
        ("2024-12-31||/y", at("2024-01-01"), at("2024-12-31 23:59:59", 999)),
        ("2024-01-01||", at("2024-01-01"), at("2024-01-01")),
        ("1704067200000||/M", at("2024-01-01"), at("2024-01-31 23:59:59", 999)),
        ("2024-01-01", at("2024-01-01"), at("2024-01-01 23:59:59", 999)),
        ("2024-02", at("2024-02-01"), at("2024-02-01 23:59:59", 999)),
        ("2024", at("2024-01-01"), at("2024-01-01 23:59:59", 999)),
        ("2024-01-01T10", at("2024-01-01 10:00:00"), at("2024-01-01 10:59:59", 999)),
        ("2024-01-01T10:11", at("2024-01-01 10:11:00"), at("2024-01-01 10:11:59", 999)),
        ("2024-01-01T10:11:12", at("2024-01-01 10:11:12"), at("2024-01-01 10:11:12", 999)),
        ("2024-01-01T10:11:12.5Z", at("2024-01-01 10:11:12", 500), at("2024-01-01 10:11:12", 500)),
        ("2024-01-01T10:11:12.123456789Z", at("2024-01-01 10:11:12", 123), at("2024-01-01 10:11:12", 123)),
        ("2024-01-01T10:11:12,123Z", at("2024-01-01 10:11:12", 123), at("2024-01-01 10:11:12", 123)),
        ("2024-01-01T10:11:12.000+02:00", at("2024-01-01 08:11:12"), at("2024-01-01 08:11:12")),
        ("2024-01-01T10:11:12-0330", at("2024-01-01 13:41:12"), at("2024-01-01 13:41:12", 999)),
        ("2024-01-01T10:11:12+02", at("2024-01-01 08:11:12"), at("2024-01-01 08:11:12", 999)),
        ("1704067200000", at("2024-01-01"), at("2024-01-01")),
        ("-1", -1, -1),
        ("1704067200000.7", at("2024-01-01"), at("2024-01-01")),
    ],
)
def test_dates_and_math_in_utc(text: str, down: int, up: int) -> None:
    assert parse_date(text, NOW) == down
    assert parse_date(text, NOW, round_up=True) == up


@pytest.mark.parametrize(
    ("text", "zone_text", "down", "up"),
    [
        ("2024-01-01", "+02:00", at("2023-12-31 22:00:00"), at("2024-01-01 21:59:59", 999)),
        ("2024-01-01", "Europe/Berlin", at("2023-12-31 23:00:00"), at("2024-01-01 22:59:59", 999)),
        ("2024-01-01T00:00:00Z", "Europe/Berlin", at("2024-01-01"), at("2024-01-01 00:00:00", 999)),
        ("now", "+02:00", NOW, NOW),
        ("now/d", "America/New_York", at("2024-03-05 05:00:00"), at("2024-03-06 04:59:59", 999)),
        # Berlin: 31 March 2024 has 23 hours, 27 October 2024 has 25
        ("2024-03-31T12:00:00||/d", "Europe/Berlin", at("2024-03-30 23:00:00"), at("2024-03-31 21:59:59", 999)),
        ("2024-10-27T12:00:00||/d", "Europe/Berlin", at("2024-10-26 22:00:00"), at("2024-10-27 22:59:59", 999)),
        ("2024-03-30T12:00:00||+1d", "Europe/Berlin", at("2024-03-31 10:00:00"), at("2024-03-31 10:00:00")),
        ("2024-03-30T12:00:00||+24h", "Europe/Berlin", at("2024-03-31 11:00:00"), at("2024-03-31 11:00:00")),
        ("2024-03-31T02:30:00", "Europe/Berlin", at("2024-03-31 01:30:00"), at("2024-03-31 01:30:00", 999)),
        ("2024-10-27T02:30:00", "Europe/Berlin", at("2024-10-27 00:30:00"), at("2024-10-27 00:30:00", 999)),
        ("1730000000000||/h", "Asia/Kolkata", 1729999800000, 1730003399999),  # whole hours of a half-hour zone
    ],
)
def test_time_zones(text: str, zone_text: str, down: int, up: int) -> None:
    assert parse_date(text, NOW, time_zone=zone_text) == down
    assert parse_date(text, NOW, time_zone=zone_text, round_up=True) == up


@pytest.mark.parametrize(
    ("value", "format", "expected"),
    [
        ("1704067200", "epoch_second", at("2024-01-01")),
        ("1704067200.25", "epoch_second", at("2024-01-01", 250)),
        (1704067200, "epoch_second", at("2024-01-01")),
        (1704067200000, "epoch_millis", at("2024-01-01")),
        ("01/02/2024", "dd/MM/yyyy", at("2024-02-01")),
        ("2024-02-01 03:04:05", "yyyy-MM-dd HH:mm:ss", at("2024-02-01 03:04:05")),
        ("2024-02-01 03:04:05.678", "uuuu-MM-dd HH:mm:ss.SSS", at("2024-02-01 03:04:05", 678)),
        ("01/Feb/2024:03:04:05 +0100", "dd/MMM/yyyy:HH:mm:ss Z", at("2024-02-01 02:04:05")),
        ("Feb 1 2024 3:04 PM", "MMM d yyyy h:mm a", at("2024-02-01 15:04:00")),
        ("Thu, 01 Feb 2024", "EEE, dd MMM yyyy", at("2024-02-01")),
        ("February 1, 24", "MMMM d, yy", at("2024-02-01")),
        ("2024-060", "yyyy-DDD", at("2024-02-29")),
        ("2024-W09-4", "strict_week_date", at("2024-02-29")),
        ("20240201", "basic_date", at("2024-02-01")),
        ("20240201T030405.678Z", "basic_date_time", at("2024-02-01 03:04:05", 678)),
        ("2024-02-01T03:04:05Z", "yyyy-MM-dd'T'HH:mm:ssX", at("2024-02-01 03:04:05")),
        ("2024-02-01 Europe/Berlin", "yyyy-MM-dd VV", at("2024-01-31 23:00:00")),
        ("2024-2-1", "date_optional_time", at("2024-02-01")),
        ("2024/02/01", "epoch_millis||yyyy/MM/dd||yyyy", at("2024-02-01")),
        ("it's 2024", "'it''s' yyyy", at("2024-01-01")),
        ("2024-02-01", "yyyy-MM-dd[ HH:mm]", at("2024-02-01")),
        ("2024-02-01 03:04", "yyyy-MM-dd[ HH:mm]", at("2024-02-01 03:04:00")),
    ],
)
def test_formats_are_read(value: str | int, format: str, expected: int) -> None:
    assert parse_date(value, NOW, format=format) == expected


@pytest.mark.parametrize(
    ("format", "zone_text", "expected"),
    [
        (None, "UTC", "2024-02-01T03:04:05.678Z"),
        (None, "Europe/Berlin", "2024-02-01T04:04:05.678+01:00"),
        ("date_optional_time", "UTC", "2024-02-01T03:04:05.678Z"),
        ("yyyy-MM-dd", "UTC", "2024-02-01"),
        ("yyyy-MM-dd", "-04:00", "2024-01-31"),
        ("epoch_millis", "UTC", "1706756645678"),
        ("epoch_second", "UTC", "1706756645.678"),
        ("dd/MMM/yyyy:HH:mm:ss Z", "+05:30", "01/Feb/2024:08:34:05 +0530"),
        ("EEEE d MMMM yy h a", "UTC", "Thursday 1 February 24 3 AM"),
        ("YYYY-'W'ww-e", "UTC", "2024-W05-4"),
        ("yyyy-DDD XXX VV", "Europe/Berlin", "2024-032 +01:00 Europe/Berlin"),
        ("HH:mm:ss.SSSSSS", "UTC", "03:04:05.678000"),
    ],
)
def test_formats_are_written(format: str | None, zone_text: str, expected: str) -> None:
    assert format_ms(at("2024-02-01 03:04:05", 678), format, zone(zone_text)) == expected


@pytest.mark.parametrize(
    ("text", "format", "reason"),
    [
        ("yesterday", None, "failed to parse date field [yesterday] with format [strict_date_optional_time||epoch_m"),
        ("2024-02-30", None, "failed to parse date field [2024-02-30]"),
        ("2024-13-01", None, "failed to parse"),
        ("2024-1-1", None, "failed to parse"),
        ("2023-366", "yyyy-DDD", "failed to parse"),
        ("2024-01-01T25:00", None, "failed to parse"),
        ("٢٠٢٤-01-01", None, "failed to parse"),
        ("now-15", None, "expected +N, -N or /, then one of y, M, w, d, h, H, m, s, at 4"),
        ("now-15x", None, "at 4"),
        ("now/q", None, "at 4"),
        ("now 1d", None, "at 4"),
        ("nowhere", None, "at 4"),
        ("2024-01-01||+", None, "at 13"),
        ("now+99999y", None, "years 1 to 9999"),
        ("now+999999999d/d", None, "years 1 to 9999"),
        ("99999999999999999||/d", None, "years 1 to 9999"),
        ("2024", "yyyy-b", "Invalid format: [yyyy-b]: Unknown pattern letter: b"),
        ("2024", "yyyyf", "Unknown pattern letter: f"),
        ("2024", "yyyy[", "a [ is not closed"),
        ("2024", "yyyy||", "an empty format"),
        ("2024", "||".join(["yy"] * 100_000), "more than 16"),
        ("x" * 300, None, "failed to parse"),
    ],
)
def test_what_is_no_date_is_refused(text: str, format: str | None, reason: str) -> None:
    with pytest.raises(EsError) as caught:
        parse_date(text, NOW, format=format)
    assert reason in caught.value.reason
    assert error_body(caught.value)["status"] == 400


def test_ranges_look_the_way_of_their_operator() -> None:
    day = (at("2024-01-01"), at("2024-01-01 23:59:59", 999))
    text = "2024-01-01||/d"
    assert resolve_range(Range(("t",), gte=text, lte=text), NOW) == Span(*day)
    assert resolve_range(Range(("t",), gt=text), NOW) == Span(day[1] + 1, None)
    assert resolve_range(Range(("t",), lt=text), NOW) == Span(None, day[0] - 1)
    assert resolve_range(Range(("t",), gte="2024-01-01", lte="2024-01-01"), NOW) == Span(*day)
    assert resolve_range(Range(("t",)), NOW) == Span(None, None)
    berlin = resolve_range(Range(("t",), gte="01.01.2024", format="dd.MM.yyyy", time_zone="Europe/Berlin"), NOW)
    assert berlin == Span(at("2023-12-31 23:00:00"), None)


def test_what_is_math() -> None:
    assert is_date_math("now-1d")
    assert is_date_math("2024||/y")
    assert not is_date_math("2024")
    assert not is_date_math(5)


@pytest.mark.parametrize("name", ["Mars/Phobos", "+19:00", "+2:99", "../etc/passwd", "", "\0", "Europe", "/etc/hosts"])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(EsError):
        zone(name)


def test_zones_have_names() -> None:
    names = ["Z", "UTC+1", "+05:30", "Europe/Berlin", "-0330", "+00:00"]
    assert [zone_name(zone(name)) for name in names] == ["UTC", "+01:00", "+05:30", "Europe/Berlin", "-03:30", "UTC"]


def test_days_of_a_histogram_follow_the_clock_change() -> None:
    days = Rounding(zone("Europe/Berlin"), unit="d")
    keys = [days.floor(at("2024-03-30 12:00:00"))]
    for _ in range(3):
        keys.append(days.next(keys[-1]))
    assert [(b - a) // 3_600_000 for a, b in itertools.pairwise(keys)] == [24, 23, 24]


@pytest.mark.parametrize(("unit", "count"), [("M", 12), ("q", 4), ("y", 1), ("w", 53)])
def test_calendar_units_cut_a_leap_year(unit: str, count: int) -> None:
    cut = Rounding(dt.UTC, unit=unit)
    key, keys = cut.floor(at("2024-01-01")), []
    while key < at("2025-01-01"):
        keys.append(key)
        key = cut.next(key)
    assert len(keys) == count


@given(
    st.integers(at("1971-01-01"), at("2090-01-01")),
    st.sampled_from([0, 60_000, 3_600_000, 10_800_000, 86_400_000, 604_800_000]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "+05:45"]),
    st.sampled_from("yqMwdhm"),
    st.integers(-86_400_000, 86_400_000),
)
def test_a_moment_is_in_its_bucket(ms: int, size: int, zone_text: str, unit: str, offset: int) -> None:
    cut = Rounding(zone(zone_text), unit="" if size else unit, size_ms=size, offset_ms=offset)
    key = cut.floor(ms)
    assert key <= ms
    assert cut.floor(key) == key
    assert cut.next(key) > key
    if not size:
        assert ms < cut.next(key)


@given(st.integers(at("0002-01-01"), at("9998-01-01")), st.sampled_from(["UTC", "+05:45", "Asia/Kolkata", "-12:00"]))
def test_what_is_written_is_read_again(ms: int, zone_text: str) -> None:
    where = zone(zone_text)
    for format in (None, "epoch_millis", "epoch_second", "basic_date_time", "week_date_time", "ordinal_date_time"):
        text = format_ms(ms, format, where)
        if (where.utcoffset(dt.datetime.fromtimestamp(ms / 1000, dt.UTC)) or dt.timedelta()).seconds % 60 == 0:
            assert parse_date(text, 0, format=format) == ms


@given(st.text(max_size=40) | st.from_regex(r"now([+-][0-9]{1,12}[yMwdhms]|/[yMwdhms]){0,4}", fullmatch=True))
def test_hostile_texts_are_read_or_refused(text: str) -> None:
    with contextlib.suppress(EsError):
        assert isinstance(parse_date(text, NOW, time_zone="Europe/Berlin"), int)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("[d]" * 85, "1" * 80 + "x"),
        ("dM" * 120, "1" * 250),
        ("[M[d]]" * 40, "1" * 70 + "x"),
        ("VV" + "[VV]" * 60, "a" * 250),
    ],
)
def test_a_hostile_format_takes_no_time(format: str, text: str) -> None:
    start = time.thread_time()
    with pytest.raises(EsError):
        parse_date(text, NOW, format=format)
    assert time.thread_time() - start < 1


@given(st.text(alphabet="yMdHhmsSaEXxZzVe[]'-/: {}#é", max_size=30))
def test_hostile_formats_are_used_or_refused(format: str) -> None:
    with contextlib.suppress(EsError):
        assert isinstance(format_ms(NOW, format), str)
        assert isinstance(parse_date("2024-01-01", NOW, format=format), int)
