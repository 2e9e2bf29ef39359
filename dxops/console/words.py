"""How values read on a page: sizes, ages, durations, states. Pure; registered as Jinja filters in `render.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int | None) -> str:
    """`1.2 MB`: powers of 1000, at most three digits."""
    if count is None:
        return "–"
    value, unit = float(count), 0
    while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    if unit == 0:
        return f"{count} B"
    return f"{value:.1f} {_UNITS[unit]}" if abs(value) < 99.95 else f"{value:.0f} {_UNITS[unit]}"


def signed_size(count: int) -> str:
    """`+1.2 kB`, `−3 B`, `0 B`."""
    if count == 0:
        return "0 B"
    return ("+" if count > 0 else "−") + size(abs(count))


def age(moment: datetime | None, now: datetime) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `2 days ago`, then the date; `in 5 min` for what is ahead."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    ahead = seconds < -1
    seconds = abs(seconds)
    if seconds < 45:
        return "in a moment" if ahead else "just now"
    for limit, step, name in ((5400, 60, "min"), (129_600, 3600, "h"), (2_592_000, 86_400, "day")):
        if seconds < limit:
            count = max(1, round(seconds / step))
            text = f"{count} {name}{'s' if name == 'day' and count != 1 else ''}"
            return f"in {text}" if ahead else f"{text} ago"
    return moment.strftime("%-d %b %Y")


def lasting(seconds: float | None) -> str:
    """`340 ms`, `2.4 s`, `3 min 20 s`, `5 h 12 min`, `3 d 4 h`."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def short_cid(cid: str) -> str:
    """`bafybeigd…q3ye`: enough of both ends to tell two apart."""
    return cid if len(cid) <= 16 else f"{cid[:9]}…{cid[-4:]}"


def short_commit(commit: str | None) -> str:
    return (commit or "")[:7]


def host_of(url: str) -> str:
    """`composer.dxos.localhost` of its URL: what people recognise a link by."""
    rest = url.partition("://")[2] or url
    return rest.partition("/")[0].rpartition("@")[2].partition(":")[0]


def initials(name: str) -> str:
    """Two letters for an avatar."""
    parts = [part for part in name.replace(".", " ").replace("-", " ").replace("@", " ").split() if part]
    return (parts[0][:1] + parts[1][:1] if len(parts) > 1 else (parts[0][:2] if parts else "?")).upper()


def short_id(text: str) -> str:
    """`rel_…4x7q`: what kind of thing it is, and enough to tell two apart."""
    prefix, _, rest = text.partition("_")
    return f"{prefix}_…{rest[-4:]}" if len(rest) == 26 else text


def detail(values: Mapping[str, object]) -> list[tuple[str, str, str, str]]:
    """An audit entry's detail as (name, short value, whole value, address or nothing). What is empty is left out."""
    found = []
    for name, value in values.items():
        if value is None or value == [] or name == "deployment":
            continue
        whole = ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)
        if name in ("release", "from") and whole.startswith("rel_"):
            found.append((name, short_id(whole), whole, f"/releases/{whole}"))
        elif name in ("cid", "root"):
            found.append((name, short_cid(whole), whole, f"/content/{whole}"))
        else:
            found.append((name, short_id(whole)[:80], whole, ""))
    return found


def sparkline(values: Sequence[float]) -> str:
    """The path of a line through `values`, left to right in a box of 100 by 24; nothing for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    points = (
        f"{100 * place / (len(values) - 1):.4g} {22 - 20 * (value - low) / span:.4g}"
        for place, value in enumerate(values)
    )
    return "M" + "L".join(points)


def sentence(text: str) -> str:
    """An error's message as it stands alone on a page: its first letter large, unless that begins a name in quotes."""
    return text[:1].upper() + text[1:]


def json_text(value: object) -> str:
    """JSON to copy, indented by two."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def plural(count: int, word: str, many: str | None = None) -> str:
    """`1 file`, `2 files`, `1,200 entries`."""
    return f"{count:,} {word if count == 1 else many or word + 's'}"
