"""The room as one object: what `app/` builds once per process and hands to whoever needs a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dxops.base.actors import SYSTEM, Role, Scope
from dxops.base.clock import Clock
from dxops.base.ids import IdSource, new_id
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts import repo
from dxops.rooms.accounts.audit import AuditLog
from dxops.rooms.accounts.config import AccountsConfig
from dxops.rooms.accounts.oidc import Oidc
from dxops.rooms.accounts.passwords import Passwords
from dxops.rooms.accounts.people import People, new_password
from dxops.rooms.accounts.sessions import Sessions
from dxops.rooms.accounts.tokens import Tokens


class Accounts:
    """`audit` implements the port `Audit`, `tokens` the port `Authenticator`. `oidc` is None unless configured.

    `watch` must run as a task in each process that serves (prompt revocation); `housekeep` once a day anywhere.
    """

    def __init__(
        self,
        database: Database,
        config: AccountsConfig,
        clock: Clock,
        ids: IdSource = new_id,
        *,
        passwords: Passwords | None = None,
    ) -> None:
        passwords = passwords or Passwords()
        self._database = database
        self._config = config
        self.audit = AuditLog(database, clock)
        self.people = People(database, self.audit, passwords, clock, ids)
        self.sessions = Sessions(database, self.audit, passwords, config, clock, ids)
        self.tokens = Tokens(database, self.audit, clock, ids)
        self.oidc = Oidc(config.oidc, self.people, clock) if config.oidc.issuer else None

    async def bootstrap(self, password: str | None = None) -> str | None:
        """Make the first owner where there is nobody yet; returns their password, once, else None.

        Give `password` (from `new_first_password()`, already written to its file) so that a crash between the two
        cannot lock everyone out.
        """
        password = password or new_first_password()
        async with self._database.begin() as tx:
            if await repo.count_people(tx):
                return None
        await self.people.add(SYSTEM, self._config.admin_user, role=Role.OWNER, password=password)
        return password

    async def ensure_token(
        self,
        name: str,
        secret: str,
        scopes: Iterable[Scope],
        *,
        apps: Sequence[str] | None = None,
        environments: Sequence[str] | None = None,
    ) -> bool:
        """Register dxops' own token under `name`, see `Tokens.ensure`. False: that secret was revoked, make another."""
        return await self.tokens.ensure(SYSTEM, name, secret, scopes, apps=apps, environments=environments)

    async def watch(self) -> None:
        """Follow what other processes change. Never ends by itself; cancel it."""
        await self.tokens.watch()

    async def housekeep(self) -> int:
        """Remove ended sessions and old login failures; how many rows."""
        return await self.sessions.forget_stale()


def new_first_password() -> str:
    """A random password for `bootstrap`."""
    return new_password()
