"""Memory twins of the ports, for tests that are about something else than storage."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from dxops.base.errors import Missing, TooLarge, Unavailable
from dxops.base.ports import Completeness, LiveSite, SiteTable, TreeEntry


def fake_cid(data: bytes) -> str:
    """The real CIDv1 (raw, sha2-256) of a small file: a stable name for bytes."""
    return "b" + base64.b32encode(b"\x01\x55\x12\x20" + hashlib.sha256(data).digest()).decode().lower().rstrip("=")


class MemoryContent:
    """The port `Content` in a dict. `add_tree` makes trees; `lose` removes a block; `reads` counts what was read."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}
        self.trees: dict[str, list[TreeEntry]] = {}
        self.holds: dict[str, set[str]] = {}
        self.reads: list[str] = []
        self.chunk = 256 * 1024

    def add_tree(self, files: Mapping[str, bytes], symlinks: Mapping[str, str] | None = None) -> str:
        folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
        entries = [
            TreeEntry(path=path, kind="directory", cid=fake_cid(path.encode()), size_bytes=0) for path in folders
        ]
        for path, data in files.items():
            cid = fake_cid(data)
            self.blocks[cid] = data
            entries.append(TreeEntry(path=path, kind="file", cid=cid, size_bytes=len(data)))
        for path, target in (symlinks or {}).items():
            cid = fake_cid(target.encode())
            entries.append(TreeEntry(path=path, kind="symlink", cid=cid, size_bytes=len(target), target=target))
        entries.sort(key=lambda entry: entry.path)
        root = fake_cid(msgspec.json.encode(entries))
        self.trees[root] = [TreeEntry(path="", kind="directory", cid=root, size_bytes=0), *entries]
        return root

    def lose(self, cid: str) -> None:
        self.blocks.pop(cid, None)
        self.trees.pop(cid, None)

    def _get(self, cid: str) -> bytes:
        self.reads.append(cid)
        if cid not in self.blocks:
            raise Missing(f"no block {cid}")
        return self.blocks[cid]

    async def check(self, root: str) -> Completeness:
        gone = [
            entry.cid for entry in self.trees.get(root, []) if entry.kind == "file" and entry.cid not in self.blocks
        ]
        if root not in self.trees and root not in self.blocks:
            gone.insert(0, root)
        return Completeness(blocks=len(self.trees.get(root, [])), dag_bytes=0, missing=tuple(gone[:20]))

    async def holes(self, roots: Sequence[str]) -> list[str]:
        return [block for root in roots for block in (await self.check(root)).missing]

    async def hold(self, tx: Any, root: str, owner: str, *, until: datetime | None = None) -> None:
        self.holds.setdefault(root, set()).add(owner)

    async def drop(self, tx: Any, root: str, owner: str) -> None:
        self.holds.get(root, set()).discard(owner)

    async def abandon(self, tx: Any, root: str) -> None:
        self.holds.pop(root, None)

    async def tree(self, root: str) -> AsyncIterator[TreeEntry]:
        if root not in self.trees:
            raise Missing(f"no tree {root}")
        for entry in self.trees[root]:
            yield entry

    async def read(self, cid: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        data = self._get(cid)[offset : None if length is None else offset + length]
        for start in range(0, len(data), self.chunk):
            await asyncio.sleep(0)
            yield data[start : start + self.chunk]

    async def read_bytes(self, cid: str, limit_bytes: int) -> bytes:
        data = self._get(cid)
        if len(data) > limit_bytes:
            raise TooLarge(f"{cid} is over {limit_bytes} bytes")
        return data

    async def store(self, data: bytes) -> str:
        return (await self.store_many([data]))[0]

    async def store_many(self, items: Sequence[bytes]) -> list[str]:
        cids = [fake_cid(data) for data in items]
        self.blocks.update(zip(cids, items, strict=True))
        return cids

    async def store_node(self, node: Mapping[str, object], links: Sequence[str]) -> str:
        data = msgspec.msgpack.encode({**node, "links": list(links)})
        return await self.store(data)

    async def read_node(self, cid: str) -> tuple[dict[str, object], list[str]]:
        node = msgspec.msgpack.decode(self._get(cid))
        return node, node.pop("links")

    async def missing(self, cids: Sequence[str]) -> list[str]:
        return [cid for cid in cids if cid not in self.blocks and cid not in self.trees]

    async def import_car(self, chunks: AsyncIterable[bytes]) -> list[str]:
        raise NotImplementedError


class MemorySites:
    """The port `Sites` as a value that tests replace: `flip` sets a site, `take_down` removes it."""

    def __init__(self, table: SiteTable) -> None:
        self.current = table
        self.away = False
        self._version = 0
        self._changed = asyncio.Condition()

    async def table(self) -> SiteTable:
        if self.away:
            raise Unavailable("PostgreSQL is away")
        return self.current

    async def changes(self) -> AsyncIterator[None]:
        seen = -1
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda seen=seen: self._version != seen)
                seen = self._version
            yield None

    async def flip(self, site: LiveSite) -> None:
        sites = {**self.current.sites, (site.app, site.environment): site}
        await self.replace(SiteTable(hosts=self.current.hosts, sites=sites))

    async def take_down(self, app: str, environment: str) -> None:
        sites = {key: site for key, site in self.current.sites.items() if key != (app, environment)}
        await self.replace(SiteTable(hosts=self.current.hosts, sites=sites))

    async def replace(self, table: SiteTable) -> None:
        self.current = table
        async with self._changed:
            self._version += 1
            self._changed.notify_all()


def as_json(value: object) -> Any:
    """Any of our structs as plain JSON, for comparing."""
    return json.loads(msgspec.json.encode(value))
