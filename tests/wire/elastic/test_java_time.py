"""Java date patterns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.elastic.java_time import BadPattern, java_pattern

AT = datetime(2026, 3, 5, 14, 7, 9, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("dd/MMM/yyyy:HH:mm:ss.SSS Z", "05/Mar/2026:14:07:09.123 +0000"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-03-05T14:07:09.123Z"),
        ("EEEE, d MMMM uuuu h:mm:ss.SSS a z", "Thursday, 5 March 2026 2:07:09.123 PM Z"),
        ("yyMMdd HHmmss SSSSSS", "260305 140709 123000"),
        ("yyyy-DDD HH:mm:ss,SSS", "2026-064 14:07:09,123"),
        ("yyyy-MM-dd HH:mm:ss.SSS '''o''clock'", "2026-03-05 14:07:09.123 'o'clock"),
        ("yyyy.MM.dd kk:mm:ss.SSS", "2026.03.05 14:07:09.123"),
    ],
)
def test_both_ways(pattern: str, text: str) -> None:
    found = java_pattern(pattern)
    assert found.write(AT) == text
    assert found.read(text, default_year=1999) == (AT, 123_000_000)


def test_what_the_text_leaves_out() -> None:
    found, nanos = java_pattern("MMM d HH:mm:ss").read(
        "mar 5 14:07:09", default_year=2026, zone=timezone(timedelta(hours=2))
    )
    assert (found.isoformat(), nanos) == ("2026-03-05T14:07:09+02:00", 0)
    optional = java_pattern("yyyy-MM-dd[ HH:mm[:ss]][ VV]")
    assert optional.read("2026-03-05", default_year=1)[0].isoformat() == "2026-03-05T00:00:00+00:00"
    assert optional.read("2026-03-05 01:02 Europe/Paris", default_year=1)[0].isoformat() == "2026-03-05T01:02:00+01:00"


@pytest.mark.parametrize("text", ["05/Xyz/2026", "5/Mar/2026", "31/Feb/2026", "05/Mar/2026 "])
def test_texts_that_do_not_fit(text: str) -> None:
    with pytest.raises(ValueError, match=r"match|day"):
        java_pattern("dd/MMM/yyyy").read(text, default_year=1)


@pytest.mark.parametrize("pattern", ["qq", "[yyyy", "yyyy]", "'open", "y" * 201, "SSSSSSSSSS"])
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(BadPattern):
        java_pattern(pattern)


@given(st.text("yMdHhmsSaEZXzV[]'/: ", max_size=20), st.text(max_size=20))
def test_hostile(pattern: str, text: str) -> None:
    try:
        found = java_pattern(pattern)
        found.write(AT)
        found.read(text, default_year=2026)
    except ValueError:
        return
