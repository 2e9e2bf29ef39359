"""What goes, what stays, what it comes to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxops.rooms.logs.retention import (
    DATA_STREAM,
    DEFAULT,
    POLICY,
    SETTING,
    Day,
    Limits,
    Rule,
    Usage,
    cutoff,
    daily,
    days_until_full,
    fits,
    forecast,
    oldest_days,
    removals,
    rule_of,
)
from dxops.wire.elastic.lifecycle import Kept, duration_ms, kept_by_lifecycle, kept_by_policy, size_bytes

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


def usage(*sizes: int, stream: str = "logs", newest: date = TODAY) -> Usage:
    """One day each, the last on `newest`; a byte weighs a document."""
    first = newest - timedelta(days=len(sizes) - 1)
    days = tuple(
        Day(day=first + timedelta(days=place), documents=size, bytes=size, sent_bytes=size * 7)
        for place, size in enumerate(sizes)
    )
    return Usage(stream=stream, days=days)


usages = st.lists(st.tuples(st.integers(-400, 3), st.integers(0, 10**12)), max_size=40).map(
    lambda found: Usage(
        stream="logs",
        days=tuple(
            Day(day=TODAY + timedelta(days=offset), documents=size // 9, bytes=size, sent_bytes=size)
            for offset, size in sorted(dict(found).items())
        ),
    )
)
limits = st.builds(
    Limits,
    days=st.none() | st.integers(0, 500),
    bytes=st.none() | st.integers(0, 10**13),
    documents=st.none() | st.integers(0, 10**12),
)


@settings(max_examples=40)
@given(usages, limits)
def test_nothing_young_goes_and_nothing_old_stays(of: Usage, at_most: Limits) -> None:
    first = cutoff(of, at_most, TODAY)
    stays = [day for day in of.days if first is None or day.day >= first]
    gone = [day for day in of.days if day not in stays]
    assert not any(day.day >= TODAY for day in gone) or at_most.any is False
    assert (first is None) == (not gone)
    if not at_most.any:
        assert not gone
    if at_most.days is not None:
        assert all((TODAY - day.day).days <= at_most.days for day in stays)
    past = [day for day in stays if day.day < TODAY]
    if at_most.bytes is not None and past:
        assert sum(day.bytes for day in stays) <= at_most.bytes
    if at_most.documents is not None and past:
        assert sum(day.documents for day in stays) <= at_most.documents
    # carried out, there is nothing more to do
    assert cutoff(Usage(stream="logs", days=tuple(stays)), at_most, TODAY) is None


@settings(max_examples=40)
@given(usages, limits)
def test_a_forecast_tells_what_is_then_done(of: Usage, at_most: Limits) -> None:
    seen = forecast(of, at_most, NOW, price_per_gb=0.1)
    plan = removals([of], {"logs": Rule(limits=at_most, source=SETTING)}, TODAY)
    gone = [day for day in of.days if day.day in plan]
    assert seen.goes_documents == sum(day.documents for day in gone)
    assert seen.goes_bytes == sum(day.bytes for day in gone)
    assert list(plan) == [day.day for day in gone]
    stays = [day.day for day in of.days if day not in gone]
    assert seen.oldest_kept == (stays[0] if stays else None)
    assert (seen.steady_bytes is None) == (seen.month_steady is None)


@settings(max_examples=40)
@given(usages, st.integers(0, 400), st.integers(0, 400))
def test_longer_keeps_more(of: Usage, one: int, more: int) -> None:
    shorter = cutoff(of, Limits(days=one), TODAY)
    longer = cutoff(of, Limits(days=one + more), TODAY)
    assert longer is None or (shorter is not None and longer <= shorter)


def test_seven_days_are_today_and_the_seven_before() -> None:
    assert cutoff(usage(*[5] * 10), Limits(days=7), TODAY) == TODAY - timedelta(days=7)
    assert cutoff(usage(*[5] * 8), Limits(days=7), TODAY) is None
    assert cutoff(usage(5, 5, newest=TODAY - timedelta(days=30)), Limits(days=7), TODAY) == TODAY - timedelta(days=7)


def test_the_oldest_days_go_until_the_rest_fits() -> None:
    assert cutoff(usage(50, 40, 30, 20), Limits(bytes=60), TODAY) == TODAY - timedelta(days=1)
    assert cutoff(usage(50, 40, 30, 500), Limits(bytes=60), TODAY) == TODAY
    assert cutoff(usage(50, 40, 30, 20), Limits(documents=140), TODAY) is None


def test_what_it_comes_to() -> None:
    seen = forecast(usage(*[2_000_000_000] * 20), Limits(days=9), NOW, price_per_gb=0.5)
    assert (seen.bytes_per_day, seen.steady_bytes) == (2_000_000_000, 20_000_000_000)
    assert (seen.month_now, seen.month_steady) == (20.0, 10.0)
    assert (seen.goes_documents, seen.oldest_kept) == (20_000_000_000, TODAY - timedelta(days=9))
    endless = forecast(usage(5), Limits(), NOW, price_per_gb=1.0)
    assert (endless.steady_bytes, endless.month_steady) == (None, None)


def test_a_stream_of_a_few_days_is_not_divided_by_seven() -> None:
    assert daily(usage(70, 30), NOW) == (70.0, 70.0)
    assert daily(usage(30), NOW) == (120.0, 120.0)  # six hours of today
    assert daily(Usage(stream="logs"), NOW) == (0.0, 0.0)


def test_when_the_disk_is_full() -> None:
    of = usage(*[10] * 20)
    endless, bounded = Rule(limits=Limits(), source=DEFAULT), Rule(limits=Limits(days=7), source=SETTING)
    assert days_until_full([of], {"logs": endless}, NOW, 1000) == 100.0
    assert days_until_full([of], {"logs": bounded}, NOW, 1000) is None


def test_the_closest_setting_wins_then_the_policy_then_the_default() -> None:
    settings = {"*": Limits(days=1), "logs-*": Limits(days=2), "logs-app": Limits(days=3), "logs-a*": Limits()}
    policies = {"logs-web": Rule(limits=Limits(days=9), source=POLICY, name="p")}
    assert rule_of("logs-app", settings, policies, Limits()).limits.days == 3
    assert rule_of("logs-api", settings, policies, Limits()) == Rule(limits=Limits(), source=SETTING, name="logs-a*")
    assert rule_of("logs-web", settings, policies, Limits()).name == "logs-*"
    assert rule_of("logs-web", {}, policies, Limits(days=4)).source == POLICY
    assert rule_of("other", {}, policies, Limits(days=4)) == Rule(limits=Limits(days=4), source=DEFAULT)
    assert fits("a[b]?*", "a[b]?c")
    assert not fits("a?c", "abc")


@settings(max_examples=40)
@given(st.dictionaries(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(0, 10**6)), st.integers(1, 10**7))
def test_no_more_days_are_dropped_than_have_to_be(partitions: dict[date, int], needed: int) -> None:
    gone = oldest_days(partitions, TODAY, needed)
    assert all(day < TODAY - timedelta(days=1) for day in gone)
    assert gone == sorted(partitions)[: len(gone)]
    assert sum(partitions[day] for day in gone[:-1]) < needed


def policy(**phases: object) -> dict[str, object]:
    return {"policy": {"phases": phases}}


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (policy(delete={"min_age": "30d", "actions": {"delete": {}}}), Kept(days=30)),
        (policy(delete={"min_age": "12h"}), Kept(days=1)),
        (
            policy(
                hot={"actions": {"rollover": {"max_age": "7d", "max_primary_shard_size": "50gb"}}},
                delete={"min_age": "30d", "actions": {"delete": {}}},
            ),
            Kept(days=37),
        ),
        (
            policy(hot={"actions": {"rollover": {"max_size": "2gb", "max_docs": 5}}}, delete={"min_age": "0ms"}),
            Kept(bytes=2 << 30, documents=5),
        ),
        (policy(hot={"actions": {"rollover": {"max_age": "30d"}}}), None),  # Filebeat's own: nothing is deleted
        (policy(delete={"min_age": "soon"}), None),
        (policy(delete={"min_age": "0d"}), None),  # at once, whatever comes: nobody means that
        (policy(delete={"min_age": "9d", "actions": {"wait_for_snapshot": {}}}), None),
        ({}, None),
        ({"policy": {"phases": []}}, None),
    ],
)
def test_what_a_policy_deletes(body: dict[str, object], kept: Kept | None) -> None:
    assert kept_by_policy(body) == kept


def test_lifecycles_of_data_streams() -> None:
    assert kept_by_lifecycle({"data_retention": "7d"}) == Kept(days=7)
    assert kept_by_lifecycle({"data_retention": "7d", "enabled": False}) is None
    assert kept_by_lifecycle({}) is None
    assert kept_by_lifecycle(None) is None
    assert (DATA_STREAM, duration_ms("90m"), duration_ms("x"), size_bytes("1.5kb"), size_bytes("0b")) == (
        "data stream", 5_400_000, None, 1536, None,
    )  # fmt: skip
