"""Moving the schema. Alembic, one linear chain for all rooms, run under an advisory lock so that any role may try.

Alembic is imported only by `migrate`: roles compare `HEAD` with the table `alembic_version` and stay small.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, inspect, text

from dxops.engines.postgres.database import Database, sqlalchemy_url

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 7_246_001  # any number, the same for every dxops process


def head() -> str:
    """The newest revision's id: the last file name in `versions/`, up to its first underscore."""
    return max(path.name.split("_", 1)[0] for path in (_SCRIPTS / "versions").glob("[0-9]*_*.py"))


async def current(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    async with database.begin() as tx:
        if (await tx.execute(text("SELECT to_regclass('public.alembic_version')"))).scalar() is None:
            return None
        revision = (await tx.execute(text("SELECT version_num FROM public.alembic_version"))).scalar()
        return None if revision is None else str(revision)


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database to `revision`. Blocks; waits for another process that is at it. Raises on a broken script,
    having changed nothing."""
    from alembic import command
    from alembic.config import Config

    engine = create_engine(sqlalchemy_url(url))
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            try:
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                connection.commit()
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()
    finally:
        engine.dispose()


def schemas(url: str) -> list[str]:
    """The schema names of a database, for tests and backup."""
    engine = create_engine(sqlalchemy_url(url))
    try:
        return inspect(engine).get_schema_names()
    finally:
        engine.dispose()
