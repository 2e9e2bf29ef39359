"""What to do with a role, decided without clock or processes."""

from __future__ import annotations

from enum import StrEnum

FIRST_DELAY_S = 0.2
LAST_DELAY_S = 30.0
SETTLED_S = 60.0  # healthy for this long: earlier crashes no longer count
STALLED_S = 30.0  # no heartbeat for this long: the event loop hangs
START_LIMIT_S = 60.0  # not ready by then: killed and tried again

HOPELESS_EXIT = 2  # of `dxops setup`: the configuration is at fault, trying again will fail the same way


class RoleStatus(StrEnum):
    """The state of a role, as `dxops status` shows it."""

    STARTING = "starting"
    HEALTHY = "healthy"
    STALLED = "stalled"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"


def restart_delay_s(crashes_in_a_row: int) -> float:
    """0.2 s after the first crash, doubled each time, at most 30 s."""
    return min(FIRST_DELAY_S * 2.0 ** max(0, crashes_in_a_row - 1), LAST_DELAY_S)


def crashes_after_exit(crashes_in_a_row: int, healthy_for_s: float | None) -> int:
    """The crash count after one more exit: starts over if the role had been healthy for a minute."""
    return 1 if healthy_for_s is not None and healthy_for_s >= SETTLED_S else crashes_in_a_row + 1


def should_kill(status: RoleStatus, in_status_s: float, silent_s: float) -> str | None:
    """Why a running role has to be killed now, or None."""
    if status is RoleStatus.STARTING and in_status_s > START_LIMIT_S:
        return f"not ready after {START_LIMIT_S:.0f} s"
    if status is RoleStatus.HEALTHY and silent_s > STALLED_S:
        return f"no heartbeat for {STALLED_S:.0f} s"
    return None
