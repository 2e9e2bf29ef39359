"""SQL of schema `logs`. Every function takes an open transaction of psycopg (`engines.postgres.plain`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import orjson

from dxops.engines.postgres.plain import Transaction, tell
from dxops.rooms.logs.catalog import DEFINITION_KINDS, Backing, Catalog, Definition, Stream
from dxops.wire.elastic.errors import dumps

CATALOG_CHANGED: Final = "dxops_logs_catalog"
"""Channel of NOTIFY; the payload is the new revision."""

_READ_STREAMS: Final = (
    "SELECT name, kind, uuid, created_at, by_write, settings::text, mappings::text, template, backing::text, "
    "rollovers::text, lifecycle::text FROM logs.streams ORDER BY name"
)
_WRITE_STREAM: Final = """
    INSERT INTO logs.streams
        (name, kind, uuid, created_at, by_write, settings, mappings, template, backing, rollovers,
        lifecycle)
    VALUES (%(name)s, %(kind)s, %(uuid)s, %(created_at)s, %(by_write)s, %(settings)s, %(mappings)s, %(template)s,
        %(backing)s, %(rollovers)s, %(lifecycle)s)
    ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, uuid = excluded.uuid, created_at = excluded.created_at,
        by_write = excluded.by_write, settings = excluded.settings, mappings = excluded.mappings,
        template = excluded.template, backing = excluded.backing, rollovers = excluded.rollovers,
        lifecycle = excluded.lifecycle"""
_WRITE_ALIAS: Final = """
    INSERT INTO logs.aliases (alias, stream, options) VALUES (%s, %s, %s)
    ON CONFLICT (alias, stream) DO UPDATE SET options = excluded.options"""
_WRITE_DEFINITION: Final = """
    INSERT INTO logs.definitions (kind, name, body, version, modified_at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (kind, name) DO UPDATE
        SET body = excluded.body, version = excluded.version, modified_at = excluded.modified_at"""


async def revision(tx: Transaction, *, lock: bool = False) -> int:
    """The number of the last change. `lock`: nobody else changes anything until `tx` ends."""
    sql = "SELECT revision FROM logs.state FOR UPDATE" if lock else "SELECT revision FROM logs.state"
    row = await (await tx.execute(sql)).fetchone()
    assert row is not None
    return int(row["revision"])


async def load(tx: Transaction, at_revision: int) -> Catalog:
    """The whole catalogue; `at_revision` is what `revision` said in the same transaction."""
    streams = {row["name"]: _stream(row) for row in await (await tx.execute(_READ_STREAMS)).fetchall()}
    aliases: dict[str, dict[str, Mapping[str, Any]]] = {}
    found = await tx.execute("SELECT alias, stream, options::text FROM logs.aliases ORDER BY alias, stream")
    for row in await found.fetchall():
        aliases.setdefault(row["alias"], {})[row["stream"]] = orjson.loads(row["options"])
    kinds: dict[str, dict[str, Definition]] = {kind: {} for kind in DEFINITION_KINDS}
    found = await tx.execute("SELECT kind, name, body::text, version, modified_at FROM logs.definitions ORDER BY name")
    for row in await found.fetchall():
        kinds[row["kind"]][row["name"]] = Definition(
            body=orjson.loads(row["body"]), version=row["version"], modified_ms=_ms(row["modified_at"])
        )
    return Catalog(revision=at_revision, streams=streams, aliases=aliases, **kinds)


async def save(tx: Transaction, before: Catalog, after: Catalog) -> Catalog:
    """Write what differs and tell everyone when `tx` commits; `after` with its new revision. Needs the lock of
    `revision`."""
    cursor = tx.cursor()
    gone = [name for name in before.streams if name not in after.streams]
    if gone:
        await cursor.execute("DELETE FROM logs.streams WHERE name = ANY(%s)", [gone])  # takes their aliases along
    changed = [stream for name, stream in after.streams.items() if before.streams.get(name) != stream]
    await cursor.executemany(_WRITE_STREAM, [_row(stream) for stream in changed])
    old, new = _flat(before), _flat(after)
    for alias, stream in [key for key in old if key not in new]:
        await cursor.execute("DELETE FROM logs.aliases WHERE alias = %s AND stream = %s", [alias, stream])
    await cursor.executemany(
        _WRITE_ALIAS, [(*key, _json(options)) for key, options in new.items() if old.get(key) != options]
    )
    for kind in DEFINITION_KINDS:
        was, now = before.definitions(kind), after.definitions(kind)
        dropped = [name for name in was if name not in now]
        if dropped:
            await cursor.execute("DELETE FROM logs.definitions WHERE kind = %s AND name = ANY(%s)", [kind, dropped])
        await cursor.executemany(
            _WRITE_DEFINITION,
            [
                (kind, name, _json(each.body), each.version, _moment(each.modified_ms))
                for name, each in now.items()
                if was.get(name) != each
            ],
        )
    row = await (await cursor.execute("UPDATE logs.state SET revision = revision + 1 RETURNING revision")).fetchone()
    assert row is not None
    await tell(tx, CATALOG_CHANGED, str(row["revision"]))
    return msgspec.structs.replace(after, revision=int(row["revision"]))


def _flat(catalog: Catalog) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(alias, stream): options for alias, behind in catalog.aliases.items() for stream, options in behind.items()}


def _row(stream: Stream) -> dict[str, object]:
    return {
        "name": stream.name, "kind": stream.kind, "uuid": stream.uuid, "created_at": _moment(stream.created_ms),
        "by_write": stream.by_write, "settings": _json(stream.settings), "mappings": _json(stream.mappings),
        "template": stream.template, "rollovers": _json(stream.rollovers),
        "lifecycle": None if stream.lifecycle is None else _json(stream.lifecycle),
        "backing": _json([[each.name, each.uuid, each.created_ms] for each in stream.backing]),
    }  # fmt: skip


def _stream(row: Mapping[str, Any]) -> Stream:
    return Stream(
        name=row["name"], kind=row["kind"], uuid=row["uuid"], created_ms=_ms(row["created_at"]),
        by_write=row["by_write"], settings=orjson.loads(row["settings"]), mappings=orjson.loads(row["mappings"]),
        template=row["template"], rollovers=orjson.loads(row["rollovers"]),
        backing=_backing(orjson.loads(row["backing"])),
        lifecycle=None if row["lifecycle"] is None else orjson.loads(row["lifecycle"]),
    )  # fmt: skip


def _backing(rows: Iterable[Any]) -> tuple[Backing, ...]:
    return tuple(Backing(name, uuid, created_ms) for name, uuid, created_ms in rows)


def _json(value: object) -> str:
    return dumps(value).decode()


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
