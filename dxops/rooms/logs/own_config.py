"""`[own_logs]` of `dxops.toml`."""

from __future__ import annotations

import msgspec


class OwnLogsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What dxops itself writes, in its own log room."""

    follow: bool = True
    """Whether the roles' logs (stream `dxops-roles`) and the app hosts' access log (`dxops-access`) are taken in."""
