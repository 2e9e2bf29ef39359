"""How an expected error ends a command: told on stderr, never as a traceback, and an exit status."""

from __future__ import annotations

import sys

from dxops.base.errors import ConfigFaults, DxopsError
from dxops.engines.postgres.refusals import REFUSES


def say(text: str) -> None:
    """For people: stderr, so that stdout stays data."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def told(error: DxopsError) -> int:
    """Say what and what next. The status: 2 for what is wrong in the configuration and will fail the same way again,
    else 1."""
    say(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
    return 2 if isinstance(error, ConfigFaults) or error.code == REFUSES else 1
