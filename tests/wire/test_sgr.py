"""Colours of build output: what is kept, in which form, and what is dropped."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.sgr import MAX_CHANGES, colored_line, plain_line

_CANONICAL = re.compile(r"\x1b\[0(?:;[12349])*(?:;(?:3[0-7]|9[0-7]))?(?:;4[0-7])?m")


def line(text: str) -> str:
    return colored_line(text, 1000)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("\x1b[32mok\x1b[39m done", "\x1b[0;32mok\x1b[0m done"),
        ("\x1b[1m\x1b[31mbad\x1b[22m bad\x1b[0m", "\x1b[0;1;31mbad\x1b[0;31m bad\x1b[0m"),
        ("\x1b[91;44mx", "\x1b[0;91;44mx\x1b[0m"),
        ("\x1b[7m\x1b[32m PASS \x1b[27m", "\x1b[0;42m PASS \x1b[0m"),  # text on green, whatever the page's paper
        ("\x1b[30;102mx\x1b[m", "\x1b[0;30;42mx\x1b[0m"),
        ("\x1b[38;5;9mx", "\x1b[0;91mx\x1b[0m"),
        ("\x1b[38;5;196mx", "\x1b[0;31mx\x1b[0m"),
        ("\x1b[38;5;240mx", "\x1b[0;90mx\x1b[0m"),
        ("\x1b[38;5;255mx", "x"),
        ("\x1b[38;2;20;200;210mx", "\x1b[0;36mx\x1b[0m"),
        ("\x1b[38:2::255:0:200mx", "\x1b[0;35mx\x1b[0m"),
        ("\x1b[4:3mx\x1b[4:0my", "\x1b[0;4mx\x1b[0my"),
        ("\x1b[38;5mx", "\x1b[0;30mx\x1b[0m"),
        ("\x1b[32m\x1b[0m", ""),
        ("plain", "plain"),
    ],
)
def test_colours_in_canonical_form(written: str, kept: str) -> None:
    assert line(written) == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("\x1b[2J\x1b[1;1Htext\x1b[K", "text"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\text", "text"),
        ("\x1b[?25lx\x1b(By\x1b7z", "xyz"),
        ("10%\r50%\r100%\n", "100%"),
        ("a\x00b\x08c\x9b31md", "abc31md"),  # U+009B is a control sequence to some terminals
        ("tab\tstays\r\n", "tab\tstays"),
        ("\ud800", "?"),
        ("cut\x1b[", "cut"),
    ],
)
def test_everything_else_is_dropped(written: str, kept: str) -> None:
    assert (line(written), plain_line(written)) == (kept, kept)


def test_bounds() -> None:
    assert colored_line("\x1b[31m" + "x" * 15, 10) == "\x1b[0;31m" + "x" * 10 + "\x1b[0m… [5 characters more]"
    restless = "".join(f"\x1b[{31 + number % 6}mx" for number in range(5000))
    kept = line(restless)
    assert kept.count("\x1b") <= MAX_CHANGES + 1
    assert plain_line(restless) == "x" * 5000


_pieces = st.sampled_from(["\x1b", "[", "]", "0", "1", "31", ";", ":", "m", "38", "5", "P", "\x9b", "\x07", "\r", "x"])


@given(st.lists(st.one_of(_pieces, st.text(max_size=3)), max_size=40).map("".join))
def test_hostile_lines(text: str) -> None:
    kept = colored_line(text, 10_000)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", _CANONICAL.sub("", kept))
    assert plain_line(kept) == plain_line(text)
    assert colored_line(kept, 10_000) == kept
