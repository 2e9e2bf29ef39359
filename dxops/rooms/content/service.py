"""The room's use cases: the port `Content`, uploads, looking at content. Upkeep is in `caretaker` and `upkeep`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dxops.base.actors import SYSTEM, Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden, Missing, Refused, TooLarge
from dxops.base.ids import IdSource, new_id
from dxops.base.ports import Completeness, Imported, TreeEntry
from dxops.base.web import Page, decode_moment, page_limit, page_of
from dxops.engines.blocks.port import BlockStore
from dxops.engines.postgres.database import Database
from dxops.rooms.content import dags, repo, upkeep_repo
from dxops.rooms.content.caretaker import Caretaker
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.dag import Dag
from dxops.rooms.content.holds import Holds
from dxops.rooms.content.inspect import inspect
from dxops.rooms.content.model import UPLOAD, HoldKind, ImportRecord, Inspection, Stats
from dxops.rooms.content.replicas import Replicas
from dxops.rooms.content.upkeep import UpkeepRuns
from dxops.wire import dagcbor
from dxops.wire.car import CarDecoder
from dxops.wire.cid import DAG_CBOR, Cid
from dxops.wire.unixfs import V1_256K
from dxops.wire.unixfs_build import build_file

MAX_MISSING = 100_000
_CAR_STEP = 4 * 1024 * 1024  # bytes decoded and stored a trip to a thread


class CarReport(msgspec.Struct, frozen=True):
    """An imported CAR: the roots its header names, and what came with it."""

    roots: list[str]
    blocks: int
    size_bytes: int


class ContentService:
    """Implements the port `Content`. `directory` is where the blocks are, to tell the free space (None: unknown)."""

    def __init__(
        self,
        database: Database,
        blocks: BlockStore,
        config: ContentConfig,
        clock: Clock,
        ids: IdSource = new_id,
        *,
        directory: Path | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._directory = directory
        self.blocks = blocks
        self.config = config
        self.dag = Dag(blocks)
        self.holds = Holds(database, config, clock)
        self.caretaker = Caretaker(database, blocks, self.holds, config, clock)
        self.upkeep = UpkeepRuns(database, self.caretaker, clock, ids)
        self.replicas = Replicas(database, config.kubo_url, clock, self.export_car)

    # the port -------------------------------------------------------------------------------------------------

    async def hold(self, tx: AsyncConnection, root: str, owner: str, *, until: datetime | None = None) -> None:
        await self.holds.hold(tx, root, owner, until=until)

    async def drop(self, tx: AsyncConnection, root: str, owner: str) -> None:
        await self.holds.drop(tx, root, owner)

    async def abandon(self, tx: AsyncConnection, root: str) -> None:
        await self.holds.abandon(tx, root)

    async def check(self, root: str) -> Completeness:
        return await self.dag.measure(Cid.parse(root), touch=True)

    async def holes(self, roots: Sequence[str]) -> list[str]:
        return list((await self.dag.measure(*map(Cid.parse, roots))).missing)

    def tree(self, root: str) -> AsyncIterator[TreeEntry]:
        return self.dag.tree(Cid.parse(root))

    async def read(self, cid: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        parsed = Cid.parse(cid)
        size = (await self.dag.stat(parsed)).size_bytes
        if size is None:
            raise Refused(f"{cid} is not a UnixFS file", code="not_a_file")
        async for chunk in self.dag.read(
            parsed, min(offset, size), size if length is None else min(size, offset + length)
        ):
            yield chunk

    async def read_bytes(self, cid: str, limit_bytes: int) -> bytes:
        size = (await self.dag.stat(Cid.parse(cid))).size_bytes
        if size is not None and size > limit_bytes:
            raise TooLarge(f"{cid} has {size} bytes; at most {limit_bytes} are read here")
        return b"".join([chunk async for chunk in self.read(cid)])

    async def store(self, data: bytes) -> str:
        return (await self.store_many([data]))[0]

    async def store_many(self, items: Sequence[bytes]) -> list[str]:
        def work() -> list[str]:
            roots = []
            with self.blocks.batch() as batch:
                for data in items:
                    link, found = build_file(data, V1_256K)
                    for cid, block in found:
                        batch.put(cid, block)
                    roots.append(str(link.cid))
            return roots

        return await asyncio.to_thread(work)

    async def store_node(self, node: Mapping[str, object], links: Sequence[str]) -> str:
        block = dagcbor.encode({**node, "links": [Cid.parse(link) for link in links]})
        cid = Cid.for_block(block, DAG_CBOR)
        await self.put_block(cid, block)
        return str(cid)

    async def read_node(self, cid: str) -> tuple[dict[str, object], list[str]]:
        value = dagcbor.decode(await self.dag.block(Cid.parse(cid)))
        links = value.get("links") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(links, list):
            raise Refused(f"{cid} is not a node of ours", code="not_a_node")
        return {key: item for key, item in value.items() if key != "links"}, [str(link) for link in links]

    async def missing(self, cids: Sequence[str]) -> list[str]:
        """Those held are freshened: a client that is told "you need not send it" can rely on it for a grace period."""
        if len(cids) > MAX_MISSING:
            raise TooLarge(f"at most {MAX_MISSING} CIDs a call", field="cids")
        parsed = [Cid.parse(cid) for cid in cids]
        absent = {cid.multihash for cid in await asyncio.to_thread(self.blocks.touch_many, parsed)}
        return [given for given, cid in zip(cids, parsed, strict=True) if cid.multihash in absent]

    async def import_car(self, chunks: AsyncIterable[bytes]) -> list[str]:
        return (await self.store_car(chunks)).roots

    # uploads --------------------------------------------------------------------------------------------------

    async def store_car(self, chunks: AsyncIterable[bytes]) -> CarReport:
        """`import_car`, with counts."""
        decoder = CarDecoder()
        count = size = 0
        pending = bytearray()
        batch = self.blocks.batch()

        def work(data: bytes) -> None:
            nonlocal count, size
            for cid, block in decoder.feed(data):
                batch.put(cid, block)
                count, size = count + 1, size + len(block)

        with batch:
            async for chunk in chunks:
                pending += chunk
                if len(pending) >= _CAR_STEP:
                    await asyncio.to_thread(work, bytes(pending))
                    pending.clear()
            await asyncio.to_thread(work, bytes(pending))
            roots = [str(root) for root in decoder.finish()]
            await asyncio.to_thread(batch.commit)
        return CarReport(roots, count, size)

    async def upload_car(
        self, actor: Actor, chunks: AsyncIterable[bytes], *, hold_minutes: float | None = None
    ) -> list[str]:
        """Import a CAR and, with `hold_minutes`, keep its roots that long. Held roots must be whole."""
        report = await self.store_car(chunks)
        for root in report.roots if hold_minutes else ():
            whole = await self.require_held(root, HoldKind.RECURSIVE)
            until = self._clock.now() + timedelta(minutes=hold_minutes or 0)
            async with self._database.begin() as tx:
                await self.holds.hold(tx, root, UPLOAD, until=until)
            await self.record_import(
                Imported(cid=root, profile="car", files=0, size_bytes=0, dag_bytes=whole.dag_bytes), "car", actor
            )
        return report.roots

    async def put_block(self, cid: Cid, data: bytes) -> None:
        """One block, durable."""
        await asyncio.to_thread(self.blocks.put_many, [(cid, data)])

    async def record_import(self, done: Imported, source: str, actor: Actor = SYSTEM) -> None:
        """Keep who imported what, how."""
        record = ImportRecord(
            id=self._ids("imp"),
            root=done.cid,
            profile=done.profile,
            source=source,
            files=done.files,
            size_bytes=done.size_bytes,
            dag_bytes=done.dag_bytes,
            actor=actor.name,
            created_at=self._clock.now(),
        )
        async with self._database.begin() as tx:
            await repo.add_import(tx, record)

    async def require_held(self, root: str, kind: HoldKind) -> Completeness:
        """Raises `Missing` with the first absent block unless `root` is here, whole for a recursive hold."""
        cid = Cid.parse(root)
        if kind is HoldKind.DIRECT:
            size = len(await self.dag.block(cid))
            return Completeness(blocks=1, dag_bytes=size, missing=())
        whole = await self.dag.measure(cid, touch=True)
        if whole.missing:
            raise Missing(
                f"block {whole.missing[0]} of {root} is not held here, and nothing is fetched from elsewhere",
                code="incomplete",
                hint="import it whole first: `dxops add`, or a CAR",
            )
        return whole

    async def export_car(self, root: str) -> AsyncIterator[bytes]:
        """The whole DAG as a CARv1."""
        async for chunk in self.dag.car(Cid.parse(root)):
            yield chunk

    # looking --------------------------------------------------------------------------------------------------

    async def inspect(self, cid: str) -> Inspection:
        """What a CID is, what it links to, and who holds it. Raises `Missing` when the block is not here."""
        found = await asyncio.to_thread(inspect, self.blocks, Cid.parse(cid))
        async with self._database.begin() as tx:
            holds = await self.holds.of(cid)
            records = await repo.imports_of(tx, [found.cid, found.cid_v1])
        return msgspec.structs.replace(found, holds=tuple(holds), imports=tuple(records))

    async def imports(self, *, cursor: str | None = None, limit: int | None = None) -> Page[ImportRecord]:
        """Imports, newest first."""
        size = page_limit(limit)
        before = decode_moment(cursor) if cursor else None
        async with self._database.begin() as tx:
            found = await repo.list_imports(tx, before=before, limit=size + 1)
        return page_of(found, size, lambda one: [one.created_at.isoformat(), one.id], lambda one: one)

    async def pins(self, kind: str = "all") -> AsyncIterator[tuple[str, str, str]]:
        """(cid, `recursive`, `direct` or `indirect`, name); `kind` is one of these or `all`."""
        roots, names = await self.holds.needed(), await self.holds.names()
        for root, found in roots:
            if kind in ("all", found.value):
                yield root, found.value, names.get(root, "")
        if kind in ("all", "indirect"):
            below = await asyncio.to_thread(dags.below, self.blocks, _recursive(roots))
            for cid in below:
                yield cid, "indirect", ""

    async def held_below(self, cid: str) -> str | None:
        """A recursively held root whose DAG has this block, or None."""
        roots = await self.holds.needed()
        found = await asyncio.to_thread(dags.holder_of, self.blocks, _recursive(roots), Cid.parse(cid))
        return None if found is None else str(found)

    async def stats(self) -> Stats:
        """With the last count of blocks: counting them would take seconds for millions."""
        async with self._database.begin() as tx:
            holds, roots, pending = await repo.counts(tx, self._clock.now())
            last = await upkeep_repo.last_counted(tx)
        return Stats(
            blocks=last[0].blocks if last else None,
            bytes=last[0].bytes if last else None,
            counted_at=last[1] if last else None,
            holds=holds,
            roots=roots,
            pending_replications=pending,
            free_bytes=self.free_bytes(),
        )

    def free_bytes(self) -> int:
        """Space left where the blocks are; 0 where that is not known."""
        if self._directory is None:
            return 0
        space = os.statvfs(self._directory)
        return space.f_bavail * space.f_frsize

    async def peer_id(self) -> str:
        """A stable identity for `id`. Nothing is ever signed with it: this node is in no peer-to-peer network."""
        async with self._database.begin() as tx:
            key = await repo.node_key(tx, os.urandom(32))
        return str(Cid(0, 0x70, b"\x00\x24\x08\x01\x12\x20" + key))

    # jobs --------------------------------------------------------------------------------------------------

    async def replicate_pending(self) -> int:
        """A job: pin at the other Kubo node what releases want pinned there; how many succeeded."""
        return await self.replicas.work()

    @staticmethod
    def require_any(actor: Actor, *scopes: Scope) -> None:
        """Raises `Forbidden` unless the actor has one of the scopes."""
        if not any(actor.may(scope) for scope in scopes):
            names = " or ".join(scope.value for scope in scopes)
            raise Forbidden(f"{actor.name} may not do this", hint=f"use a credential with the scope {names}")


def _recursive(roots: Sequence[tuple[str, HoldKind]]) -> list[Cid]:
    return [Cid.parse(root) for root, kind in roots if kind is HoldKind.RECURSIVE]
