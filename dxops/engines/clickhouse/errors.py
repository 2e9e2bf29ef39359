"""What ClickHouse's errors mean to a caller, as our own errors."""

from __future__ import annotations

import re

from dxops.base.errors import DxopsError, Refused, TooLarge, Unavailable
from dxops.wire.clickhouse_http import code_of

_CAPS = {
    158: "the query reads more rows than it may",
    159: "the query ran for longer than it may",
    160: "the query would run for longer than it may",
    241: "the query needs more memory than it may use",
    307: "the query reads or sends more bytes than it may",
    396: "the answer has more rows or bytes than it may",
}
_AWAY = {
    192, 193, 194, 516,  # our credentials
    198, 202, 203, 209, 210, 225, 242, 243, 252, 279, 319, 394, 425, 439, 473, 499, 599, 999, 1000,
}  # fmt: skip
_POSITION = re.compile(r"failed at position (\d+)(?: \(([^)]*)\))?(?: \(line (\d+), col (\d+)\))?")


def error_of(text: str, status: int = 500, retry_after_s: float = 1.0) -> DxopsError:
    """The error for a text of ClickHouse and the status it came with. `code` is `clickhouse_<number>`."""
    number = code_of(text)
    code = f"clickhouse_{number}"
    message = shortened(text)
    if number in _CAPS:
        return TooLarge(f"{_CAPS[number]}: {message}", code=code, hint="narrow the time range or the columns")
    if number in _AWAY or (status in (502, 503, 504) and number == 1002):
        hint = "check the credentials in clickhouse.url" if number in (192, 193, 194, 516) else "try again"
        return Unavailable(f"ClickHouse: {message}", code=code, hint=hint, retry_after_s=retry_after_s)
    position = _POSITION.search(text)
    where = f"look at character {position[1]} of the query" if position else None
    return Refused(message, code=code, hint=where, field="sql")


def shortened(text: str) -> str:
    """The message without code, version and stack."""
    line = re.sub(r"^(Code: \d+\. DB::Exception: )+", "", text.strip())
    line = re.sub(r"(\s*\(version [^)]*\))", "", line)
    return line if len(line) <= 600 else line[:600] + "…"
