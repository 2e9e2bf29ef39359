"""Keeping the tunnels' commands running, in one process only. What they say is the address goes into the table."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dxops.base.errors import Unavailable
from dxops.engines.postgres.database import Database
from dxops.rooms.kube import repo
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.kube.model import Node
from dxops.rooms.kube.tunnels import TUNNELS_CHANGED

log = logging.getLogger(__name__)

_TETHER: Final = Path(__file__).with_name("tether.py")
_MAX_LINE_BYTES: Final = 4096
_KEPT_LINES: Final = 20
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 60.0
_STABLE_S: Final = 60.0
_HOST_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

Key = tuple[str, str]


class TunnelRunner:
    """One command per enabled tunnel, restarted with back-off, ended with us."""

    def __init__(self, database: Database, node: Node, config: KubeConfig) -> None:
        self._database = database
        self._node = node
        self._config = config
        self._pattern = re.compile(config.tunnel_output_re)
        self._running: dict[Key, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow the table until cancelled. Returns at once where no command is configured."""
        if not self._config.tunnel_command:
            return
        try:
            async for _ in self._database.notifications([TUNNELS_CHANGED]):
                try:
                    await self._reconcile()
                except Unavailable as error:
                    log.warning("cannot read the tunnels", extra={"reason": error.message})
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _reconcile(self) -> None:
        async with self._database.begin() as tx:
            tunnels = await repo.list_tunnels(tx)
        wanted = {
            (one.environment, one.app)
            for one in tunnels
            if one.enabled and one.environment in self._node.environments and _HOST_NAME.fullmatch(one.app)
        }
        for key in self._running.keys() - wanted:
            self._running.pop(key).cancel()
        for key in wanted - self._running.keys():
            self._running[key] = asyncio.create_task(self._keep(key), name=f"tunnel {key[1]}@{key[0]}")

    async def _keep(self, key: Key) -> None:
        delay = _FIRST_RETRY_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await self._keep_url(key, None)  # this run may have another address
                status, tail = await self._once(key)
                log.warning("tunnel command ended", extra={"tunnel": key, "status": status, "output": tail})
            except OSError as error:
                log.warning("tunnel command cannot be run", extra={"tunnel": key, "reason": str(error)})
            await self._keep_url(key, None)
            if loop.time() - started > _STABLE_S:
                delay = _FIRST_RETRY_S
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY_S)

    async def _once(self, key: Key) -> tuple[int, str]:
        """Run the command to its end: exit status and last lines."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(_TETHER),
            *self.command(key),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_MAX_LINE_BYTES,
        )
        tail: deque[str] = deque(maxlen=_KEPT_LINES)
        known = False
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            while line := await _line(process.stdout):
                tail.append(line.strip())
                known = known or await self._look(key, line)
            return await process.wait(), "\n".join(tail)
        finally:
            process.stdin.close()
            await asyncio.shield(process.wait())

    async def _look(self, key: Key, line: str) -> bool:
        """Whether the line says the address, and that is kept."""
        found = self._pattern.search(line)
        if found is None:
            return False
        url = found[1] if self._pattern.groups else found[0]
        log.info("tunnel open", extra={"tunnel": key, "url": url})
        return await self._keep_url(key, url)

    async def _keep_url(self, key: Key, url: str | None) -> bool:
        try:
            async with self._database.begin() as tx:
                await repo.set_url(tx, key[0], key[1], url)
        except Unavailable as error:
            log.warning("the tunnel's address is not kept", extra={"tunnel": key, "reason": error.message})
            return False
        return True

    def command(self, key: Key) -> list[str]:
        """The program and its arguments. The values are our own host names: no shell, nothing to quote."""
        environment, app = key
        values: Mapping[str, str] = {
            "app": app,
            "environment": environment,
            "host": self._node.app_host(environment, app),
            "url": self._node.app_url(environment, app),
        }
        return [
            re.sub(r"\{(\w+)\}", lambda field: values.get(field[1], field[0]), part)
            for part in self._config.tunnel_command
        ]


async def _line(stream: asyncio.StreamReader) -> str:
    """The next line, or the first part of one that is too long; "" at the end."""
    try:
        data = await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        data = error.partial
    except asyncio.LimitOverrunError:
        data = await stream.read(_MAX_LINE_BYTES)
    return data.decode(errors="replace")
