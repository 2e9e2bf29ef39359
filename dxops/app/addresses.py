"""Whether an address may be listened on, asked before anything starts. Loads nothing heavy: the supervisor asks too."""

from __future__ import annotations

import errno
import socket

from dxops.base.errors import Unavailable


def both_loopbacks(address: str) -> list[tuple[str, int]]:
    """(host, port) to listen on for `host:port`: with 127.0.0.1 also ::1 where the machine has it."""
    host, _, port = address.rpartition(":")
    found = [(host.strip("[]"), int(port))]
    if host == "127.0.0.1" and _has_ipv6_loopback():
        found.append(("::1", int(port)))
    return found


def require_free(name: str, host: str, port: int) -> None:
    """Raises `Unavailable` where another program listens, or the address is not this machine's. Granian binds with
    SO_REUSEPORT, so a second instance would silently share the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken by another program" if error.errno == errno.EADDRINUSE else f"is not ours: {error}"
            raise Unavailable(
                f"the address {host}:{port} for listen.{name} {reason}",
                hint=f"stop the other program, or set listen.{name} in dxops.toml",
            ) from error


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
