"""`[kube]` of `dxops.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

TUNNEL_FIELDS = ("app", "environment", "host", "url")
_FIELD = re.compile(r"\{([^{}]*)\}")
_IDENTITY = re.compile(r"04[0-9a-f]{128}")


class IceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One STUN or TURN server that apps are told to use."""

    urls: str
    """`stun:turn.example.org:3478` or `turn:…`."""

    username: str = ""
    """User name, for TURN."""

    credential: str = ""
    """Password, for TURN. Every visitor of an app can read it."""


class KubeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The node's own services."""

    require_token: bool = True
    """Whether Publish and Reset need an access token. Without: whoever reaches the socket may publish, except web
    pages."""

    tunnel_command: tuple[str, ...] = ()
    """Program and arguments that give an app a public URL, e.g. `["cloudflared", "tunnel", "--url", "{url}"]`. Run
    without a shell. `{app}`, `{environment}`, `{host}` and `{url}` (of the app at its origin) are filled in."""

    tunnel_output_re: str = r"(https://\S+)"
    """Finds the public URL in a line of the command's output: the first group, or the whole match."""

    tunnel_wait_s: float = 10.0
    """How long a publish or `dx tunnel set` waits for the public URL of a tunnel that just started."""

    administrators: tuple[str, ...] = ()
    """Identity keys (hex, 130 characters) that `dx kube auth` hands a token to."""

    session_hours: float = 12.0
    """How long such a token is valid."""

    ice: tuple[IceConfig, ...] = ()
    """STUN and TURN servers, as apps read them in `/.well-known/dx/config`."""

    max_sockets: int = 4096
    """RPC sockets open at once, all services together."""

    def faults(self) -> Iterator[tuple[str, str]]:
        for part in self.tunnel_command:
            for name in _FIELD.findall(part):
                if name not in TUNNEL_FIELDS:
                    yield "tunnel_command", f"unknown field {{{name}}}; there are {', '.join(TUNNEL_FIELDS)}"
        if self.tunnel_command and not self.tunnel_command[0].strip():
            yield "tunnel_command", "the program is empty"
        try:
            re.compile(self.tunnel_output_re)
        except re.error as error:
            yield "tunnel_output_re", f"not a regular expression: {error}"
        if not 0 <= self.tunnel_wait_s <= 120:
            yield "tunnel_wait_s", "must be 0 to 120"
        for key in self.administrators:
            if not _IDENTITY.fullmatch(key):
                yield "administrators", f"'{key[:12]}…' is not an identity key: 130 hex digits that start with 04"
        if not 0 < self.session_hours <= 24 * 365:
            yield "session_hours", "must be more than 0 and at most a year"
        if self.max_sockets < 1:
            yield "max_sockets", "must be at least 1"
