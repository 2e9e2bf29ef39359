"""Our own ClickHouse: the data directory, its configuration, who holds it, and opening it.

<home>/clickhouse/data         what chDB keeps
<home>/clickhouse/backups      archives on their way to or from a backup
<home>/clickhouse/config.xml   written at each start
<home>/clickhouse/owner.lock   held by the process that has it open; names its pid
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from dxops.base.errors import Conflict, Unavailable
from dxops.base.files import write_atomic
from dxops.engines.clickhouse.access import name_quoted
from dxops.engines.clickhouse.chdb import EngineError, Handle, connect
from dxops.engines.clickhouse.config import DATABASE, ClickHouseConfig

_MB = 1024 * 1024
_CRAMPED_BYTES = 4 << 30
_CRAMPED_SHARE = 10


class EmbeddedClickHouse:
    """The engine of one data directory. `open` once per process, in the process that is to own it; then `handle` from
    any thread. Nothing may fork between `open` and the process's end."""

    def __init__(self, data: Path, config: ClickHouseConfig) -> None:
        self.home = data.absolute() / "clickhouse"
        self.config = config
        self.backups = self.home / "backups"
        self.table_functions: frozenset[str] = frozenset()
        self.version = ""
        self._anchor: Handle | None = None
        self._lock: int | None = None

    def open(self) -> None:
        """Take the directory and open it. Raises `Conflict` when another process has it, naming that, and
        `Unavailable` when the engine does not start."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.backups.mkdir(mode=0o700, exist_ok=True)
        self._lock = _hold(self.home / "owner.lock")
        config_file = self.home / "config.xml"
        write_atomic(config_file, configuration(self.config, self.backups).encode(), mode=0o600)
        try:
            self._anchor = connect(self.home / "data", config_file)
            self._settle(self._anchor)
        except EngineError as error:
            raise Unavailable(
                f"ClickHouse does not open {self.home / 'data'}: {error.text}",
                hint="another program may have it open, or the disk may be full; the log above says more",
            ) from error

    def _settle(self, anchor: Handle) -> None:
        """Our database; and an empty one as `default`, which every handle starts in: chDB's own is an overlay on the
        file system, where any file of the machine is a table."""
        anchor.query(f"CREATE DATABASE IF NOT EXISTS {name_quoted(DATABASE)} ENGINE = Atomic")
        inside = anchor.query("SELECT count() FROM system.tables WHERE database = 'default'").data.strip()
        if inside == b"0":
            anchor.query("DROP DATABASE IF EXISTS default")
            anchor.query("CREATE DATABASE default ENGINE = Memory")
        found = anchor.query("SELECT lower(name) FROM system.table_functions").data.decode().split()
        self.table_functions = frozenset(found)
        self.version = anchor.query("SELECT version()").data.decode().strip()

    def handle(self, database: str = DATABASE) -> Handle:
        """A fresh handle. Raises `EngineError` (81 for an unknown database). Close it after use."""
        made = connect(self.home / "data", self.home / "config.xml")
        try:
            made.query(f"USE {name_quoted(database)}")
        except EngineError:
            made.close()
            raise
        return made

    def cramped(self) -> bool:
        """Whether so little of the disk is free that what inserts and merges need is all there is."""
        space = os.statvfs(self.home)
        free = space.f_bavail * space.f_frsize
        return free < min(_CRAMPED_BYTES, space.f_blocks * space.f_frsize // _CRAMPED_SHARE)

    def close(self) -> None:
        """Shut the engine, once every handle is closed, and let go of the directory."""
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def configuration(config: ClickHouseConfig, backups: Path) -> str:
    """The engine's configuration file. The defaults are for a machine of its own: caches of 5 GiB, many threads."""
    fsync = int(config.fsync)
    cache = max(8, config.memory_mb // 12) * _MB
    values = {
        "timezone": "UTC",
        "max_server_memory_usage": config.memory_mb * _MB,
        "mark_cache_size": cache,
        "index_mark_cache_size": cache // 2,
        "primary_index_cache_size": cache // 2,
        "uncompressed_cache_size": 0,
        "query_condition_cache_size": cache // 4,
        "text_index_header_cache_size": cache,
        "text_index_tokens_cache_size": cache // 2,
        "text_index_postings_cache_size": cache // 2,
        "compiled_expression_cache_size": 8 * _MB,
        "background_pool_size": 2,
        "background_merges_mutations_concurrency_ratio": 1,
        "background_schedule_pool_size": 2,
        "background_common_pool_size": 1,
        "background_move_pool_size": 1,
        "background_fetches_pool_size": 1,
        "tables_loader_foreground_pool_size": 2,
        "tables_loader_background_pool_size": 1,
        "max_thread_pool_size": 128,
        "max_thread_pool_free_size": 32,
        "max_io_thread_pool_free_size": 8,
    }
    lines = "".join(f"  <{key}>{value}</{key}>\n" for key, value in values.items())
    return (
        f"<clickhouse>\n{lines}"
        f"  <backups><allowed_path>{_escaped(str(backups))}/</allowed_path></backups>\n"
        "  <merge_tree>"
        f"<fsync_after_insert>{fsync}</fsync_after_insert><fsync_part_directory>{fsync}</fsync_part_directory>"
        "<merge_max_block_size>8192</merge_max_block_size>"
        "<number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>"
        "<number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>"
        "<number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>"
        "</merge_tree>\n</clickhouse>\n"
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _hold(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise Conflict(
            f"the ClickHouse data in {path.parent} is open in process {holder or 'unknown'}",
            code="store_open",
            hint="only one process may have it: stop that one, or use it through its address (`dxops endpoints`)",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
