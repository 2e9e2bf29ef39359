"""The console in Chromium: keyboard, palette, themes, phones, live parts, and what a screen reader meets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.browsing import sign_in

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "dxops/console/frontend/node_modules/axe-core/axe.min.js"
PATHS = (
    "/",
    "/apps/composer",
    "/apps/composer?tab=releases",
    "/apps/composer/compare",
    "/apps/composer/rollback?env=prod",
    "/runs",
    "/content",
    "/people",
    "/tokens",
    "/audit",
    "/profile",
    "/system",
    "/system/spool",
    "/logs/retention",
    "/logs/retention/set?pattern=logs-*&days=9",
    "/system/spool/logs/discard",
    "/system/spool/logs/records/51007",
    "/console/design",
    "/api/docs",
)


def all_paths(page: Page) -> list[str]:
    """The fixed ones, and a release, a run and a CID of the story."""
    page.goto("/apps/composer?tab=releases")
    release = page.locator("a.row-link").first.get_attribute("href")
    cid = page.locator(".chip a").last.get_attribute("href")
    page.goto("/runs")
    run = page.locator("a.row-link").nth(1).get_attribute("href")
    return [*PATHS, *(path for path in (release, cid, run) if path)]


def test_walking_by_keyboard(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("body").click(position={"x": 700, "y": 70})
    page.keyboard.press("j")
    expect(page.locator("#app-composer")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("#app-docs")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/apps/composer")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/system")
    page.keyboard.press("/")
    expect(page.locator("input[type=search]")).to_be_focused()
    page.keyboard.type("keep")
    expect(page.locator("#configuration tbody tr:visible")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_the_palette_goes_anywhere(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Control+k")
    field = page.locator("#palette input")
    expect(field).to_be_focused()
    expect(page.locator("#palette-list [data-href='/apps/kai']")).to_be_visible()
    page.keyboard.type("kai-w")
    expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("kai-web")
    page.keyboard.press("Enter")
    page.wait_for_url("**/apps/kai-web")
    page.keyboard.press("Control+k")
    page.keyboard.type("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi")
    expect(page.locator("#palette-list [role=option]")).to_contain_text("Browse this CID")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()


def test_filter_promote_and_roll_back(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Filter apps").fill("todo")
    expect(page.locator("#applications tbody tr:visible")).to_have_count(1)
    page.get_by_label("Filter apps").fill("nothing like it")
    expect(page.get_by_text("No app matches")).to_be_visible()
    page.get_by_label("Filter apps").fill("")
    row = page.locator("#app-kai-web")
    row.hover()
    row.locator("a.promote[href$='to=staging']").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("kai-web.staging.dxos.localhost")
    dialog.get_by_role("button", name=re.compile("Promote .* to staging")).click()
    page.wait_for_url(re.compile("/apps/kai-web$"))  # what was done is said once: `?done=` is gone from the address
    expect(page.locator(".toast")).to_contain_text("Promoted")
    card = page.get_by_role("region", name="staging", exact=True)
    expect(card.locator(".big")).to_have_text("0.7.8")
    card.get_by_role("link", name="Roll back").click()
    expect(dialog).to_contain_text("0.7.7")
    dialog.get_by_role("button", name="Roll staging back to 0.7.7").click()
    expect(page.locator(".toast")).to_contain_text("Rolled back")
    expect(card.locator(".big")).to_have_text("0.7.7")


def test_a_flip_elsewhere_appears_without_disturbing(page: Page, chromium: Browser, console: str) -> None:
    page.goto("/")
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    link = page.locator("#app-docs a[data-row-link]")
    link.focus()
    other = chromium.new_page(base_url=console)
    sign_in(other, console, "ada")
    other.goto("/apps/docs/promote?from=dev&to=staging")
    other.get_by_role("button", name=re.compile("^Promote")).click()
    other.wait_for_url(re.compile("/apps/docs"))
    other.close()
    staging = page.locator("#app-docs td[data-label=staging] .version")
    expect(staging).to_have_text("0.5.8", timeout=10_000)
    expect(link).to_be_focused()


def test_a_running_publish_is_followed(page: Page) -> None:
    page.goto("/runs")
    page.locator("tr", has_text="running").locator("a.row-link").click()
    expect(page.locator(".log li")).to_have_count(6)
    expect(page.locator(".log li").last).to_contain_text("warning: some chunks")
    assert "\x1b" not in page.locator(".log").inner_text()
    coloured = page.locator(".log .ansi-35", has_text="assets/").first
    expect(coloured).to_have_text(re.compile("assets/index"))
    plain = page.locator(".log li", has_text="modules transformed")
    ink = "element => getComputedStyle(element).color"
    assert coloured.evaluate(ink) != plain.evaluate(ink)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "false")


def test_the_dag_is_walked_by_keyboard(page: Page) -> None:
    page.goto("/apps/composer")
    page.locator(".env-card .chip a").first.click()
    root = page.locator(".dag [role=treeitem]").first
    expect(root).to_have_attribute("aria-expanded", "true")
    before = page.locator(".dag [role=treeitem]").count()
    root.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    expect(page.locator(".dag [aria-expanded=true]")).to_have_count(2)
    assert page.locator(".dag [role=treeitem]").count() > before
    page.keyboard.press("Enter")
    page.wait_for_url("**/content/baf*")
    expect(page.get_by_role("heading", name="Entries")).to_be_visible()


def test_themes(page: Page) -> None:
    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.emulate_media(color_scheme="light")
    page.goto("/")
    light = background()
    page.emulate_media(color_scheme="dark")
    dark = background()
    assert light != dark
    page.locator("#person-menu summary").click()
    page.get_by_role("button", name="Light", exact=True).click()
    assert background() == light
    page.reload()
    assert background() == light


def test_a_phone_scrolls_one_way(page: Page) -> None:
    paths = all_paths(page)
    page.set_viewport_size({"width": 360, "height": 740})
    wide = []
    for path in paths:
        page.goto(path)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert wide == []
    expect(page.get_by_role("navigation", name="Main, small screens")).to_be_visible()


def test_a_long_name_stays_in_its_column(page: Page) -> None:
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto("/")
        name = page.locator("#app-docs th .app-name a")
        name.evaluate("link => (link.textContent = 'example:app/' + 'a-long-name-'.repeat(9))")
        assert page.locator("#app-docs th").evaluate("cell => cell.scrollWidth <= cell.clientWidth"), width


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_serious_accessibility_violation(page: Page, theme: str) -> None:
    paths = all_paths(page)
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    script = AXE.read_text()
    found = []
    for path in paths:
        page.goto(path)
        page.evaluate(script)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            (path, one["id"], one["nodes"][0]["html"][:160], one["nodes"][0].get("failureSummary", "")[:200])
            for one in result["violations"]
            if one["impact"] in ("serious", "critical")
        ]
    assert not found, "\n".join(str(one) for one in found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_of_a_log_is_readable(page: Page, theme: str) -> None:
    page.goto("/runs")
    page.locator("a.row-link").first.click()
    expect(page.locator(".log li").first).to_be_visible()
    page.emulate_media(color_scheme=theme)
    page.evaluate(
        """() => {
            const inks = [0, ...Array(8).keys().map(n => 30 + n), ...Array(8).keys().map(n => 90 + n)];
            for (const paper of [0, 40, 41, 42, 43, 44, 45, 46, 47]) for (const ink of inks) {
                const item = document.createElement("li");
                item.innerHTML = `<span></span><span></span><span class="ansi-${ink} ansi-${paper}">text</span>`;
                document.querySelector(".log ol").append(item);
            }
        }"""
    )
    # axe passes over what is scrolled out of sight
    page.evaluate("document.querySelector('.log').style.maxHeight = 'none'")
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run('.log', {runOnly: ['color-contrast']})")
    assert [node["html"] for one in result["violations"] for node in one["nodes"]] == []
    assert len(result["passes"][0]["nodes"]) > 150


def test_pages_are_light(page: Page) -> None:
    """At most 100 kB of compressed script on any page."""
    sizes: dict[str, int] = {}

    def count(answer: object) -> None:
        url, headers = answer.url, answer.headers  # type: ignore[attr-defined]
        if url.endswith(".js"):
            sizes[url] = int(headers["content-length"])
            assert headers.get("content-encoding") == "br"
            assert "immutable" in headers["cache-control"]

    page.on("response", count)
    for path in all_paths(page):
        page.goto(path)
    assert sizes
    assert sum(sizes.values()) < 100_000


def test_pages_read_without_script(chromium: Browser, console: str) -> None:
    context = chromium.new_context(java_script_enabled=False, base_url=console)
    page = context.new_page()
    sign_in(page, console)
    expect(page.locator("#app-composer")).to_contain_text("composer.dxos.localhost")
    page.goto("/apps/composer")
    page.get_by_role("link", name="Promote to prod").click()
    expect(page.get_by_role("button", name=re.compile("^Promote .* to prod"))).to_be_visible()
    context.close()
