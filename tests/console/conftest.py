"""A console for tests: in process for pages, on a port with a story for Chromium."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from psycopg import sql

from dxops.app.web import make_web_app
from dxops.engines.postgres.database import Database
from tests.conftest import _admin, _with_database
from tests.console.browsing import CHROMIUM, sign_in
from tests.console.demo import PASSWORD, DemoHouse, add_people, serving

ORIGIN = "http://localhost:8000"


@pytest.fixture
async def house(database: Database) -> DemoHouse:
    """Real rooms, people, nothing published."""
    made = DemoHouse(database)
    await add_people(made)
    made.arrive_now()
    return made


@pytest.fixture
async def client(house: DemoHouse) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without scripts, nobody signed in."""
    transport = httpx.ASGITransport(make_web_app(house), raise_app_exceptions=False)
    headers = {"accept": "text/html", "origin": ORIGIN}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers) as made:
        yield made


@pytest.fixture
async def owner(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same, signed in as the first owner."""
    await enter(client, "admin")
    return client


async def enter(client: httpx.AsyncClient, name: str) -> None:
    """Sign in, and send the session's token with every form from now on."""
    answer = await client.post("/login", data={"name": name, "password": PASSWORD, "next": "/"})
    assert answer.status_code == 303, answer.text
    text = (await client.get("/profile")).text
    client.headers["x-csrf-token"] = text.split('name="csrf-token" content="')[1].split('"')[0]


@pytest.fixture(scope="module")
def console(postgres_server: str, template_database: str) -> Iterator[str]:
    """The address of a console with five days of history."""
    name = f"console_{uuid.uuid4().hex[:12]}"
    _admin(
        postgres_server,
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database)),
    )
    with serving(_with_database(postgres_server, name)) as address:
        yield address
    _admin(postgres_server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(**CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, console: str) -> Iterator[Page]:
    """A signed-in page that fails the test on any script error or refusal by the content security policy."""
    made = chromium.new_page(viewport={"width": 1280, "height": 800}, base_url=console)
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on(
        "console",
        lambda said: problems.append(said.text) if said.type == "error" and "status of 4" not in said.text else None,
    )
    sign_in(made, console)
    yield made
    made.close()
    assert problems == []
