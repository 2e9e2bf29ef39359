"""The console's cookies, and what a page needs to know about who looks at it."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from typing import Any

from litestar.datastructures import Cookie

from dxops.console.security import Address
from dxops.rooms.accounts.model import SessionActor, SignedIn

_SESSION = "dxops_session"
_OIDC = "dxops_oidc"
_VALUE = re.compile(r"[A-Za-z0-9_.~-]{1,4000}")


def session_cookie_name(*, tls: bool) -> str:
    """`__Host-` makes browsers insist on Secure, Path=/ and no Domain; it exists only over TLS."""
    return f"__Host-{_SESSION}" if tls else _SESSION


def session_cookie(secret: str, address: Address, *, max_age_s: int) -> Cookie:
    """The cookie that holds a session. It goes with nothing that another site starts."""
    return Cookie(
        key=session_cookie_name(tls=address.tls),
        value=secret,
        path="/",
        httponly=True,
        secure=address.tls,
        samesite="strict",
        max_age=max_age_s,
    )


def cookie_for(connection: Any, signed_in: SignedIn, now: datetime) -> Cookie:
    """The cookie of a session just opened, for whoever asked."""
    left = signed_in.session.expires_at - now
    return session_cookie(signed_in.secret, address_of(connection), max_age_s=int(left.total_seconds()))


def no_session_cookie(address: Address) -> Cookie:
    """Takes the session cookie away."""
    return session_cookie("", address, max_age_s=0)


def oidc_cookie(value: str, address: Address, *, max_age_s: int) -> Cookie:
    """Remembers a sign-in under way at the provider. Lax: the way back is a link that starts on the provider's site."""
    return Cookie(
        key=oidc_cookie_name(tls=address.tls),
        value=value,
        path="/",
        httponly=True,
        secure=address.tls,
        samesite="lax",
        max_age=max_age_s,
    )


def oidc_cookie_name(*, tls: bool) -> str:
    return f"__Host-{_OIDC}" if tls else _OIDC


def cookie(header: str | None, name: str) -> str | None:
    """One cookie's value. None also where the header holds it twice: another port of this host may have set one."""
    parts = [] if header is None else [part.strip() for part in header.split(";")]
    found = [part[len(name) + 1 :] for part in parts if part.startswith(f"{name}=")]
    return found[0] if len(found) == 1 and _VALUE.fullmatch(found[0]) else None


def csrf_token(session_secret: str) -> str:
    """The token that forms of this session carry. Derived, so there is nothing to store; a page of another origin can
    neither read it nor make it."""
    return hmac.new(session_secret.encode(), b"dxops csrf", hashlib.sha256).hexdigest()


def csrf_matches(session_secret: str, sent: str | None) -> bool:
    return sent is not None and hmac.compare_digest(csrf_token(session_secret).encode(), sent.encode())


def session_of(connection: Any) -> SessionActor | None:
    """The browser session behind a request, or None (a token, or nobody). `connection` is any ASGI connection."""
    found = connection.scope.get("session_actor")
    return found if isinstance(found, SessionActor) else None


def address_of(connection: Any) -> Address:
    """How the request addressed us."""
    found = connection.scope["address"]
    assert isinstance(found, Address)
    return found


def page_context(connection: Any) -> dict[str, object]:
    """What every page's template gets: `person` (or None), `csrf` (for `<input name="csrf_token">` and the header
    `X-CSRF-Token`), `path`."""
    session = session_of(connection)
    secret = connection.scope.get("session_secret")
    return {
        "person": None if session is None else session.person,
        "csrf": csrf_token(secret) if session is not None and isinstance(secret, str) else "",
        "path": connection.scope["path"],
    }
