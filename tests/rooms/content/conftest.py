"""A content room on real blocks and a real database, and its two listeners on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server

from dxops.base.clock import ManualClock, SystemClock
from dxops.engines.blocks.files import FileBlocks
from dxops.engines.postgres.database import Database
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.gateway import Gateway
from dxops.rooms.content.kubo_rpc import KuboRpc
from dxops.rooms.content.service import ContentService
from tests.harness import free_ports


@pytest.fixture
def blocks(tmp_path: Path) -> FileBlocks:
    return FileBlocks(tmp_path / "blocks")


@pytest.fixture
def clock() -> ManualClock:
    """Begins now, since blocks carry the machine's time."""
    return ManualClock(SystemClock().now())


@pytest.fixture
def content(database: Database, blocks: FileBlocks, clock: ManualClock, tmp_path: Path) -> ContentService:
    return ContentService(database, blocks, ContentConfig(), clock, directory=tmp_path)


async def serve(app: object) -> AsyncIterator[str]:
    """Run an ASGI app as the role `web` would; its address."""
    port = free_ports(1)[0]
    server = Server(app, port=port, interface=Interfaces.ASGINL, log_enabled=False)
    task = asyncio.create_task(server.serve())
    for _ in range(400):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    yield f"http://127.0.0.1:{port}"
    server.stop()
    await asyncio.wait([task], timeout=5)


@pytest.fixture
async def rpc(content: ContentService) -> AsyncIterator[httpx.AsyncClient]:
    """A client of Kubo RPC: paths are relative to `/api/v0/`."""
    async for url in serve(KuboRpc(content, None)):
        async with httpx.AsyncClient(base_url=f"{url}/api/v0/", timeout=30) as client:
            yield client


@pytest.fixture
async def gateway(content: ContentService) -> AsyncIterator[httpx.AsyncClient]:
    async for url in serve(Gateway(content)):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield client
