"""The components that rooms are made of: sorted and paged by the server, walked by keyboard, whole without script."""

from __future__ import annotations

import re

import httpx
import pytest
from jinja2 import Environment
from playwright.sync_api import Browser, Page, expect

from dxops.console.rendering import environment
from tests.console.browsing import sign_in


def made(text: str, **context: object) -> str:
    """What a line of template with the components becomes."""
    jinja: Environment = environment()
    source = '{% import "macros.html" as ui with context %}' + text
    return jinja.from_string(source).render({"csrf": "", "path": "", **context})


def test_a_head_says_how_it_sorts_and_turns_round() -> None:
    falling = made('{{ ui.sorter("Size", "size", "-size", "/x?env=dev&") }}')
    assert 'aria-sort="descending"' in falling
    assert 'href="/x?env=dev&amp;sort=size"' in falling
    other = made('{{ ui.sorter("Name", "name", "-size", "/x?") }}')
    assert 'aria-sort="none"' in other
    assert 'href="/x?sort=-name"' in other


def test_what_people_wrote_stays_text_in_every_component() -> None:
    hostile = '"><script>alert(1)</script>'
    for text in (
        '{{ ui.pill("host", x, "#") }}',
        "{{ ui.code(x, x) }}",
        "{{ ui.json({x: [x]}, x) }}",
        '{{ ui.textarea("q", x, x, 2, x, x) }}',
        "{{ ui.sparkline((1, 2), x) }}",
        '{{ ui.time_range("/x", "1h", x, [(x, x)]) }}',
        "{{ ui.notice('bad', x, x ~ '`' ~ x ~ '`') }}",
    ):
        assert "<script" not in made(text, x=hostile), text


def test_json_folds_below_what_stands_open() -> None:
    text = made("{{ ui.json({'a': {'b': {'c': 1}}, 'off': false, 'none': none, 'empty': []}, 'An event', 1) }}")
    assert text.count("<details") == 3
    assert text.count("<details open") == 1
    for shown in ('<span class="w">false', '<span class="w">null', "[]", "4 keys"):
        assert shown in text


def test_hints_show_commands_as_code() -> None:
    assert "<code>dxops apps</code> lists" in made("{{ ui.notice('bad', 'No', '`dxops apps` lists') }}")
    assert "a ` b" in made("{{ ui.notice('bad', 'No', 'a ` b') }}")


async def test_rows_are_sorted_and_paged_by_the_server(owner: httpx.AsyncClient) -> None:
    seen, address = [], "/console/design?sort=took"
    while address:
        text = (await owner.get(address)).text
        rows = text.split('id="d-log-rows"')[1].split("</tbody>")[0]
        seen += re.findall(r'class="num nowrap">([\d.]+) (ms|s)', rows)
        following = re.search(r'hx-get="([^"]+)" hx-trigger="click, intersect', text)
        address = following[1].replace("&amp;", "&") if following else ""
    took = [float(value) * (1000 if unit == "s" else 1) for value, unit in seen]
    assert len(took) == 30
    assert took == sorted(took)
    for odd in ("?sort=%3Cscript%3E", "?after=-1", "?after=99999999999", "?range=%00"):
        assert (await owner.get(f"/console/design{odd}")).status_code == 200


@pytest.mark.browser
def test_rows_come_as_one_scrolls(page: Page) -> None:
    page.goto("/console/design")
    rows = page.locator("#d-log-rows tr")
    expect(rows).to_have_count(12)
    # at once: the pager is replaced by the next page's, which is in view then
    page.evaluate("document.getElementById('d-log-rows-more').scrollIntoView({block: 'center'})")
    expect(rows).to_have_count(30)
    page.locator("#d-log .table-wrap").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(page.locator("#d-log-rows-more")).to_contain_text("all there are")
    head = page.locator("#d-log thead th").first
    box = page.locator("#d-log .table-wrap")
    assert head.bounding_box()["y"] == pytest.approx(box.bounding_box()["y"], abs=2)  # type: ignore[index]


@pytest.mark.browser
def test_menus_and_the_drawer_by_keyboard(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")  # the drawer is where it belongs at once
    page.goto("/console/design")
    menu = page.locator("details.menu.range")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("link", name="Last 15 minutes")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("link", name="Last 24 hours")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu.locator("summary")).to_be_focused()
    expect(menu.get_by_role("link", name="Last 15 minutes")).to_be_hidden()
    page.locator("#d-log-rows a[data-row-link]").first.focus()
    page.keyboard.press("Enter")
    drawer = page.locator("#d-drawer")
    expect(drawer).to_be_visible()
    edge = drawer.bounding_box()
    assert edge is not None
    assert edge["x"] + edge["width"] == pytest.approx(1280, abs=1)
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page.locator("#d-log-rows a[data-row-link]").first).to_be_focused()


@pytest.mark.browser
def test_a_phone_reaches_every_page(chromium: Browser, console: str) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844}, base_url=console)
    sign_in(page, console)
    page.get_by_text("More", exact=True).click()
    page.locator(".tabbar .menu-body").get_by_role("link", name="Audit log").click()
    page.wait_for_url("**/audit")
    first = page.locator("tbody tr").first
    title, when = first.locator("td[data-title]").bounding_box(), first.locator("td[data-corner]").bounding_box()
    assert title is not None
    assert when is not None
    assert when["x"] > title["x"]
    assert abs(when["y"] - title["y"]) < 12
    page.close()
