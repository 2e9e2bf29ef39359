"""`[kube]` of `dxops.toml`."""

from __future__ import annotations

import msgspec


class KubeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The node's own services."""
