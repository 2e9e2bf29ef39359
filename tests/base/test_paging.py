"""Cursors: what was handed out comes back as it was; anything else is refused, not passed on to a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dxops.base.errors import Refused
from dxops.base.web import decode_cursor, decode_moment, decode_number, encode_cursor, page_of


def test_pages_go_on_until_the_end() -> None:
    seen: list[str] = []
    rest = list(range(1, 8))
    while True:
        page = page_of(rest[:4], 3, lambda number: [str(number)], str)
        seen += page.items
        if page.next is None:
            break
        rest = [number for number in rest if number > decode_number(page.next)]
    assert seen == list("1234567")


def test_times_come_back() -> None:
    moment = datetime(2026, 11, 24, 17, 4, 8, 123456, UTC)
    assert decode_moment(encode_cursor(moment.isoformat(), "imp_1")) == (moment, "imp_1")


@pytest.mark.parametrize(
    "cursor", ["", "!", "é", "AAAA", encode_cursor("a", "b", "c"), encode_cursor("yesterday", "x")]
)
def test_what_is_no_cursor_of_the_list_is_refused(cursor: str) -> None:
    for decode in (decode_number, decode_moment, lambda text: decode_cursor(text, 7)):
        with pytest.raises(Refused, match="not a cursor"):
            decode(cursor)


@pytest.mark.parametrize("number", ["-1", "1.5", "\u0663", "9" * 19])
def test_numbers_that_no_list_has_are_refused(number: str) -> None:
    with pytest.raises(Refused, match="not a cursor"):
        decode_number(encode_cursor(number))
