"""Deciding about refused records and setting retention, as people do it in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_the_estimate_follows_what_is_typed_and_then_it_is_set(page: Page) -> None:
    page.goto("/logs/retention")
    page.locator("tr", has_text="logs-kube").get_by_role("link", name="Set").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_text("now it grows")).to_be_visible()
    days = dialog.get_by_label("Days")
    days.fill("9")
    expect(dialog.get_by_text("Removed after ten minutes").locator("..")).to_contain_text("documents")
    expect(dialog.get_by_text("Oldest day kept").locator("..")).not_to_contain_text("–")
    days.fill("soon")
    expect(dialog.get_by_role("alert")).to_contain_text("is not a number of days")
    days.fill("9")
    expect(dialog.get_by_role("alert")).to_have_count(0)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. What is over")).to_be_visible()
    row = page.get_by_role("region", name="Settings").locator("tr", has_text="logs-kube")
    expect(row).to_contain_text("9 days")
    row.get_by_role("link", name="Change").click()
    dialog.get_by_role("button", name="Take the setting back").click()
    expect(page.get_by_text("Nothing is set")).to_be_visible()


def test_a_refused_record_is_read_and_discarded(page: Page) -> None:
    page.goto("/system/spool")
    page.get_by_role("link", name="logs 51007").click()
    expect(page.locator("#drawer")).to_contain_text("<b>with markup</b>")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Discard record 51007 of logs").click()
    page.locator("#dialog").get_by_role("button", name="Discard 1 record").click()
    expect(page.get_by_text("Discarded. The audit")).to_be_visible()
    expect(page.get_by_role("link", name="logs 51007")).to_have_count(0)
