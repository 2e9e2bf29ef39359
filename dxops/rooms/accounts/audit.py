"""The audit log: who did what, when, from where. Lines are added, never changed; a trigger in the database agrees."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.web import Page, decode_number, page_limit, page_of
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts import repo
from dxops.rooms.accounts.model import AuditEntry, AuditFilter


class AuditLog:
    """Implements the port `Audit`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(
        self,
        tx: AsyncConnection,
        actor: Actor,
        action: str,
        subject: str,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Append `actor` did `action` (`release.promoted`) to `subject` (`hello@prod`). No secrets in `detail`."""
        await repo.add_audit(
            tx,
            {
                "at": self._clock.now(),
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "actor_name": actor.name,
                "action": action,
                "subject": subject,
                "detail": dict(detail or {}),
                "ip": actor.ip,
            },
        )

    async def entries(
        self, actor: Actor, wanted: AuditFilter, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[AuditEntry]:
        """The entries that match, newest first. Needs the scope `read`. Raises `Forbidden`, `Refused`."""
        actor.require(Scope.READ)
        size = page_limit(limit)
        async with self._database.begin() as tx:
            rows = await repo.list_audit(tx, wanted, decode_number(cursor) if cursor else None, size + 1)
        return page_of(rows, size, lambda row: [str(row.seq)], _entry)


def _entry(row: repo.Found) -> AuditEntry:
    return AuditEntry(
        seq=row.seq,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
        ip=row.ip,
    )
