"""Lines as programs write them for a terminal: colours are kept, whatever else a terminal would act on is dropped.

ECMA-48, 8.3.117 (SGR), with the 256-colour and 24-bit forms that terminals added. What is kept is one canonical form:
each sequence starts with a reset and states everything that holds from there on, so that a reader needs no memory:
`ESC [ 0 (;attribute)* (;foreground)? (;background)? m`. Colours are the sixteen named ones, because a page has light
and dark and knows how to show those; others become the nearest of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

MAX_CHANGES = 500  # of colour in one line: a line of nothing but colours would be forty times its text

_SGR = re.compile(r"\x1b\[([0-9:;]*)m")
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # control sequences
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # strings: titles, links, device control
    r"|[ -/]*[0-~])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_ATTRIBUTES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_ENDS = {21: ("bold",), 22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}
_BLACK, _WHITE, _BRIGHT = 0, 7, 8
_GREY_CONTRAST = 32


class Style(msgspec.Struct, frozen=True):
    """What holds for the text that follows. Colours are 0 to 15 (black, red, green, yellow, blue, magenta, cyan,
    white, then their bright forms), None for the reader's own."""

    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False
    strike: bool = False
    foreground: int | None = None
    background: int | None = None

    def sequence(self) -> str:
        """The canonical form. Inverse text becomes text on its colour; backgrounds have no bright forms."""
        foreground, background = self.foreground, self.background
        if self.inverse:
            foreground, background = background, _WHITE if foreground is None else foreground
        codes = ["0", *(str(code) for code, name in _ATTRIBUTES.items() if name != "inverse" and getattr(self, name))]
        if foreground is not None:
            codes.append(str(30 + foreground if foreground < _BRIGHT else 82 + foreground))
        if background is not None:
            codes.append(str(40 + background % _BRIGHT))
        return f"\x1b[{';'.join(codes)}m"


def colored_line(text: str, limit: int) -> str:
    """One line with its colours in canonical form and at most `limit` characters of text. Of a line that a progress
    bar drew over, the last state. Ends without colour."""
    style = shown = Style()
    parts: list[str] = []
    length = changes = 0
    for piece in _pieces(_last_state(text)):
        if isinstance(piece, list):
            style = _applied(style, piece)
            continue
        if style != shown and changes < MAX_CHANGES:
            parts.append(style.sequence())
            shown = style
            changes += 1
        parts.append(piece[: max(0, limit - length)])
        length += len(piece)
    if shown != Style():
        parts.append(Style().sequence())
    if length > limit:
        parts.append(f"… [{length - limit} characters more]")
    return "".join(parts)


def plain_line(text: str) -> str:
    """The same without colours and without bound."""
    return "".join(piece for piece in _pieces(_last_state(text)) if isinstance(piece, str))


def _last_state(text: str) -> str:
    return text.rstrip("\r\n").rpartition("\r")[2]


def _pieces(text: str) -> Iterator[str | list[int]]:
    """Text without controls, and the numbers of each SGR sequence, in order."""
    end = 0
    for found in _ESCAPE.finditer(text):
        if between := _printable(text[end : found.start()]):
            yield between
        if colors := _SGR.fullmatch(found[0]):
            yield _numbers(colors[1])
        end = found.end()
    if rest := _printable(text[end:]):
        yield rest


def _printable(text: str) -> str:
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode()


def _numbers(parameters: str) -> list[int]:
    """`38:2::255:0:0` (ISO 8613-6, the colour space left out) reads as `38;2;255;0;0`, `4:0` as `24`."""
    numbers: list[int] = []
    for parameter in parameters.split(";"):
        parts = [int(part[:4]) for part in parameter.split(":") if part]
        if ":" not in parameter or not parts:
            numbers.append(parts[0] if parts else 0)
        elif parts[0] == 4:
            numbers.append(4 if parts[-1] else 24)
        elif parts[0] in (38, 48):
            numbers += parts[:2] + parts[-3:] if parts[1:2] == [2] else parts
    return numbers


def _applied(style: Style, numbers: list[int]) -> Style:
    rest = iter(numbers)
    for code in rest:
        if code == 0:
            style = Style()
        elif code in _ATTRIBUTES:
            style = msgspec.structs.replace(style, **{_ATTRIBUTES[code]: True})
        elif code in _ENDS:
            style = msgspec.structs.replace(style, **dict.fromkeys(_ENDS[code], False))
        elif code in (38, 48):
            color = _extended(rest)
            side = "foreground" if code == 38 else "background"
            style = msgspec.structs.replace(style, **{side: color})
        elif 30 <= code <= 37 or 90 <= code <= 97 or code == 39:
            style = msgspec.structs.replace(style, foreground=_named(code, 30, 90))
        elif 40 <= code <= 47 or 100 <= code <= 107 or code == 49:
            style = msgspec.structs.replace(style, background=_named(code, 40, 100))
    return style


def _named(code: int, first: int, first_bright: int) -> int | None:
    if code >= first_bright:
        return code - first_bright + _BRIGHT
    return None if code == first + 9 else code - first


def _extended(rest: Iterator[int]) -> int | None:
    """`5;n` or `2;r;g;b`, as the nearest named colour."""
    kind = next(rest, None)
    if kind == 2:
        return _nearest(next(rest, 0), next(rest, 0), next(rest, 0))
    if kind != 5:
        return None
    number = next(rest, 0)
    if number < 16:
        return number
    if number < 232:
        red, green, blue = ((number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6)
        return _nearest(red * 51, green * 51, blue * 51)
    level = 8 + 10 * (min(number, 255) - 232)
    return _nearest(level, level, level)


def _nearest(red: int, green: int, blue: int) -> int | None:
    """By hue. Greys: a dark one stays grey, a light one is the reader's own colour, readable on any page."""
    high, low = max(red, green, blue), min(red, green, blue)
    if high - low < _GREY_CONTRAST:
        return _BRIGHT + _BLACK if high < 160 else None
    middle = (high + low) / 2
    return (red > middle) + 2 * (green > middle) + 4 * (blue > middle)
