"""Fixtures shared by all tests. One PostgreSQL per test run; one fresh database per test that asks.

`DXOPS_TEST_POSTGRES_URL` (a superuser's URL on any server) replaces the embedded one: CI runs the tests marked
`database` once on each.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from dxops.engines.postgres.database import Database
from dxops.engines.postgres.migrate import migrate
from tests import throwaway
from tests.harness import System, running_system

settings.register_profile("quick", max_examples=25)  # `make check`; `make test` has the usual hundred


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server on which databases may be created."""
    outside = os.environ.get("DXOPS_TEST_POSTGRES_URL")
    if outside:
        yield outside
        return
    with throwaway.postgres_server(durable=False) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(postgres_server: str) -> Iterator[str]:
    """Name of a migrated database to copy."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    _admin(postgres_server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate(_with_database(postgres_server, name))
    yield name
    _admin(postgres_server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(postgres_server: str, template_database: str) -> Iterator[str]:
    """URL of a fresh, migrated database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _admin(
        postgres_server,
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database)),
    )
    yield _with_database(postgres_server, name)
    _admin(postgres_server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A `Database` on a fresh, migrated database."""
    made = Database(database_url, pool_size=4)
    yield made
    await made.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)
        if "system" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.system)
        if "store" in getattr(item, "fixturenames", ()) or hasattr(getattr(item, "module", None), "LocalStore"):
            item.add_marker(pytest.mark.engine)


def _admin(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _with_database(url: str, name: str) -> str:
    return psycopg_url(url, name)


def psycopg_url(url: str, database: str) -> str:
    """The URL with another database name."""
    head, _, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    authority = rest.partition("/")[0]
    return f"{scheme}://{authority}/{database}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """One running system for all tests that only add to it. Tests that stop or break it start their own."""
    with running_system() as running:
        yield running
