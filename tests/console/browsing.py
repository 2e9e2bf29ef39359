"""Chromium for tests and pictures."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.console.demo import PASSWORD

CHROMIUM: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}


def sign_in(page: Page, address: str, name: str = "admin", password: str = PASSWORD) -> None:
    """Through the form, as a person."""
    page.goto(f"{address}/login")
    page.fill("[name=name]", name)
    page.fill("[name=password]", password)
    page.click("button.primary")
    page.wait_for_url(f"{address}/")
