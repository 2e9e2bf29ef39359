"""Pure decisions of the room."""

from __future__ import annotations

from typing import Final

from dxops.rooms.content.model import Progress, Step, UpkeepKind

_SHARES: Final[dict[UpkeepKind, dict[Step, tuple[int, int]]]] = {
    UpkeepKind.VERIFY: {Step.COUNTING: (0, 2), Step.READING: (2, 85), Step.WALKING: (85, 100)},
    UpkeepKind.COLLECT: {Step.MARKING: (0, 50), Step.SWEEPING: (50, 100)},
    UpkeepKind.PREVIEW: {Step.MARKING: (0, 50), Step.SWEEPING: (50, 100)},
    UpkeepKind.COUNT: {Step.COUNTING: (0, 100)},
}
"""Where each step begins and ends, in percent: reading every byte is most of a verification."""


def percent(kind: UpkeepKind, progress: Progress) -> int | None:
    """How much of a run is done, 0 to 99 (only the report makes it 100); None where nothing is known yet.

    A total may be an old count, so a step that outgrows it stays just below its end.
    """
    if progress.step not in _SHARES[kind]:
        return None
    first, last = _SHARES[kind][progress.step]
    if not progress.total:
        return first or None
    return min(first + (last - first) * min(progress.done, progress.total) // progress.total, 99)
