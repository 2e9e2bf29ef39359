"""Pure decisions: what a name or password must look like, when to make a guesser wait, when a session is over."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

import msgspec

from dxops.base.actors import ROLE_SCOPES, Role, Scope
from dxops.wire.elastic.names import index_name_fault, matches_any

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.I)

MIN_PASSWORD = 12
MAX_PASSWORD = 256  # argon2 takes any length; a megabyte of it would be work for an attacker's asking

TOUCH_S = 60.0
"""`seen_at` and `last_used_at` are written at most once in this time: a read must not cost a write."""

FORGET_S = 3600.0
"""Failures older than this no longer count."""


class Limit(msgspec.Struct, frozen=True):
    """`free` failures cost nothing; each later one doubles the wait, from one second up to `longest_s`."""

    free: int
    longest_s: float


NAME_LIMIT = Limit(5, 60.0)
"""Short at its longest: whoever guesses at someone's name must not be able to lock that person out."""

IP_LIMIT = Limit(20, 900.0)


def email_fault(email: str) -> str | None:
    """What is wrong with a mail address, or None."""
    return None if _EMAIL.fullmatch(email) and len(email) <= 254 else "is not a mail address"


def normal_password(password: str) -> bytes:
    """One form for what keyboards write differently (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def password_fault(password: str, name: str) -> str | None:
    """What is wrong with a new password, or None."""
    if len(password) < MIN_PASSWORD:
        return f"must have at least {MIN_PASSWORD} characters"
    if len(password) > MAX_PASSWORD:
        return f"must have at most {MAX_PASSWORD} characters"
    if len(set(password)) < 5 or password.casefold().strip("0123456789!?.") == name.casefold():
        return "is too easy to guess"
    return None


def wait_s(failures: int, limit: Limit) -> float:
    """Seconds until the next try is welcome, after `failures` in a row."""
    over = failures - limit.free
    return 0.0 if over < 0 else min(2.0 ** min(over, 30), limit.longest_s)


def throttle_keys(name: str, ip: str | None) -> dict[str, Limit]:
    """What a login is counted under. An IPv6 network of 64 bits counts as one address: it is one customer's."""
    keys = {f"name:{name.casefold()[:200]}": NAME_LIMIT}
    if ip is not None:
        keys[f"ip:{_network(ip)}"] = IP_LIMIT
    return keys


def _network(ip: str) -> str:
    try:
        address = ip_address(ip)
    except ValueError:
        return ip[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)


def session_over(now: datetime, *, seen_at: datetime, expires_at: datetime, idle_s: float) -> bool:
    """True once a session has idled too long or reached its end."""
    return now >= expires_at or now >= seen_at + timedelta(seconds=idle_s)


def due_for_touch(now: datetime, last: datetime | None) -> bool:
    """True when the stored time of last use is old enough to be worth a write."""
    return last is None or (now - last).total_seconds() >= TOUCH_S


def token_scopes(scopes: Iterable[Scope], role: Role | None) -> frozenset[Scope]:
    """What a token may do now: its scopes, and no more than its person's role (None: dxops' own token)."""
    return frozenset(scopes) if role is None else frozenset(scopes) & ROLE_SCOPES[role]


def narrowed(asked: Sequence[str] | None, allowed: frozenset[str] | None) -> tuple[str, ...] | None:
    """The limit of a token made by someone limited to `allowed`: never wider. None means all.

    Raises `ValueError` naming what is asked but not allowed.
    """
    if asked is None:
        return None if allowed is None else tuple(sorted(allowed))
    if allowed is not None and (over := sorted(set(asked) - allowed)):
        raise ValueError(", ".join(over))
    return tuple(sorted(set(asked)))


def narrowed_streams(asked: Sequence[str] | None, allowed: frozenset[str] | None) -> tuple[str, ...] | None:
    """The same for patterns of streams: each one that is asked lies within one that is allowed.

    Raises `ValueError` naming what is not allowed.
    """
    if asked is None:
        return None if allowed is None else tuple(sorted(allowed))
    if allowed is not None and (over := [one for one in asked if not matches_any(one, allowed)]):
        raise ValueError(", ".join(over))
    return tuple(sorted(set(asked)))


def stream_pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern of streams, or None."""
    return index_name_fault(pattern.replace("*", "x").removeprefix(".ds-"))


def mapped_role(claim: object, roles: Mapping[str, str]) -> Role | None:
    """The strongest role that a claim's value (a text or a list) stands for, or None."""
    values = claim if isinstance(claim, list | tuple) else [claim]
    found = {roles[value] for value in values if isinstance(value, str) and value in roles}
    return next((role for role in Role if role.value in found), None)


def safe_name(text: str) -> str:
    """A person's name made of what a provider calls them; may be empty."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.partition("@")[0]).strip("-")[:63].strip("-")


def hashed(secret: str) -> bytes:
    """What is stored of a random secret. One pass of SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
