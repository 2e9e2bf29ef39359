"""What the supervisor asks the nursery, and its answers: one JSON value in each datagram."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_BYTES: Final = 256 << 10
"""Of one datagram: an environment may be long."""

VARIABLE: Final = "DXOPS_NURSERY"
"""The number of the descriptor on which the nursery is asked."""


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """Make a process that is `dxops …arguments` in this `environment`.

    Descriptors come with it, by `SCM_RIGHTS`, in this order: its output (stdout and stderr) if `has_output`, else it
    has the nursery's; its lifeline if `has_lifeline`.
    """

    arguments: list[str]
    environment: dict[str, str]
    has_output: bool = False
    has_lifeline: bool = False


class Born(msgspec.Struct, frozen=True, kw_only=True):
    """The process, a child of whoever adopts orphans above the nursery; or why there is none."""

    pid: int = 0
    reason: str = ""
