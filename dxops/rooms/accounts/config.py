"""`[accounts]` of `dxops.toml`."""

from __future__ import annotations

import msgspec


class AccountsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """People and credentials."""

    admin_user: str = "admin"
    """Name of the first owner, made at the first start with a random password."""
