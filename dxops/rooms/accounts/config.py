"""`[accounts]` of `dxops.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from dxops.base.actors import Role
from dxops.rooms.accounts.names import name_fault

_ROLES = ", ".join(Role)


class OidcConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sign-in with your own identity provider (OpenID Connect, authorization code with PKCE)."""

    issuer: str = ""
    """The provider's issuer URL, exactly as its discovery document says. Empty: no OIDC."""

    client_id: str = ""
    """The client registered for dxops, with the redirect URI `<console>/login/oidc/callback`."""

    client_secret: str = ""
    """Its secret; use `env:NAME` or `file:PATH`. Empty for a public client."""

    label: str = "single sign-on"
    """What the button on the login page says after "Sign in with"."""

    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """Asked of the provider."""

    endpoint_hosts: tuple[str, ...] = ()
    """Other hosts where the provider may keep its token and key endpoints. dxops talks to the issuer's own host and
    to these, to nothing else that a discovery document names."""

    allowed_domains: tuple[str, ...] = ()
    """Mail domains that may sign in, by verified address. Empty: all that the provider lets through."""

    auto_create: bool = False
    """Make a person at their first sign-in. Otherwise an owner adds them first, with the same mail address."""

    name_claim: str = "preferred_username"
    """The claim that names a new person; the mail address' first part where it is absent."""

    role_claim: str = "groups"
    """The claim (a text or a list) that `roles` looks at."""

    roles: dict[str, str] = {}
    """Role by claim value: `{ "ops" = "owner", "web" = "developer" }`. The strongest match holds, at every sign-in.
    Empty: roles are kept in dxops."""

    default_role: str = "viewer"
    """Role of people made by `auto_create` that nothing in `roles` matches; empty refuses them."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if not self.issuer:
            return
        parts = urlsplit(self.issuer)
        if not parts.hostname or parts.query or parts.fragment:
            yield "issuer", "must be a URL like https://id.example.org"
        elif parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            yield "issuer", "must start with https:// (http:// only on loopback)"
        if not self.client_id:
            yield "client_id", "required with issuer"
        if "openid" not in self.scopes:
            yield "scopes", "must contain openid"
        for value, role in self.roles.items():
            if role not in list(Role):
                yield f"roles.{value}", f"must be one of {_ROLES}"
        if self.default_role and self.default_role not in list(Role):
            yield "default_role", f"must be one of {_ROLES}, or empty"


class AccountsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """People and credentials."""

    admin_user: str = "admin"
    """Name of the first owner, made at the first start with a random password."""

    session_idle_hours: float = 12.0
    """A session ends when nobody used it for this long."""

    session_days: float = 14.0
    """A session ends this long after login, used or not."""

    oidc: OidcConfig = OidcConfig()

    def faults(self) -> Iterator[tuple[str, str]]:
        if fault := name_fault(self.admin_user):
            yield "admin_user", fault
        if not 0 < self.session_idle_hours <= 24 * 90:
            yield "session_idle_hours", "must be more than 0, at most 2160"
        if not 0 < self.session_days <= 90:
            yield "session_days", "must be more than 0, at most 90"


def is_loopback(host: str) -> bool:
    """True for the names and addresses of this machine's loopback."""
    return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")
