"""What the console needs of the house. `app/` gives it; tests give their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from dxops.base.clock import Clock
from dxops.base.ports import Roles
from dxops.base.spooled import SpoolView
from dxops.base.trouble import Trouble
from dxops.rooms.accounts.service import Accounts
from dxops.rooms.content.service import ContentService
from dxops.rooms.delivery.service import Delivery
from dxops.rooms.logs.keeping import Keeping


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One effective setting. `value` is already fit to show: secrets are hidden. `changed`: not the default."""

    key: str
    value: str
    changed: bool


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """One place on disk. `path` is for people; `used_bytes` None where it was not measured."""

    name: str
    path: str
    used_bytes: int | None
    free_bytes: int | None


class Installation(Protocol):
    """This installation as its operator sees it. None of it holds a secret."""

    def addresses(self) -> Mapping[str, str]:
        """Endpoint keys of CONTRACT.md to addresses; keys that are credentials are left out."""
        ...

    def configuration(self) -> Sequence[Setting]:
        """The effective `dxops.toml`, in its order."""
        ...

    async def storage(self) -> Sequence[Storage]:
        """The data directory and the engines in it."""
        ...


class ConsoleHouse(Protocol):
    """Services that pages are made of."""

    @property
    def clock(self) -> Clock: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def content(self) -> ContentService: ...
    @property
    def delivery(self) -> Delivery: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def installation(self) -> Installation: ...
    @property
    def spool(self) -> SpoolView: ...
    @property
    def keeping(self) -> Keeping: ...
    def troubles(self) -> Sequence[Trouble]:
        """What is wrong as of a few seconds ago, the worst first."""
        ...
