"""What opens on a page is as accessible as the page, and Tab reaches everything in the order in which it is seen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.console.test_browser import AXE, all_paths

pytestmark = pytest.mark.browser

VIOLATIONS = """async where => (await axe.run(where, {resultTypes: ['violations']})).violations
    .filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => one.id + ': ' + one.nodes.map(node => node.html.slice(0, 160)).join(' | '))"""

# The stops that a keyboard has: what is rendered, enabled and in the tab sequence; of a group of radios, one.
LEFT_OUT = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
    .filter(one => one.tabIndex >= 0 && !one.disabled && one.type !== 'hidden' && one.type !== 'radio')
    .filter(one => one.checkVisibility({visibilityProperty: true}) && !reached.has(one))
    .map(one => one.outerHTML.slice(0, 120))"""
POSITIVE = (
    "() => [...document.querySelectorAll('[tabindex]')].filter(one => one.tabIndex > 0).map(one => one.outerHTML)"
)
TABBED = (
    "/",
    "/apps/composer",
    "/apps/composer/rollback?env=prod",
    "/content",
    "/people",
    "/tokens",
    "/profile",
    "/system",
)
LOOK = """() => {
    const style = one => {
        const all = getComputedStyle(one)
        return [all.outlineStyle, all.boxShadow, all.backgroundColor, all.borderColor, all.stroke] + ''
    }
    const look = one => [one, one.parentElement, one.firstElementChild].filter(Boolean).map(style) + ''
    const plain = new Map([...document.querySelectorAll('*')].map(one => [one, look(one)]))
    window.reached = new WeakSet()  // an attribute would be lost when a live part is morphed
    window.reach = async () => {
        for (const _ of [1, 2]) await new Promise(requestAnimationFrame)
        const one = document.activeElement
        if (!one || one === document.body || (reached.has(one) && one !== window.last)) return null
        window.last = one  // a date has several stops inside
        reached.add(one)
        return {html: one.outerHTML.slice(0, 120), shown: look(one) !== plain.get(one)}
    }
}"""


def test_what_opens_has_no_serious_violation(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    found: dict[str, list[str]] = {}
    opened = 0
    for path in all_paths(page):
        page.goto(path)
        page.evaluate(AXE.read_text())
        for index in range(page.locator("dialog").count()):
            dialog = page.locator("dialog").nth(index)
            if not dialog.evaluate("one => one.textContent.trim() !== ''"):
                continue  # filled when something asks for it
            dialog.evaluate("one => one.showModal()")
            name = dialog.get_attribute("id") or str(index)
            if broken := dialog.evaluate(VIOLATIONS):
                found[f"{path} dialog {name}"] = broken
            dialog.evaluate("one => one.close()")
            opened += 1
        for index in range(page.locator("details.menu > summary:visible").count()):
            summary = page.locator("details.menu > summary:visible").nth(index)
            summary.evaluate("one => { one.parentElement.open = true }")
            if broken := summary.evaluate(f"one => ({VIOLATIONS})(one.parentElement)"):
                found[f"{path} menu {index}"] = broken
            summary.evaluate("one => { one.parentElement.open = false }")
            opened += 1
    assert found == {}
    assert opened > 30


def test_tab_reaches_everything_and_shows_where_it_is(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    for path in TABBED:
        page.goto(path)
        assert page.evaluate(POSITIVE) == [], path
        page.evaluate("document.activeElement.blur()")
        page.evaluate(LOOK)
        rounds = 0  # a page may begin in its form: then the way leads once around
        while rounds < 2:
            page.keyboard.press("Tab")
            focus = page.evaluate("reach()")
            rounds += focus is None
            assert focus is None or focus["shown"], (path, focus["html"])
        assert page.evaluate(LEFT_OUT) == [], path
