"""Identifiers. Sortable by time, safe in URLs and file names, with a prefix that says what they name."""

from __future__ import annotations

import os
import secrets
import time
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32, lower case


class IdSource(Protocol):
    """Makes ids `<prefix>_<26 characters>`; later ids of one process sort after earlier ones (to the millisecond)."""

    def __call__(self, prefix: str) -> str: ...


def new_id(prefix: str) -> str:
    """ULID-shaped: 48 bits of milliseconds, 80 random bits, as `<prefix>_<26 base32 characters>`."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big")
    characters = [_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(characters)}"


def new_secret(prefix: str) -> str:
    """A credential: `<prefix>_<43 characters>`, 256 random bits. Show once, store only its hash."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"
