"""Password hashing: argon2id, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from dxops.rooms.accounts.rules import normal_password

_AT_ONCE = 2  # 2 x 46 MiB: a crowd at the login page must not eat the memory of a small machine


class Passwords:
    """Hashes and checks. 46 MiB and two passes: above OWASP's floor for argon2id, about 0.1 s of one core."""

    def __init__(self, *, memory_kib: int = 47_104, passes: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded hash, with its own salt and parameters."""
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, normal_password(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the one behind `stored`. With None it works as long and says no, so that time does
        not tell who exists."""
        async with self._gate:
            return await asyncio.to_thread(self._matches, stored, password)

    def outdated(self, stored: str) -> bool:
        """True when `stored` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str | None, password: str) -> bool:
        if stored is None and self._decoy is None:
            self._decoy = self._hasher.hash(secrets.token_urlsafe(16))
        try:
            self._hasher.verify(stored or self._decoy or "", normal_password(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None
