"""Aliases out of a real PostgreSQL, as the administration of port 9200 keeps them."""

from __future__ import annotations

import sqlalchemy as sa

from dxops.base.errors import Unavailable
from dxops.engines.postgres.database import Database
from dxops.rooms.logs.stored_aliases import StoredAliases


async def test_streams_behind_aliases(database: Database) -> None:
    stored = StoredAliases(database)
    assert await stored.aliases() == {}
    async with database.begin() as tx:
        for name in ("a", "b"):
            values = "(:name, 'index', 'u', now(), true, '{}', '{}', '[]', '[]')"
            columns = "(name, kind, uuid, created_at, by_write, settings, mappings, backing, rollovers)"
            await tx.execute(sa.text(f"INSERT INTO logs.streams {columns} VALUES {values}"), {"name": name})
        rows = "('both', 'a', '{}'), ('both', 'b', '{\"is_write_index\": true}'), ('some', 'a', '{\"filter\": {}}')"
        await tx.execute(sa.text(f"INSERT INTO logs.aliases VALUES {rows}".replace(":", "\\:")))
    assert await stored.aliases() == {"both": ("a", "b"), "some": ()}


async def test_while_postgresql_is_away_the_last_ones_stay() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)
    try:
        assert await StoredAliases(away).aliases() == {}
    except Unavailable:
        raise AssertionError("searching does not need PostgreSQL") from None
    finally:
        await away.close()
