"""How values read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dxops.console import words

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "–"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (999_499, "999 kB"),
     (999_500, "1.0 MB"), (5_200_000_000, "5.2 GB"), (10**18, "1000 PB")],
)  # fmt: skip
def test_size(count: int | None, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [(0, "just now"), (44, "just now"), (60, "1 min ago"), (3000, "50 min ago"), (7200, "2 h ago"),
     (86_400 * 2, "2 days ago"), (86_400 * 40, "25 Mar 2026"), (-30, "in a moment"), (-86_400 * 7, "in 7 days")],
)  # fmt: skip
def test_age(ago: float, text: str) -> None:
    assert words.age(NOW - timedelta(seconds=ago), NOW) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.34, "340 ms"), (2.44, "2.4 s"), (200, "3 min 20 s"), (18_720, "5 h 12 min"), (273_600, "3 d 4 h")],
)
def test_lasting(seconds: float | None, text: str) -> None:
    assert words.lasting(seconds) == text


def test_names_of_things() -> None:
    assert words.short_cid("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi") == "bafybeigd…bzdi"
    assert words.host_of("http://composer.dxos.localhost:8080/x") == "composer.dxos.localhost"
    assert [words.initials(name) for name in ("ada", "Ada Lovelace", "")] == ["AD", "AL", "?"]
    assert words.signed_size(-1200) == "−1.2 kB"


def test_an_audit_detail_leaves_out_what_is_empty_and_links_what_has_a_page() -> None:
    found = words.detail({"version": "1.0", "from": None, "release": "rel_" + "0" * 22 + "abcd", "apps": ["a", "b"]})
    assert [(name, short, address) for name, short, _, address in found] == [
        ("version", "1.0", ""),
        ("release", "rel_…abcd", "/releases/rel_" + "0" * 22 + "abcd"),
        ("apps", "a, b", ""),
    ]


def test_a_sparkline_fills_its_box() -> None:
    assert words.sparkline([1, 3, 2]) == "M0 22L50 2L100 12"
    assert words.sparkline([5, 5]) == "M0 22L100 22"
    assert words.sparkline([5]) == ""


def test_json_to_copy() -> None:
    assert words.json_text({"a": [1, None]}) == '{\n  "a": [\n    1,\n    null\n  ]\n}'


def test_a_message_alone_begins_large() -> None:
    assert words.sentence("no app 'x'") == "No app 'x'"
    assert words.sentence("") == ""
