"""Schema statements, written once and rendered for a single server or a cluster. Pure.

On a cluster the table `t` becomes `t_local` (replicated, on every shard) and `t` (distributed over them), so that the
rooms' SQL names `t` on both. Whatever is written here must bear being run twice: a migration that died half way is run
again from its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from string import Template

import msgspec

DEDUPLICATION_WINDOW = 10_000
"""Inserts whose tokens a table remembers; a replicated one has a window of its own."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the MergeTree family. `columns` is the text between the parentheses, indexes and projections too;
    `engine` may have arguments: `ReplacingMergeTree(version)`. `shard_by` spreads rows over shards."""

    name: str
    columns: str
    order_by: str
    engine: str = "MergeTree"
    partition_by: str = ""
    ttl: str = ""
    settings: str = ""
    shard_by: str = "rand()"


class Statement(msgspec.Struct, frozen=True):
    """Anything else. `${on_cluster}` is ` ON CLUSTER …` or nothing, `${local_NAME}` the table with NAME's rows."""

    sql: str


class Alter(msgspec.Struct, frozen=True):
    """`ALTER TABLE table clause`. `columns`: the clause changes columns, so the distributed table follows."""

    table: str
    clause: str
    columns: bool = True


Step = Table | Statement | Alter


def render(steps: Iterable[Step], cluster: str = "") -> list[str]:
    """The statements to run. Raises ValueError for one that cannot be run twice."""
    rendered = [sql for step in steps for sql in _render(step, cluster)]
    for sql in rendered:
        if (fault := _not_repeatable(sql)) is not None:
            raise ValueError(f"{fault}: {sql[:200]}")
    return rendered


def _render(step: Step, cluster: str) -> Iterator[str]:
    on_cluster = f" ON CLUSTER `{cluster}`" if cluster else ""
    if isinstance(step, Table):
        yield from _table(step, cluster, on_cluster)
    elif isinstance(step, Alter):
        local = f"{step.table}_local" if cluster else step.table
        yield f"ALTER TABLE {local}{on_cluster} {step.clause}"
        if cluster and step.columns:
            yield f"ALTER TABLE {step.table}{on_cluster} {step.clause}"
    else:
        names = re.findall(r"\$\{local_(\w+)\}", step.sql)
        places = {f"local_{name}": f"{name}_local" if cluster else name for name in names}
        yield Template(step.sql).substitute(places, on_cluster=on_cluster)


def _table(table: Table, cluster: str, on_cluster: str) -> Iterator[str]:
    name = f"{table.name}_local" if cluster else table.name
    settings = table.settings
    if not cluster:
        window = f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"
        settings = f"{settings}, {window}" if settings else window
    parts = [
        f"CREATE TABLE IF NOT EXISTS {name}{on_cluster} (\n{table.columns.strip()}\n)",
        f"ENGINE = {_replicated(table) if cluster else table.engine}",
        f"PARTITION BY {table.partition_by}" if table.partition_by else "",
        f"ORDER BY {table.order_by}",
        f"TTL {table.ttl}" if table.ttl else "",
        f"SETTINGS {settings}" if settings else "",
    ]
    yield "\n".join(filter(None, parts))
    if cluster:
        target = f"Distributed('{cluster}', currentDatabase(), '{name}', {table.shard_by})"
        yield f"CREATE TABLE IF NOT EXISTS {table.name}{on_cluster} AS {name}\nENGINE = {target}"


def _replicated(table: Table) -> str:
    family, _, arguments = table.engine.partition("(")
    place = f"'/clickhouse/tables/{{shard}}/{{database}}/{table.name}', '{{replica}}'"
    rest = arguments.rstrip().removesuffix(")").strip()
    return f"Replicated{family.strip()}({place}{', ' + rest if rest else ''})"


_REPEATABLE = (
    (r"CREATE\s+(?!OR\s+REPLACE)(?!.{0,60}?IF\s+NOT\s+EXISTS)", "CREATE without IF NOT EXISTS or OR REPLACE"),
    (r"DROP\s+(TABLE|VIEW|DATABASE|DICTIONARY)\s+(?!IF\s+EXISTS)", "DROP without IF EXISTS"),
    (r"ALTER\s.*?\bADD\s+(COLUMN|INDEX|PROJECTION|CONSTRAINT)\s+(?!IF\s+NOT\s+EXISTS)", "ADD without IF NOT EXISTS"),
    (r"ALTER\s.*?\bDROP\s+(COLUMN|INDEX|PROJECTION|CONSTRAINT)\s+(?!IF\s+EXISTS)", "DROP without IF EXISTS"),
    (r"ALTER\s.*?\bRENAME\s+COLUMN\s+(?!IF\s+EXISTS)", "RENAME COLUMN without IF EXISTS"),
    (r"(INSERT|RENAME|EXCHANGE)\s", "cannot be run twice"),
)


def _not_repeatable(sql: str) -> str | None:
    for pattern, fault in _REPEATABLE:
        if re.match(pattern, sql.strip(), re.IGNORECASE | re.DOTALL):
            return fault
    return None
