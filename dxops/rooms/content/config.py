"""`[content]` of `dxops.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class ContentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks, pins and collection."""

    grace_hours: float = 24.0
    """How long a block that nothing needs stays after it was last written or used by a publish."""

    add_pin_days: float = 7.0
    """How long `add` with `pin=true` keeps what no release refers to; 0 keeps it until `pin/rm`."""

    kubo_url: str = ""
    """RPC address of a Kubo node that is to pin every released CID too, e.g. `http://127.0.0.1:5101`."""

    rpc_auth: str = "auto"
    """Whether Kubo RPC wants a token: `auto` (only where it listens beyond loopback), `always` or `never`."""

    rpc_hosts: tuple[str, ...] = ()
    """Host names, besides loopback ones, by which Kubo RPC may be called."""

    gateway_hosts: tuple[str, ...] = ("localhost",)
    """Host names whose `/ipfs/<cid>` redirects to `<cid>.ipfs.<host>`, one origin per site."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.grace_hours < 0:
            yield "grace_hours", "must not be negative"
        if self.add_pin_days < 0:
            yield "add_pin_days", "must not be negative"
        if self.kubo_url and not self.kubo_url.startswith(("http://", "https://")):
            yield "kubo_url", "must start with http:// or https://"
        if self.rpc_auth not in ("auto", "always", "never"):
            yield "rpc_auth", "must be auto, always or never"
        for key in ("rpc_hosts", "gateway_hosts"):
            for host in getattr(self, key):
                if not _HOST.fullmatch(host):
                    yield key, f"'{host}' is not a host name in lower case without port"
