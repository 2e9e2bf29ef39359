"""Everything a system is, in one directory, consistent; and back.

Order makes it consistent: collection is held off by an advisory lock, the database is dumped from one snapshot, then
blocks are copied. Blocks never change, so every block that the snapshot names is there, and a second backup into
the same directory copies only what is new.

    DIR/manifest.json     what is there, with sizes and SHA-256
    DIR/postgres.dump     pg_dump, custom format
    DIR/clickhouse/…      BACKUP of our own ClickHouse (a cluster has backups of its own)
    DIR/blocks/…          the block store
    DIR/secrets, DIR/tls  credentials and the local CA (mode 0700)
    DIR/dxops.toml        the configuration, where there is one
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import psycopg

from dxops import __version__
from dxops.app.data import DataDirectory
from dxops.app.settings import Settings
from dxops.base.errors import Conflict, Missing, Refused, Unavailable
from dxops.base.files import write_atomic
from dxops.engines.clickhouse.chdb import EngineError
from dxops.engines.clickhouse.client import connected
from dxops.engines.clickhouse.config import DATABASE
from dxops.engines.clickhouse.embedded import EmbeddedClickHouse
from dxops.engines.postgres.database import COLLECTION_LOCK
from dxops.engines.postgres.embedded import EmbeddedPostgres, binary_directory

_COPIED = ("secrets", "tls")
_CHUNK = 1 << 20
_DUMP = "postgres.dump"
_CLICKHOUSE = "clickhouse"


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`. `files` are the paths other than blocks (those name their own hash)."""

    dxops: str
    made_at: datetime
    blocks: int
    block_bytes: int
    files: dict[str, str]


Progress = Callable[[str, int, int], None]  # what, done, total


def backup(
    data: DataDirectory, url: str, clickhouse: str | None, target: Path, now: datetime, progress: Progress
) -> BackupManifest:
    """Write a backup of a running system into `target` (new, empty, or an earlier backup, which it brings up to date).

    `url` is PostgreSQL's, `clickhouse` our own store's (None: it is not ours). Raises `Refused` for a directory that
    holds something else, `Unavailable` without the engines or space.
    """
    if target.exists() and any(target.iterdir()) and not (target / "manifest.json").exists():
        raise Refused(f"{target} holds something that is not a backup", hint="choose a new or empty directory")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    (target / "manifest.json").unlink(missing_ok=True)  # until the end, this is no complete backup
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [COLLECTION_LOCK])
            progress("database", 0, 1)
            _run(
                "pg_dump",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--file={target / _DUMP}",
                f"--dbname={url}",
            )
            progress("database", 1, 1)
            _dump_clickhouse(data, clickhouse, target / _CLICKHOUSE, progress)
            blocks, block_bytes = _copy_new_blocks(data.blocks, target / "blocks", progress)
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"PostgreSQL does not answer: {error}".strip(), hint="start the system: `dxops up`"
        ) from error
    except OSError as error:
        raise Unavailable(f"the backup is not complete: {error}", hint="free space and run it again") from error
    for name in _COPIED:
        shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(data.root / name, target / name)
    (target / "dxops.toml").unlink(missing_ok=True)
    if data.config_path.exists():
        shutil.copyfile(data.config_path, target / "dxops.toml")
    manifest = BackupManifest(
        dxops=__version__,
        made_at=now,
        blocks=blocks,
        block_bytes=block_bytes,
        files={str(path.relative_to(target)): _sha256(path) for path in _plain_files(target)},
    )
    write_atomic(target / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return manifest


def restore(data: DataDirectory, settings: Settings, source: Path, progress: Progress) -> BackupManifest:
    """Make the system of a backup in an empty data directory. Starts and stops the embedded PostgreSQL for it.

    Raises `Missing` without a complete backup, `Refused` for one that is damaged, `Conflict` where the data directory
    or the database of `postgres.url` is not empty.
    """
    manifest = read_manifest(source)
    if data.root.exists() and any(path.name != "dxops.toml" for path in data.root.iterdir()):
        raise Conflict(f"{data.root} is not empty", hint="restore into a new --data directory")
    data.prepare()
    for name in _COPIED:
        shutil.copytree(source / name, data.root / name, dirs_exist_ok=True)
        (data.root / name).chmod(0o700)
    if (source / "dxops.toml").exists() and not data.config_path.exists():
        shutil.copyfile(source / "dxops.toml", data.config_path)
        settings = data.settings()
    _copy_new_blocks(source / "blocks", data.blocks, progress)
    progress("database", 0, 1)
    if settings.postgres.url:
        _restore_database(settings.postgres.url, source / _DUMP)
    else:
        password = data.secret("postgres_password")
        password.unlink(missing_ok=True)  # a new cluster has its own
        postgres = EmbeddedPostgres(data.root, account=settings.postgres.account)
        postgres.prepare()
        with postgres.running():
            _restore_database(postgres.url, source / _DUMP)
    progress("database", 1, 1)
    if (source / _CLICKHOUSE).exists() and not settings.clickhouse.url:
        _restore_clickhouse(data, settings, source / _CLICKHOUSE)
    return manifest


def read_manifest(source: Path) -> BackupManifest:
    """The manifest, with every plain file checked against it. Raises `Missing` or `Refused`."""
    try:
        manifest = msgspec.json.decode((source / "manifest.json").read_bytes(), type=BackupManifest)
    except FileNotFoundError as error:
        raise Missing(f"{source} holds no complete backup", hint="it has no manifest.json") from error
    except msgspec.DecodeError as error:
        raise Refused(f"{source / 'manifest.json'} is damaged: {error}") from error
    for name, digest in manifest.files.items():
        if not (source / name).is_file() or _sha256(source / name) != digest:
            raise Refused(f"{source / name} is damaged or missing", hint="use another copy of this backup")
    return manifest


def _dump_clickhouse(data: DataDirectory, url: str | None, target: Path, progress: Progress) -> None:
    """The store writes below its own directory; the files are moved from there. Nothing at `target` is mixed in."""
    shutil.rmtree(target, ignore_errors=True)
    if url is None:
        return
    name = f"backup-{os.getpid()}"
    made = data.root / "clickhouse" / "backups" / name
    progress("logs", 0, 1)
    try:
        asyncio.run(_ask_for_backup(url, name))
        shutil.move(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    progress("logs", 1, 1)


async def _ask_for_backup(url: str, name: str) -> None:
    async with connected(url) as store:
        seconds = 6 * 3600
        sql = f"BACKUP DATABASE {DATABASE} TO File('{name}')"
        await store.execute(sql, settings={"max_execution_time": seconds}, timeout_s=float(seconds))


def _restore_clickhouse(data: DataDirectory, settings: Settings, source: Path) -> None:
    """Opens the engine in this process, which then starts no other program."""
    embedded = EmbeddedClickHouse(data.root, settings.clickhouse)
    embedded.open()
    try:
        shutil.copytree(source, embedded.backups / "restore")
        handle = embedded.handle()
        try:
            handle.query(f"RESTORE DATABASE {DATABASE} FROM File('restore')")
        except EngineError as error:
            raise Refused(f"ClickHouse does not take {source}: {error.text}") from error
        finally:
            handle.close()
    finally:
        shutil.rmtree(embedded.backups / "restore", ignore_errors=True)
        embedded.close()


def _restore_database(url: str, dump: Path) -> None:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT to_regclass('public.alembic_version')").fetchone()
    if row is not None and row[0] is not None:
        raise Conflict("the database of postgres.url is not empty", hint="restore into an empty database")
    _run(
        "pg_restore",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        f"--dbname={url}",
        str(dump),
    )


def _copy_new_blocks(source: Path, target: Path, progress: Progress) -> tuple[int, int]:
    """Copy what `target` lacks, durably; (blocks, bytes) of the whole."""
    paths = list(_block_files(source))
    size = 0
    for done, path in enumerate(paths):
        place = target / path.relative_to(source)
        try:
            length = path.stat().st_size
            if not (place.exists() and place.stat().st_size == length):
                place.parent.mkdir(parents=True, exist_ok=True)
                temporary = place.with_name(f".{place.name}.part")
                shutil.copyfile(path, temporary)
                temporary.replace(place)
        except FileNotFoundError:
            continue  # deleted since we listed it, hence needed by nothing in the snapshot
        size += length
        if done % 64 == 0:
            progress("blocks", done, len(paths))
    progress("blocks", len(paths), len(paths))
    os.sync()
    return len(paths), size


def _block_files(root: Path) -> Iterator[Path]:
    """Finished blocks only: the store keeps unfinished ones in directories and files of other names."""
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in ("tmp", "trash") and not name.startswith("."))
        yield from (Path(directory) / name for name in sorted(files) if not name.startswith("."))


def _plain_files(target: Path) -> Iterator[Path]:
    yield target / _DUMP
    yield from sorted(path for path in (target / _CLICKHOUSE).rglob("*") if path.is_file())
    if (target / "dxops.toml").exists():
        yield target / "dxops.toml"
    for name in _COPIED:
        yield from sorted(path for path in (target / name).rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _run(program: str, *arguments: str) -> None:
    """A PostgreSQL program of our wheel. The URL holds a password: it is passed in the environment's place only."""
    url = next((part.removeprefix("--dbname=") for part in arguments if part.startswith("--dbname=")), "")
    safe = [part for part in arguments if not part.startswith("--dbname=")]
    environment = os.environ | _connection_environment(url)
    dbname = [f"--dbname={environment['PGDATABASE']}"] if program == "pg_restore" else []
    done = subprocess.run(
        [str(binary_directory() / program), *safe[:-1], *dbname, safe[-1]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Unavailable(f"{program} failed: {done.stderr.strip()[-500:]}")


def _connection_environment(url: str) -> dict[str, str]:
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    parts = psycopg.conninfo.conninfo_to_dict(url)
    return {names[key]: str(value) for key, value in parts.items() if key in names and value is not None}
