"""A progressive web app in Chromium: deep links, a flip under an open page, its service worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.console.browsing import CHROMIUM
from tests.rooms.origin.stage import Stage, staged

pytestmark = pytest.mark.browser

HOST = "kai.localhost"


def release(version: str, mark: str) -> dict[str, bytes]:
    """An app with a lazy chunk and a service worker that keeps the shell; `mark` is the hash in its names."""
    chunk, entry = f"assets/lazy-{mark}.js", f"assets/index-{mark}.js"
    script = f"""
      document.querySelector('h1').textContent = 'version {version} at ' + location.pathname;
      document.querySelector('button').onclick = async () => {{
        const chunk = await import('/{chunk}');
        document.querySelector('output').textContent = chunk.text;
      }};
      navigator.serviceWorker.register('/sw.js').then(async found => {{
        await navigator.serviceWorker.ready;
        document.body.dataset.worker = 'ready';
        window.update = () => found.update();
      }});
      navigator.serviceWorker.addEventListener('controllerchange', () => document.body.dataset.changed = 'yes');
    """
    worker = f"""
      const SHELL = 'shell-{version}';
      self.addEventListener('install', event => {{
        event.waitUntil(caches.open(SHELL).then(cache => cache.addAll(['/', '/{entry}'])));
        self.skipWaiting();
      }});
      self.addEventListener('activate', event => event.waitUntil((async () => {{
        for (const name of await caches.keys()) if (name !== SHELL) await caches.delete(name);
        await self.clients.claim();
      }})()));
      self.addEventListener('fetch', event => {{
        const wanted = event.request.mode === 'navigate' ? '/' : event.request;
        event.respondWith(caches.match(wanted).then(found => found || fetch(event.request)));
      }});
    """
    page = (
        '<!doctype html><link rel="icon" href="data:,"><link rel="manifest" href="/manifest.webmanifest">'
        f'<h1></h1><button>more</button><output></output><script type="module" src="/{entry}"></script>'
    )
    return {
        "index.html": page.encode(),
        entry: script.encode(),
        chunk: f"export const text = 'chunk of {version}';".encode(),
        "sw.js": worker.encode(),
        "manifest.webmanifest": b'{"name": "Kai", "start_url": "/", "display": "standalone"}',
    }


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, "kai") as made:
        yield made


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(**CHROMIUM)
        yield chromium
        await chromium.close()


async def test_an_open_page_survives_a_flip_and_its_worker_updates(stage: Stage, browser: Browser) -> None:
    await stage.publish(release("one", "a1b2c3d4"), app="kai", environment="dev")
    page = await browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    address = f"http://{HOST}:{stage.port}"

    await page.goto(f"{address}/space/123")  # a deep link, before any worker
    await page.wait_for_selector("h1:has-text('version one at /space/123')")
    await page.wait_for_selector("body[data-worker=ready]")

    await stage.publish(release("two", "e5f6a7b8"), app="kai", environment="dev")
    await page.click("button")  # the open page loads the chunk of its own release
    await page.wait_for_selector("output:has-text('chunk of one')")

    await page.evaluate("document.body.dataset.changed = ''; window.update()")
    await page.wait_for_selector("body[data-changed=yes]")  # the new worker was seen despite every cache
    await page.reload()
    await page.wait_for_selector("h1:has-text('version two at /space/123')")
    await page.click("button")
    await page.wait_for_selector("output:has-text('chunk of two')")

    await page.goto(f"{address}/other/place?q=1")  # offline shell of the new release, deep link again
    await page.wait_for_selector("h1:has-text('version two at /other/place')")
    assert problems == []


async def test_a_dropped_worker_is_let_go_and_old_pages_are_not_resurrected(stage: Stage, browser: Browser) -> None:
    await stage.publish(release("one", "a1b2c3d4"), app="kai", environment="dev")
    page = await browser.new_page()
    address = f"http://{HOST}:{stage.port}"
    await page.goto(address)
    await page.wait_for_selector("body[data-worker=ready]")
    await stage.publish({"index.html": b"<!doctype html><h1>plain</h1>"}, app="kai", environment="dev")
    gone = await page.evaluate(
        "window.update().then(() => 'updated', () => 'refused')"  # a 404 for the script: the browser drops the worker
    )
    assert gone == "refused"
    assert (await stage.get("/sw.js", host=HOST)).status_code == 404


async def test_reload_uses_the_browser_s_cache_for_hashed_files_only(stage: Stage, browser: Browser) -> None:
    files = {name: body for name, body in release("one", "a1b2c3d4").items() if name != "sw.js"}
    await stage.publish(files, app="kai", environment="dev")
    page = await browser.new_page()
    await page.goto(f"http://{HOST}:{stage.port}/")
    await page.wait_for_selector("h1:has-text('version one')")
    stage.accesses.clear()
    await page.goto(f"http://{HOST}:{stage.port}/")
    await page.wait_for_selector("h1:has-text('version one')")
    asked = {(each.path, each.status) for each in stage.accesses if not each.path.startswith(("/sw", "/favicon"))}
    assert ("/", 304) in asked
    assert not any(path.startswith("/assets/index") for path, _ in asked)
