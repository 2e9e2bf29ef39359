"""Moving the ClickHouse schema: numbered, linear, recorded in the table `dxops_migrations`.

ClickHouse has no lock to hold over several statements: callers hold PostgreSQL's (`CLICKHOUSE_MIGRATION_LOCK`
of `engines.postgres.database`), and every step bears being run twice, so that a process that died half way, or a second
one that slipped in, does no harm.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dxops.base.errors import Conflict
from dxops.engines.clickhouse.client import ClickHouse
from dxops.engines.clickhouse.ddl import Step, render

log = logging.getLogger(__name__)

_SCRIPTS = Path(__file__).parent / "migrations"
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.py")
_TIMEOUT_S = 600.0

_RECORD = (
    "CREATE TABLE IF NOT EXISTS dxops_migrations{on_cluster} "
    "(number UInt32, name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = {engine} ORDER BY number"
)


class Migration(msgspec.Struct, frozen=True):
    """One move of the schema."""

    number: int
    name: str
    steps: tuple[Step, ...]


def migrations(directory: Path = _SCRIPTS) -> list[Migration]:
    """All of them, in order. Raises ValueError for a gap or a number that comes twice."""
    found = []
    for path in sorted(directory.glob("[0-9]*.py")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path.name} is not named NNNN_name.py")
        spec = importlib.util.spec_from_file_location(f"{__name__}.{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(Migration(int(match[1]), match[2], tuple(module.STEPS)))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered without a gap: {numbers}")
    return found


async def current(client: ClickHouse) -> int:
    """The number that the database is at; 0 for an empty one."""
    exists = await client.query("EXISTS TABLE dxops_migrations")
    if not exists.scalar:
        return 0
    settings = {"select_sequential_consistency": 1} if client.cluster else {}
    return int((await client.query("SELECT max(number) FROM dxops_migrations", settings=settings)).scalar)


async def migrate(client: ClickHouse, wanted: Sequence[Migration] | None = None) -> int:
    """Bring the database to the newest migration; how many were run. Raises `Conflict` for a database of a newer
    dxops, and whatever a step raises: the migrations before it are recorded then."""
    known = migrations() if wanted is None else list(wanted)
    await _prepare(client)
    at = await current(client)
    if at > len(known):
        raise Conflict(
            f"the ClickHouse schema is at {at}, this dxops knows {len(known)}",
            code="newer_schema",
            hint="run the newer dxops, or restore a backup of this one",
        )
    for migration in known[at:]:
        for sql in render(migration.steps, client.cluster):
            await client.execute(sql, timeout_s=_TIMEOUT_S, settings={"max_execution_time": int(_TIMEOUT_S)})
        await client.execute(
            "INSERT INTO dxops_migrations (number, name) SELECT {number:UInt32}, {name:String}",
            {"number": migration.number, "name": migration.name},
        )
        log.info("migrated ClickHouse", extra={"to": migration.number, "migration": migration.name})
    return len(known) - at


async def _prepare(client: ClickHouse) -> None:
    """The record of migrations. On a cluster all shards share one, so that any server knows."""
    if client.cluster:
        place = "ReplicatedMergeTree('/clickhouse/tables/all/{database}/dxops_migrations', '{shard}-{replica}')"
        on_cluster = f" ON CLUSTER `{client.cluster}`"
    else:
        place, on_cluster = "MergeTree", ""
    await client.execute(_RECORD.replace("{on_cluster}", on_cluster).replace("{engine}", place))
