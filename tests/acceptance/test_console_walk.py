"""The whole product in a browser: sign in, publish, promote, roll back, and the Operations page that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.console.browsing import CHROMIUM, sign_in
from tests.harness import System

pytestmark = [pytest.mark.system, pytest.mark.browser]

APP = "walked"


def publish(system: System, directory: Path, version: str) -> None:
    """A project with nothing to build, released to dev by the CLI."""
    (directory / "out").mkdir(exist_ok=True)
    (directory / "out" / "index.html").write_text(f"<!doctype html><title>{version}</title><h1>walked {version}</h1>")
    (directory / "dx.yml").write_text(
        f"version: 1\npackage:\n  modules:\n    - name: {APP}\n      type: dxos:type/app\n"
        "      build:\n        command: 'true'\n        outdir: out\n"
    )
    system.dxops("publish", str(directory), "--env", "dev", "--version", version)


def served(page: Page, system: System, host: str) -> str:
    """What a person reads at that address."""
    other = page.context.new_page()
    other.goto(f"http://{host}:{system.apps_port}/")
    text = other.locator("h1").inner_text()
    other.close()
    return text


def test_the_walk(system: System, tmp_path: Path) -> None:
    found = system.endpoints()
    password = Path(found["admin_password_file"]).read_text().strip()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(**CHROMIUM)
        context = browser.new_context(viewport={"width": 1366, "height": 900}, base_url=found["console_url"])
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))

        page.goto("/apps/hello")
        expect(page).to_have_url(re.compile("/login"))
        sign_in(page, found["console_url"], found["admin_user"], password)
        expect(page.locator("#app-hello td .version")).to_have_count(3)
        expect(page.locator(".live")).to_have_attribute("data-state", "on")

        publish(system, tmp_path, "1.0.0")
        dev = page.locator(f"#app-{APP} td[data-label=dev]")
        expect(dev.locator(".version")).to_have_text("1.0.0", timeout=20_000)  # by itself: nobody reloads
        expect(dev.locator(".dot")).to_have_attribute("aria-label", "Both links answer", timeout=90_000)
        publish(system, tmp_path, "1.1.0")
        expect(dev.locator(".version")).to_have_text("1.1.0", timeout=20_000)
        assert served(page, system, f"{APP}.dev.dxos.localhost") == "walked 1.1.0"
        assert served(page, system, f"{APP}.dev.kube.dxos.localhost") == "walked 1.1.0"

        page.locator(f"#app-{APP}").hover()
        dev.locator("a.promote").click()
        dialog = page.locator("#dialog")
        expect(dialog).to_contain_text("nothing")
        dialog.get_by_role("button", name="Promote 1.1.0 to staging").click()
        expect(page.locator(".toast")).to_contain_text("Promoted")
        assert served(page, system, f"{APP}.staging.dxos.localhost") == "walked 1.1.0"

        card = page.get_by_role("region", name="dev", exact=True)
        card.get_by_role("link", name="Roll back").click()
        dialog.get_by_role("button", name="Roll dev back to 1.0.0").click()
        expect(page.locator(".toast")).to_contain_text("Rolled back")
        assert served(page, system, f"{APP}.dev.dxos.localhost") == "walked 1.0.0"

        page.goto("/runs")
        page.locator("tr", has_text=APP).locator("a.row-link").first.click()
        expect(page.locator(".log li").first).to_be_visible()
        expect(page.get_by_text("succeeded")).to_be_visible()

        page.goto("/")
        expect(page.locator(f"#app-{APP} td[data-label=staging] .version")).to_have_text("1.1.0")
        expect(page.locator(f"#app-{APP} td[data-label=dev] .version")).to_have_text("1.0.0")
        page.goto("/audit?action=release.")
        for action in ("release.published", "release.promoted", "release.rolled_back"):
            expect(page.get_by_text(action).first).to_be_visible()
        page.goto("/system")
        expect(page.locator("#roles-live tbody tr", has_text="healthy")).not_to_have_count(0)
        browser.close()
    assert problems == []
