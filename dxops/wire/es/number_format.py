"""`format` of numbers: Java's DecimalFormat patterns, as far as common: `0.00`, `#,##0.0`, `0.0%`, `$0`, `000`."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache
from typing import Final

import msgspec

from dxops.wire.es.errors import ILLEGAL, EsError

_PATTERN: Final = re.compile(r"([^#0,.;E']*)([#,]*[0,]*)(?:\.(0*)(#*))?([^#0,.;E']*)")


class NumberFormat(msgspec.Struct, frozen=True):
    prefix: str
    suffix: str
    whole: int  # least digits before the point
    grouping: int  # digits between commas; 0 is none
    least: int  # digits after the point
    most: int

    def write(self, value: float) -> str:
        """`value` as text, rounded half to even."""
        number = Decimal(str(value))
        scale = 100 if "%" in self.prefix + self.suffix else 1000 if "‰" in self.prefix + self.suffix else 1
        with localcontext(prec=500):  # a double has up to 309 digits before the point
            rounded = (number * scale).quantize(Decimal(1).scaleb(-self.most), ROUND_HALF_EVEN)
        whole, _, fraction = f"{rounded.copy_abs():f}".partition(".")
        whole = whole.lstrip("0").rjust(self.whole, "0")
        fraction = fraction[: self.least] + fraction[self.least :].rstrip("0")
        if self.grouping:
            first = len(whole) % self.grouping or self.grouping
            rest = [whole[at : at + self.grouping] for at in range(first, len(whole), self.grouping)]
            whole = ",".join([whole[:first], *rest])
        sign = "-" if rounded < 0 else ""
        return (
            sign
            + self.prefix
            + (whole or ("0" if not fraction else ""))
            + (f".{fraction}" if fraction else "")
            + self.suffix
        )


@lru_cache(maxsize=128)
def number_format(pattern: str) -> NumberFormat:
    """Raises `EsError` for a pattern beyond these."""
    found = _PATTERN.fullmatch(pattern) if len(pattern) < 100 else None
    if found is None or not (found[2] or found[3] or found[4]):
        raise EsError(
            ILLEGAL, f"Invalid number format [{pattern[:80]}]: patterns like #,##0.00 are supported", key="format"
        )
    whole, least, optional = found[2] or "", len(found[3] or ""), len(found[4] or "")
    grouping = len(whole) - whole.rindex(",") - 1 if "," in whole else 0
    return NumberFormat(found[1], found[5], whole.count("0"), grouping, least, least + optional)
