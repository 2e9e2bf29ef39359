"""The web application under Granian, as it runs: streams, disconnects, HTTP/2, and real browsers on other origins."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.response import ServerSentEvent

from dxops.app.listeners import Listener, Listeners
from dxops.app.web import make_web_app
from dxops.base.actors import SYSTEM
from dxops.base.clock import SystemClock
from dxops.base.web import actor_of
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts.model import AuditFilter
from tests.app.web_house import PASSWORD, TestHouse, make_accounts
from tests.harness import free_ports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Ticker:
    """An event stream that notices when nobody listens any more."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.go = asyncio.Event()

    async def events(self) -> AsyncIterator[dict[str, str]]:
        try:
            yield {"data": "first"}
            await self.go.wait()
            yield {"data": "second"}
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@asynccontextmanager
async def served(database: Database, ticker: Ticker | None = None) -> AsyncIterator[tuple[TestHouse, int]]:
    """The application on a free port of loopback, with one owner."""
    clock = SystemClock()
    accounts = make_accounts(database, clock)
    await accounts.bootstrap(PASSWORD)
    shown = ticker or Ticker()

    @get("/ticks", include_in_schema=False)
    async def ticks() -> ServerSentEvent:
        return ServerSentEvent(shown.events())

    @get("/who", include_in_schema=False)
    async def who(request: Request[Any, Any, Any]) -> Response[str]:
        return Response(f"this is {actor_of(request).name}", media_type=MediaType.HTML)

    house = TestHouse(accounts, clock, console_routes=[ticks, who])
    (port,) = free_ports(1)
    listeners = Listeners([Listener("console", f"127.0.0.1:{port}", make_web_app(house), asgi=True)])
    await listeners.start()
    try:
        yield house, port
    finally:
        await listeners.stop(5)


async def test_events_arrive_one_by_one_and_a_client_that_leaves_ends_them(database: Database) -> None:
    ticker = Ticker()
    async with served(database, ticker) as (_, port), httpx.AsyncClient(timeout=10) as client:
        async with client.stream("GET", f"http://localhost:{port}/ticks") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["content-security-policy"]
            lines = response.aiter_lines()
            assert await anext(lines) == "data: first"
            ticker.go.set()  # nothing may hold the first one back until the second is there
            while (line := await anext(lines)) != "data: second":
                assert line == ""
            assert not ticker.ended.is_set()
        await asyncio.wait_for(ticker.ended.wait(), 10)


async def test_stopping_ends_event_streams_at_once_and_in_order(database: Database) -> None:
    ticker = Ticker()
    async with httpx.AsyncClient(timeout=20) as client:
        async with served(database, ticker) as (_, port):
            request = client.build_request("GET", f"http://localhost:{port}/ticks")
            response = await client.send(request, stream=True)
            lines = response.aiter_lines()
            assert await anext(lines) == "data: first"
            began = time.monotonic()
        took_s = time.monotonic() - began
        assert [line async for line in lines if line] == []  # the end, not a connection that breaks
    assert ticker.ended.is_set()
    assert took_s < 3  # of 5 that requests under way are given


async def test_hosts_count_in_http_2_as_in_http_1(database: Database) -> None:
    async with served(database) as (_, port):
        for protocol in ("--http1.1", "--http2-prior-knowledge"):
            for host, status in ((f"localhost:{port}", "200"), ("evil.example", "421")):
                process = await asyncio.create_subprocess_exec(
                    *("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", protocol, "-H", f"Host: {host}"),
                    f"http://127.0.0.1:{port}/api/health",
                    stdout=asyncio.subprocess.PIPE,
                )
                output, _ = await asyncio.wait_for(process.communicate(), 20)
                assert output.decode() == status, (protocol, host)


async def test_raw_nonsense_gets_an_answer_or_a_close(database: Database) -> None:
    async with served(database) as (_, port):
        for request in (
            b"GET /api/health HTTP/1.0\r\n\r\n",
            b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
            b"GET http://evil.example/api/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            b"\x00\xff\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(65536), 10)
            writer.close()
            assert b" 200 " not in answer.split(b"\r\n")[0], request
            assert b"Traceback" not in answer


ATTACK = """
async (console) => {
  const seen = {};
  const tried = async (name, run) => { try { seen[name] = await run(); } catch (error) { seen[name] = 'blocked'; } };
  const evil = JSON.stringify({name: 'evil', role: 'owner', password: 'evil-evil-evil-1'});
  await tried('read', async () => (await fetch(console + '/api/me', {credentials: 'include'})).text());
  await tried('opaque', async () => (await fetch(console + '/api/me', {credentials: 'include', mode: 'no-cors'})).type);
  await tried('simple post', async () => (await fetch(console + '/api/people', {
    method: 'POST', credentials: 'include', mode: 'no-cors', body: evil})).type);
  await tried('json post', async () => (await fetch(console + '/api/people', {
    method: 'POST', credentials: 'include', headers: {'content-type': 'application/json'}, body: evil})).status);
  await tried('form logout', () => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.name = 'target';
    document.body.append(frame);
    const form = document.createElement('form');
    form.method = 'post'; form.action = console + '/logout'; form.target = 'target';
    document.body.append(form);
    frame.addEventListener('load', () => resolve('loaded'));
    form.submit();
    setTimeout(() => resolve('timeout'), 5000);
  }));
  await tried('script', () => new Promise((resolve) => {
    const script = document.createElement('script');
    script.src = console + '/api/me';
    script.onload = () => resolve('ran'); script.onerror = () => resolve('blocked');
    document.body.append(script);
  }));
  await tried('socket', () => new Promise((resolve) => {
    const socket = new WebSocket(console.replace('http', 'ws') + '/ticks');
    socket.onopen = () => resolve('open'); socket.onerror = () => resolve('blocked');
  }));
  return seen;
}
"""


@asynccontextmanager
async def app_page() -> AsyncIterator[int]:
    """An app's page on another port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<!doctype html><title>app</title><body>app"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
async def test_a_page_on_another_port_can_neither_read_nor_change_anything(database: Database) -> None:
    from playwright.async_api import async_playwright

    async with served(database) as (house, port), app_page() as app_port, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = await chromium.new_page()
            violations: list[str] = []
            page.on("console", lambda message: violations.append(message.text))
            console = f"http://localhost:{port}"
            await page.goto(f"{console}/login?next=/api/me")
            await page.fill("input[name=name]", "admin")
            await page.fill("input[name=password]", PASSWORD)
            await page.press("input[name=password]", "Enter")
            await page.wait_for_url(f"{console}/api/me")
            await page.goto(f"{console}/api/docs")
            assert await page.locator(".api-frame article").count() > 0
            assert not [text for text in violations if "Content Security Policy" in text]
            for host in ("localhost", "hello.localhost"):
                await page.goto(f"http://{host}:{app_port}/")
                seen = await page.evaluate(ATTACK, console)
                assert seen["read"] == "blocked", seen
                assert seen["json post"] == "blocked", seen
                assert seen["script"] == "blocked", seen
                assert seen["socket"] == "blocked", seen
                assert "evil" not in json.dumps(seen)
            people = (await house.accounts.people.page(SYSTEM)).items
            assert [person.name for person in people] == ["admin"]
            audit = (await house.accounts.audit.entries(SYSTEM, AuditFilter())).items
            assert "session.closed" not in [line.action for line in audit]
            await page.goto(f"{console}/api/me")
            assert '"kind":"person"' in await page.content()
            for host in (
                "localhost",
                "hello.localhost",
            ):  # the second is another site: the cookie stays behind at first
                await page.goto(f"http://{host}:{app_port}/")
                await page.evaluate("(url) => { location.href = url }", f"{console}/who?x=1")
                await page.wait_for_selector("text=this is admin")
                assert page.url == f"{console}/who?x=1"
        finally:
            await chromium.close()
