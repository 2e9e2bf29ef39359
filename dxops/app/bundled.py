"""The app that every installation starts with: `hello`, built once, live in all environments after the first start."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from dxops.app.publishing.find import NAMES, read_file
from dxops.base.actors import SYSTEM
from dxops.base.errors import Unavailable
from dxops.base.ports import Imported
from dxops.rooms.delivery.model import PublishOutcome, Source, Via
from dxops.rooms.delivery.service import Delivery

HELLO = Path(__file__).parents[2] / "apps" / "hello"


async def publish_bundled(
    delivery: Delivery,
    import_directory: Callable[[Path], Awaitable[Imported]],
    environments: list[str],
    source: Path = HELLO,
) -> list[PublishOutcome]:
    """Publish the bundled app wherever it was never released. Nothing to do is no outcomes; neither is an
    installation without the app's sources (a bare wheel). Safe to repeat after a crash."""
    if not any((source / name).is_file() for name in NAMES):
        return []
    [module] = (await asyncio.to_thread(read_file, source / NAMES[0])).modules
    known = next((app for app in await delivery.list_apps() if app.name == module.name), None)
    wanted = [name for name in environments if known is None or _never_released(known.of(name))]
    if not wanted:
        return []
    with tempfile.TemporaryDirectory(prefix="dxops-hello-") as place:
        output = Path(place) / "out"
        await _build(source, output, module.build.version or "")
        imported = await import_directory(output)
    told = Source(via=Via.BUNDLED, author="dxops")
    return [
        await delivery.create_release(
            SYSTEM,
            module.name,
            name,
            imported.cid,
            version=module.build.version,
            record=module.record,
            source=told,
        )
        for name in wanted
    ]


def _never_released(cell: object) -> bool:
    return getattr(cell, "generation", 0) == 0


async def _build(source: Path, output: Path, version: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(source / "build.py"),
        env={**os.environ, "OUT": str(output), "DX_VERSION": version},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise Unavailable(f"the bundled app could not be built: {said.decode(errors='replace').strip()[-500:]}")
