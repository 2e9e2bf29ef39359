"""ILM policies and data stream lifecycles as limits: what the original would delete, and when. Pure.

The original deletes indices, `delete.min_age` after they were rolled over. Documents are not kept by index here, so
each is kept as long as the original would have kept it at the longest: `rollover.max_age` and `delete.min_age`
together. A policy that deletes at once after a rollover by size or count is a bound of size or count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "micros": 1e-3, "nanos": 1e-6}
_BYTES: Final = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_DURATION: Final = re.compile(r"\s*(\d+)\s*(ms|micros|nanos|s|m|h|d)\s*", re.IGNORECASE)
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)b?\s*", re.IGNORECASE)
_ROLLOVER_SIZES: Final = ("max_size", "max_primary_shard_size")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept at most; None is no bound."""

    days: int | None = None
    bytes: int | None = None
    documents: int | None = None


def kept_by_policy(body: Mapping[str, Any]) -> Kept | None:
    """Of `{"policy": {"phases": …}}`. None for a policy that deletes nothing, or that cannot be read."""
    phases = _mapping(_mapping(body.get("policy", body)).get("phases"))
    delete = phases.get("delete")
    if not isinstance(delete, Mapping):
        return None
    actions = delete.get("actions", {"delete": {}})
    if not isinstance(actions, Mapping) or "delete" not in actions:
        return None
    rollover = _mapping(_mapping(_mapping(phases.get("hot")).get("actions")).get("rollover"))
    after_ms = duration_ms(delete.get("min_age", "0ms"))
    if after_ms is None:
        return None
    age_ms = duration_ms(rollover.get("max_age")) if "max_age" in rollover else None
    if after_ms == 0:
        sizes = [size for key in _ROLLOVER_SIZES if (size := size_bytes(rollover.get(key))) is not None]
        documents = rollover.get("max_docs")
        kept = Kept(
            days=None if age_ms is None else _days(age_ms),
            bytes=min(sizes, default=None),
            documents=documents if isinstance(documents, int) and documents > 0 else None,
        )
        return None if kept == Kept() and rollover else kept if kept != Kept() else None
    return Kept(days=_days(after_ms + (age_ms or 0)))


def kept_by_lifecycle(lifecycle: Mapping[str, Any] | None) -> Kept | None:
    """Of a data stream's `{"data_retention": "7d", "enabled": true}`."""
    if not isinstance(lifecycle, Mapping) or lifecycle.get("enabled") is False:
        return None
    kept_ms = duration_ms(lifecycle.get("data_retention"))
    return None if kept_ms is None or kept_ms <= 0 else Kept(days=_days(kept_ms))


def duration_ms(value: object) -> float | None:
    """`30d`, `12h`, `0`; None for what is none."""
    if value in (0, "0", "-1", -1):
        return 0.0 if value in (0, "0") else None
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else int(match[1]) * _MS[match[2].lower()]


def size_bytes(value: object) -> int | None:
    """`50gb` in powers of 1024, as the original counts; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value > 0 else None
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else int(float(match[1]) * _BYTES[match[2].lower() or "b"]) or None


def _days(ms: float) -> int:
    """Whole days, a part of one counted as one."""
    return math.ceil(ms / _MS["d"])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
