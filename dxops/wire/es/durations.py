"""Time spans as requests write them: `30s`, `1m`, `500ms`, `-1`."""

from __future__ import annotations

import re
from typing import Any, Final

from dxops.wire.es.body import json_kind
from dxops.wire.es.errors import ILLEGAL, EsError

_SPAN: Final = re.compile(r"([0-9]{1,12})(?:\.[0-9]{1,9})?(nanos|micros|ms|s|m|h|d)")
_MS: Final = {"nanos": 1e-6, "micros": 1e-3, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(value: Any, key: str) -> int:
    """Milliseconds; -1 where the request says "never"."""
    if value in (-1, "-1"):
        return -1
    if value in (0, "0"):
        return 0
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        reason = (
            f"failed to parse setting [{key}] with value {json_kind(value)} as a time value: unit is missing or unknown"
        )
        raise EsError(ILLEGAL, reason, key=key)
    return int(float(value[: found.start(2)]) * _MS[found[2]])
