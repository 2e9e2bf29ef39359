"""Memory twins of what delivery calls. Holds and audit entries follow the transaction: a rollback forgets them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import Actor
from dxops.base.errors import Missing
from dxops.base.ports import Completeness, Prepared, ReleasedFile


def cid_of(data: bytes) -> str:
    """The real CIDv1 (raw, sha2-256) of a small file."""
    return "b" + base64.b32encode(b"\x01\x55\x12\x20" + hashlib.sha256(data).digest()).decode().lower().rstrip("=")


def on_commit(tx: AsyncConnection, change: Callable[[], None]) -> None:
    """Run `change` if this transaction commits."""
    done = False

    def committed(_: object) -> None:
        nonlocal done
        if not done:
            done = True
            change()

    def rolled_back(_: object) -> None:
        nonlocal done
        done = True

    sa.event.listen(tx.sync_connection, "commit", committed)
    sa.event.listen(tx.sync_connection, "rollback", rolled_back)


class TwinContent:
    """Trees of files by made-up root CIDs; `holds` by (root, owner); `lost` are blocks that are gone."""

    def __init__(self) -> None:
        self.trees: dict[str, dict[str, bytes]] = {}
        self.holds: set[tuple[str, str]] = set()
        self.abandoned: list[str] = []
        self.lost: dict[str, str] = {}
        self.gate: asyncio.Event | None = None  # while set and not open, `check` waits

    def add(self, files: Mapping[str, bytes]) -> str:
        root = cid_of(msgspec.json.encode({path: cid_of(data) for path, data in sorted(files.items())}))
        self.trees[root] = dict(files)
        return root

    def held_by(self, owner: str) -> set[str]:
        return {root for root, holder in self.holds if holder == owner}

    async def check(self, root: str) -> Completeness:
        if self.gate is not None:
            await self.gate.wait()
        if root in self.lost:
            return Completeness(blocks=1, dag_bytes=0, missing=(self.lost[root],))
        known = root in self.trees or root.startswith("manifest-")
        return Completeness(blocks=1, dag_bytes=1, missing=() if known else (root,))

    async def holes(self, roots: Sequence[str]) -> list[str]:
        return [block for root in roots for block in (await self.check(root)).missing]

    async def hold(self, tx: AsyncConnection, root: str, owner: str, *, until: datetime | None = None) -> None:
        on_commit(tx, lambda: self.holds.add((root, owner)))

    async def drop(self, tx: AsyncConnection, root: str, owner: str) -> None:
        on_commit(tx, lambda: self.holds.discard((root, owner)))

    async def abandon(self, tx: AsyncConnection, root: str) -> None:
        on_commit(tx, lambda: self.abandoned.append(root))


class TwinPreparer:
    """A manifest is named after its root."""

    def __init__(self, content: TwinContent) -> None:
        self.content = content

    async def prepare(self, root: str) -> Prepared:
        size = sum(len(data) for data in self.content.trees[root].values())
        files = len(self.content.trees[root])
        return Prepared(manifest=f"manifest-{root}", files=files, size_bytes=size, prepared_bytes=size // 2)

    async def files(self, manifest: str) -> list[ReleasedFile]:
        root = manifest.removeprefix("manifest-")
        if root not in self.content.trees:
            raise Missing(f"no block {manifest}")
        return [
            ReleasedFile(path=path, cid=cid_of(data), size_bytes=len(data), content_type="text/plain")
            for path, data in sorted(self.content.trees[root].items())
        ]


class TwinAudit:
    """`entries` are (actor, action, subject, detail)."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, dict[str, object]]] = []

    async def record(
        self,
        tx: AsyncConnection,
        actor: Actor,
        action: str,
        subject: str,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        on_commit(tx, lambda: self.entries.append((actor.name, action, subject, dict(detail or {}))))
