"""Who needs which DAG: holds of releases, uploads and pins, and the queue for the other Kubo node that follows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.clock import Clock
from dxops.base.web import Page, decode_cursor, page_limit, page_of
from dxops.engines.postgres.database import Database
from dxops.rooms.content import repo
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.model import PIN, RELEASE_PREFIX, UPLOAD, Hold, HoldKind
from dxops.wire.cid import Cid


class Holds:
    """The methods that take `tx` act if and only if it commits."""

    def __init__(self, database: Database, config: ContentConfig, clock: Clock) -> None:
        self._database = database
        self._config = config
        self._clock = clock

    async def hold(
        self,
        tx: AsyncConnection,
        root: str,
        owner: str,
        *,
        until: datetime | None = None,
        kind: HoldKind = HoldKind.RECURSIVE,
        name: str = "",
    ) -> None:
        """Keep `root` for `owner`. Idempotent; never shortens an earlier hold of the same owner."""
        now = self._clock.now()
        text = str(Cid.parse(root))
        await repo.put_hold(tx, Hold(root=text, owner=owner, kind=kind, name=name[:255], created_at=now, until=until))
        if self._config.kubo_url and owner.startswith(RELEASE_PREFIX):
            await repo.want_replication(tx, text, "pin", now)

    async def drop(self, tx: AsyncConnection, root: str, owner: str) -> int:
        """End `owner`'s hold; 1 if there was one. The last release to let go also unpins at the other Kubo node."""
        text = str(Cid.parse(root))
        dropped = await repo.drop_hold(tx, [text], owner)
        if owner.startswith(RELEASE_PREFIX) and not await repo.released(tx, text, self._clock.now()):
            await repo.unpin_replica(tx, text, self._clock.now())
        return dropped

    async def abandon(self, tx: AsyncConnection, root: str) -> None:
        """Drop the hold that uploads made on `root`, in either CID version (a bundle's CID may come back as v1)."""
        await repo.drop_hold(tx, spellings(root), UPLOAD)

    async def hold_upload(self, root: str) -> None:
        """What `add` with `pin=true` means: keep it for `add_pin_days`, so that its publish finds it."""
        days = self._config.add_pin_days
        until = self._clock.now() + timedelta(days=days) if days else None
        async with self._database.begin() as tx:
            await self.hold(tx, root, UPLOAD, until=until)

    async def pin(self, root: str, *, kind: HoldKind = HoldKind.RECURSIVE, name: str = "") -> None:
        """A pin by hand, kept until `unpin`."""
        async with self._database.begin() as tx:
            await self.hold(tx, root, PIN, kind=kind, name=name)

    async def unpin(self, root: str) -> bool:
        """End a pin by hand and an upload's. False when there was neither."""
        async with self._database.begin() as tx:
            dropped = await repo.drop_hold(tx, spellings(root), PIN)
            return bool(dropped + await repo.drop_hold(tx, spellings(root), UPLOAD))

    async def of(self, root: str) -> list[Hold]:
        """Who holds `root` itself (not what is above it)."""
        async with self._database.begin() as tx:
            return await repo.holds_of(tx, spellings(root), self._clock.now())

    async def page(
        self, *, owners: Sequence[str] = (), cursor: str | None = None, limit: int | None = None
    ) -> Page[Hold]:
        """Holds by root and owner."""
        size = page_limit(limit)
        after = None
        if cursor is not None:
            root, owner = decode_cursor(cursor, 2)
            after = (root, owner)
        async with self._database.begin() as tx:
            found = await repo.list_holds(tx, self._clock.now(), owners=owners, after=after, limit=size + 1)
        return page_of(found, size, lambda hold: [hold.root, hold.owner], lambda hold: hold)

    async def needed(self) -> list[tuple[str, HoldKind]]:
        """Every root that is held now."""
        async with self._database.begin() as tx:
            return await repo.needed(tx, self._clock.now())

    async def names(self) -> dict[str, str]:
        """By root, where a hold has a name."""
        async with self._database.begin() as tx:
            return await repo.names(tx, self._clock.now())


def spellings(root: str) -> list[str]:
    """The texts under which the same DAG may have been held: as v1, and as v0 where that exists."""
    cid = Cid.parse(root)
    found = [str(cid), str(cid.to_v1())]
    if cid.version == 1 and cid.codec == 0x70 and cid.multihash[:2] == b"\x12\x20":
        found.append(str(Cid(0, 0x70, cid.multihash)))
    return sorted(set(found))
