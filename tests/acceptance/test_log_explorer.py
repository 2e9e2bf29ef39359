"""The log explorer in Chromium, on a started system that is fed over port 9200."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.console.browsing import CHROMIUM, sign_in
from tests.harness import System, eventually

pytestmark = [pytest.mark.system, pytest.mark.browser]

AXE = Path(__file__).parents[2] / "dxops/console/frontend/node_modules/axe-core/axe.min.js"
STREAM = f"logs-explorer-{time.time_ns()}"
TAILED = f"{STREAM}-tailed"
COUNT = 1_200
HERE = f"/logs?stream={STREAM}&from=now-24h&tz=UTC"


def document(number: int, now_ms: int) -> dict[str, Any]:
    """One of `COUNT` lines, half a second apart."""
    failed = number % 10 == 0
    return {
        "@timestamp": now_ms - number * 500,
        "log": {"level": "error" if failed else "info"},
        "service": {"name": ("checkout", "search", "edge")[number % 3]},
        "host": {"name": f"kube-{number % 4}"},
        "message": f"payment {number} refused\nat line {number}" if failed else f"request {number} served <b>ü</b> 🎉",
        "took": number / 2,
        "status": 500 if failed else "ok" if number % 7 == 0 else 200,
        "id": 9_007_199_254_740_993 + 2 * number,
    }


def send(system: System, documents: list[dict[str, Any]], stream: str = STREAM) -> None:
    found = system.endpoints()
    body = "".join(f'{{"create":{{"_index":"{stream}"}}}}\n{json.dumps(one)}\n' for one in documents)
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"ApiKey {found['elastic_api_key']}"}
    url = f"{found['elastic_url']}/_bulk"
    request = urllib.request.Request(url, body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["errors"] is False


def counted(system: System) -> int:
    url = f"{system.endpoints()['api_url']}/logs/search?stream={STREAM}&from=now-24h&limit=1"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {system.api_token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(json.load(answer)["total"])


@pytest.fixture(scope="module")
def browser(system: System) -> Iterator[Browser]:
    now_ms = int(time.time() * 1000) - 2_000
    send(system, [document(number, now_ms) for number in range(COUNT)])
    eventually(lambda: counted(system) >= COUNT, 30)
    with sync_playwright() as driver:
        made = driver.chromium.launch(**CHROMIUM)
        yield made
        made.close()


@pytest.fixture(scope="module")
def session(browser: Browser, system: System) -> dict[str, Any]:
    found = system.endpoints()
    context = browser.new_context()
    password = Path(found["admin_password_file"]).read_text().strip()
    sign_in(context.new_page(), found["console_url"], found["admin_user"], password)
    state: dict[str, Any] = {"storage_state": context.storage_state(), "base_url": found["console_url"]}
    context.close()
    return state


@pytest.fixture
def page(browser: Browser, session: dict[str, Any]) -> Iterator[Page]:
    """Signed in; fails on script errors and on what the content security policy refuses."""
    context = browser.new_context(
        **session, viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    made = context.new_page()
    made.set_default_timeout(10_000)
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda said: problems.append(said.text) if "Content Security Policy" in said.text else None)
    yield made
    context.close()
    assert problems == []


def opened(page: Page, more: str = "", total: str = "1,200 lines") -> None:
    page.goto(HERE + more)
    expect(page.locator("#lx-total")).to_contain_text(total)


def said(page: Page) -> dict[str, list[str]]:
    """The parameters of the address."""
    return parse_qs(urlsplit(page.url).query)


def test_a_query_is_completed_and_its_errors_are_underlined(page: Page) -> None:
    opened(page)
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Query")
    expect(field).to_be_focused()
    page.keyboard.type("servi")
    options = page.locator(".query-field [role=option]")
    expect(options.first).to_contain_text("service")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    page.keyboard.press("Enter")
    expect(field).to_have_value(re.compile("^service"))
    expect(page.locator(".query-field [role=option][data-kind=value]").first).to_be_visible()
    page.keyboard.type("che")
    expect(options.first).to_contain_text("checkout")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(field).to_have_value(re.compile(r"^service: ?checkout"))
    page.keyboard.press("Enter")
    expect(page.locator("#lx-total")).to_contain_text("400 lines")
    assert said(page)["q"][0].startswith("service")

    field.fill("🎉 and level:")
    page.keyboard.press("Enter")
    expect(page.locator("#lx-query-note")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    mark, box = page.locator("#lx-query-mark").bounding_box(), field.bounding_box()
    assert mark is not None
    assert box is not None
    assert box["x"] + 40 < mark["x"] < box["x"] + 160
    expect(page.locator(".line").first).to_be_visible()  # what was found before stays
    field.press("Backspace")
    expect(page.locator("#lx-query-mark")).to_be_hidden()
    page.go_back()
    expect(field).to_have_value(re.compile(r"^service: ?checkout"))
    expect(page.locator("#lx-total")).to_contain_text("400 lines")


def test_lucene_marks_matches_and_keeps_its_language(page: Page) -> None:
    opened(page)
    page.locator("#lx-lang").click()
    page.get_by_text("Lucene", exact=True).click()
    page.locator("#lx-query").fill("refused AND took:[0 TO 60]")
    page.keyboard.press("Enter")
    expect(page.locator("#lx-total")).to_contain_text("13 lines")
    assert said(page)["lang"] == ["lucene"]
    expect(page.locator(".line mark").first).to_have_text("refused")
    expect(page.locator(".line .line-more").first).to_have_text("+1")
    page.reload()
    expect(page.locator("#lx-total")).to_contain_text("13 lines")


def test_the_brush_zooms_and_back_returns(page: Page) -> None:
    opened(page, "&from=now-2h")
    page.goto(page.url.replace("now-24h", "now-2h"))
    chart = page.locator("#lx-chart")
    expect(chart.locator(".bar").first).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    expect(page.locator(".chart-tip")).to_be_visible()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.97, box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("from=20"))
    expect(page.locator("#lx-time-label")).to_contain_text("–")
    chart.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    narrow = page.url
    page.locator("#lx-wider").click()
    expect(page).not_to_have_url(narrow)
    page.go_back()
    expect(page).to_have_url(narrow)
    page.go_back()
    page.go_back()
    expect(page.locator("#lx-time-label")).to_have_text("Last 2 hours")


def test_cells_filter_and_columns_come_and_go(page: Page) -> None:
    opened(page)
    cell = page.locator(".line-cell[data-field=service]", has_text="search").first
    cell.hover()
    page.locator(".cell-tools").get_by_role("button", name="Filter for this value").click()
    expect(page.locator("#lx-total")).to_contain_text("400 lines")
    expect(page.locator(".pill")).to_contain_text("service: search")
    page.locator(".pill-main").click()
    page.get_by_role("menuitem", name="Exclude instead").click()
    expect(page.locator("#lx-total")).to_contain_text("800 lines")
    page.locator(".pill-main").click()
    page.get_by_role("menuitem", name="Disable").click()
    expect(page.locator("#lx-total")).to_contain_text("1,200 lines")
    expect(page.locator(".pill.off")).to_have_count(1)
    page.locator(".pill .remove").click()
    expect(page.locator(".pill")).to_have_count(0)

    page.locator("#lx-field-search").fill("took")
    row = page.locator("[data-field-row=took]")
    row.hover()
    row.get_by_role("button", name="Show took as a column").click()
    expect(page.locator("[data-column=took]")).to_be_visible()
    page.locator("[data-column=took] .head-button").click()
    page.get_by_role("menuitemradio", name="Sort falling").click()
    expect(page.locator(".line-cell[data-field=took]").first).to_have_text("599.5")
    page.locator("[data-column=took] .grip").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert said(page)["cols"] == ["level,service,took~200,message"]
    page.locator("[data-column=took] .head-button").click()
    page.get_by_role("menuitem", name="Move left").click()
    assert said(page)["cols"] == ["level,took~200,service,message"]
    row.locator(".field-name").click()
    expect(row.locator(".number-stats")).to_contain_text("p99")
    page.locator("#lx-field-search").fill("status")
    expect(page.locator("[data-field-row=status] .kind.conflict")).to_be_visible()


def test_a_pinned_filter_stays_through_other_searches(page: Page) -> None:
    opened(page)
    page.locator(".line-cell[data-field=service]", has_text="search").first.hover()
    page.locator(".cell-tools").get_by_role("button", name="Filter for this value").click()
    page.locator(".pill-main").click()
    page.get_by_role("menuitem", name="Pin: keep it in other searches").click()
    expect(page.locator(".pill.pinned")).to_contain_text("service: search")
    expect(page.locator("#lx-total")).to_contain_text("400 lines")
    opened(page, total="400 lines")  # another visit, whose address says nothing of it
    page.locator("#lx-open").click()
    page.locator(".saved-open", has_text="Errors").first.click()
    expect(page.locator(".pill.pinned")).to_contain_text("service: search")
    page.locator(".pill-main").first.click()
    page.get_by_role("menuitem", name="Unpin").click()
    expect(page.locator(".pill.pinned")).to_have_count(0)
    opened(page)
    expect(page.locator(".pill")).to_have_count(0)


def test_the_filter_editor_by_keyboard(page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/logs/fields?*", lambda route: held.append(route))
    opened(page)
    page.locator("body").press("f")
    form = page.get_by_role("dialog", name="Add a filter")
    page.keyboard.type("host")
    assert held, "the names of fields were not asked for"
    for route in held:  # they come after somebody typed
        route.continue_()
    expect(form.get_by_role("listbox", name="Fields").get_by_role("option").first).to_have_text(re.compile("host"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    form.get_by_label("Operator").select_option("one_of")
    form.get_by_label("Value", exact=True).fill("kube-1, kube-2")
    page.keyboard.press("Enter")
    expect(page.locator("#lx-total")).to_contain_text("600 lines")
    assert json.loads(said(page)["f"][0]) == {"field": "host", "op": "one_of", "values": ["kube-1", "kube-2"]}


def test_a_line_is_opened_with_its_neighbours_and_its_link(page: Page) -> None:
    opened(page)
    page.locator("body").press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    line = page.locator(".line[data-open]")
    expect(line.locator(".detail-table")).to_contain_text("9007199254740995")
    line.get_by_role("button", name="JSON", exact=True).click()
    expect(line.locator(".detail-json")).to_contain_text('"id": 9007199254740995')
    expect(line.locator(".detail-json")).to_contain_text("<b>ü</b>")
    line.get_by_role("button", name="Copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    line.get_by_role("button", name="Surrounding lines").click()
    around = page.locator(".around li")
    expect(around).to_have_count(22)  # twenty older ones, itself, one newer
    expect(page.locator(".around [aria-current]")).to_contain_text("request 1 served")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".line[data-open]")).to_have_count(0)
    page.goto(link)
    expect(page.locator("#lx-drawer")).to_contain_text("request 1 served")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("line="))


def test_new_lines_appear_and_wait_while_paused(page: Page, system: System) -> None:
    page.goto(f"/logs?stream={TAILED}&from=now-24h")
    expect(page.locator("#lx-total")).to_contain_text("0 lines")
    page.locator("body").press("t")
    expect(page.locator("#lx-tail-word")).to_have_text("Live")

    def tell(text: str) -> None:
        now = int(time.time() * 1000)
        send(system, [{"@timestamp": now, "service": {"name": "tailed"}, "message": text, "level": "warn"}], TAILED)

    tell("the first one")
    expect(page.locator(".line-message").first).to_have_text("the first one")
    page.locator("#lx-tail-pause").click()
    expect(page.locator("#lx-tail-word")).to_have_text("Paused")
    tell("the second one")
    expect(page.locator("#lx-tail-new")).to_contain_text("1 new line")
    expect(page.locator(".line")).to_have_count(1)
    page.locator("#lx-tail-new").click()
    expect(page.locator(".line-message").first).to_have_text("the second one")
    expect(page.locator("#lx-tail-word")).to_have_text("Live")
    page.locator("body").press("t")
    expect(page.locator("#lx-tail")).to_be_hidden()
    assert "live" not in said(page)


def test_pages_come_as_one_scrolls_and_few_lines_are_elements(page: Page) -> None:
    opened(page)
    scroll = page.locator("#lx-scroll")
    expect(scroll).to_have_attribute("aria-rowcount", "501")

    def at_the_end() -> bool:
        scroll.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        return scroll.get_attribute("aria-rowcount") == "1201"

    eventually(at_the_end)
    scroll.evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(page.locator(".line-message").last).to_contain_text("request 1199 ")
    assert page.locator(".line").count() < 100
    page.locator(".line-row").last.focus()
    page.keyboard.press("k")
    expect(page.locator(".line-row:focus")).to_contain_text("request 1198 ")


def test_a_search_is_saved_shared_renamed_opened_and_deleted(page: Page) -> None:
    opened(page, "&q=" + quote("level:error"), total="120 lines")
    page.locator("#lx-save").click()
    name = f"errors {time.time_ns()}"
    page.locator("#lx-save-dialog").get_by_label("Name").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Saved as")
    expect(page.locator("#lx-saved-name")).to_have_text(name)
    opened(page)
    page.locator("#lx-open").click()
    row = page.locator(".saved-row", has_text=name)
    row.get_by_role("button", name=f"Rename {name}").click()
    page.locator(".saved-rename input").fill(f"{name} renamed")
    page.keyboard.press("Enter")
    expect(row.locator("strong")).to_have_text(f"{name} renamed")
    row.locator(".saved-open").click()
    expect(page.locator("#lx-total")).to_contain_text("120 lines")
    assert said(page)["q"] == ["level:error"]
    page.locator("#lx-open").click()
    row.get_by_role("button", name="Delete").click()
    page.locator(".saved-row").get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)


def test_exports_are_files(page: Page) -> None:
    opened(page, "&q=" + quote("level:error and took < 50"), total="10 lines")
    for item, check in (
        ("CSV", lambda text: text.count("payment") == 10 and "service" in text.splitlines()[0]),
        ("NDJSON", lambda text: [json.loads(one) for one in text.splitlines()].__len__() == 10),
    ):
        page.locator("#lx-export").click()
        with page.expect_download() as download:
            page.get_by_role("dialog", name="Export").get_by_role("link", name=item).click()
        assert check(Path(download.value.path()).read_text()), item
    opened(page)
    page.locator("#lx-export").click()
    panel = page.get_by_role("dialog", name="Export")
    expect(panel.get_by_label("Lines").locator("option").first).to_have_text("All 1,200 lines")
    panel.get_by_label("Lines").select_option("The newest 100")
    with page.expect_download() as download:
        panel.get_by_role("link", name="NDJSON").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == 100


def test_patterns_and_statistics(page: Page) -> None:
    opened(page)
    page.locator("#lx-tab-patterns").click()
    first = page.locator(".pattern-table tbody tr").first
    expect(first).to_contain_text("1,080")
    expect(first.locator(".variable").first).to_be_visible()
    second = page.locator(".pattern-table tbody tr", has_text="payment")
    second.get_by_role("button", name="Show these lines").click()
    expect(page.locator("#lx-total")).to_contain_text("120 lines")
    page.locator("#lx-tab-lines").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#lx-tab-fields")).to_be_focused()
    expect(page.locator("[data-statistics=service]")).to_contain_text("checkout")
    page.locator("#lx-inspect").click()
    expect(page.locator(".lx-sql").first).to_contain_text("FROM log_events")


def answer(route: Route, status: int, code: str, message: str, hint: str) -> None:
    body = {"error": {"code": code, "message": message, "hint": hint, "field": None}}
    route.fulfill(status=status, content_type="application/json", body=json.dumps(body))


def test_what_goes_wrong_is_said_with_what_to_do(page: Page) -> None:
    page.route("**/api/logs/search?*", lambda route: answer(route, 503, "unavailable", "the store is away", "later"))
    page.goto(HERE)
    expect(page.locator("#lx-empty")).to_contain_text("the store is away")
    page.unroute("**/api/logs/search?*")
    page.locator("#lx-empty").get_by_role("button", name="Try again").click()
    expect(page.locator(".line").first).to_be_visible()
    page.route("**/api/logs/search?*", lambda route: answer(route, 413, "too_large", "the query met its time cap", ""))
    page.locator("#lx-refresh").click()
    expect(page.locator("#lx-note")).to_contain_text("Narrow the range")
    expect(page.locator(".line").first).to_be_visible()
    page.unroute("**/api/logs/search?*")
    page.goto(HERE + "&q=" + quote('"nothing like it"'))
    expect(page.locator("#lx-empty")).to_contain_text("No line matches")
    page.locator("#lx-empty").get_by_role("button", name="Without the query").click()
    expect(page.locator("#lx-total")).to_contain_text("1,200 lines")


def no_logs_yet(page: Page) -> None:
    """As on a first day: no stream has a line."""
    page.route("**/api/logs/streams", lambda route: route.fulfill(json={"items": []}))
    page.goto("/logs?stream=none-such")


def test_an_empty_installation_says_how_to_send_logs(page: Page, system: System) -> None:
    no_logs_yet(page)
    begin = page.locator("#lx-begin")
    expect(begin).to_be_visible()
    expect(begin).to_contain_text(system.endpoints()["elastic_url"])
    for way in ("filebeat.yml", "omelasticsearch", "curl", "elastic_api_key"):
        expect(begin).to_contain_text(way)
    begin.get_by_role("button", name="Watch for the first line").click()
    expect(page.locator("#lx-tail-word")).to_have_text("Live")


# what opened over the page alone, where something did: the page below was checked before
AXE_RUN = """onlyContrast => {
    const over = [...document.querySelectorAll(".popover, dialog[open], .query-field:has([role=option])")];
    const options = {resultTypes: ["violations"]};
    if (onlyContrast) options.runOnly = ["color-contrast"];
    return axe.run(over.length ? {include: over} : document, options);
}"""
STATES: dict[str, Any] = {
    "lines": lambda page: page.locator(".line").first.wait_for(),
    "open line": lambda page: page.locator(".line-row").nth(2).click(),
    "json": lambda page: page.locator(".line").get_by_role("button", name="JSON", exact=True).click(),
    "around": lambda page: (
        page.get_by_role("button", name="Surrounding lines").click(),
        page.locator(".around li").first.wait_for(),
    ),
    "time": lambda page: (page.keyboard.press("Escape"), page.locator("#lx-time").click()),
    "filter": lambda page: (page.keyboard.press("Escape"), page.locator("#lx-add-filter").click()),
    "suggestions": lambda page: (
        page.keyboard.press("Escape"),
        page.locator("#lx-query").click(),
        page.keyboard.type("s"),
        page.locator(".query-field [role=option]").first.wait_for(),
    ),
    "language": lambda page: (page.keyboard.press("Escape"), page.locator("#lx-lang").click()),
    "streams": lambda page: (page.keyboard.press("Escape"), page.locator("#lx-streams").click()),
    "menu": lambda page: (page.keyboard.press("Escape"), page.locator("#lx-export").click()),
    "inspect": lambda page: (page.keyboard.press("Escape"), page.locator("#lx-inspect").click()),
    "save": lambda page: (page.keyboard.press("Escape"), page.locator("#lx-save").click()),
    "patterns": lambda page: (
        page.keyboard.press("Escape"),
        page.locator("#lx-tab-patterns").click(),
        page.locator(".pattern").first.wait_for(),
    ),
    "statistics": lambda page: (
        page.locator("#lx-tab-fields").click(),
        page.locator(".statistic .top-values").first.wait_for(),
    ),
    "new": no_logs_yet,
}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_state_shuts_anybody_out(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 560})
    opened(page, "&f=" + quote('{"field":"service","op":"is_not","value":"edge"}'), total="800 lines")
    script = AXE.read_text()
    found = []
    for name, reach in STATES.items():
        if theme == "light" and name not in ("lines", "open line", "patterns", "new"):
            continue
        reach(page)
        if name == "new":
            expect(page.locator("#lx-begin")).to_be_visible()
        page.evaluate(script)
        result = page.evaluate(AXE_RUN, theme == "light")
        found += [
            (name, one["id"], one["impact"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:200])
            for one in result["violations"]
        ]
    assert not found, "\n".join(map(str, found))


def test_a_phone_scrolls_one_way_and_reaches_everything(browser: Browser, session: dict[str, Any]) -> None:
    context = browser.new_context(**session, viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    opened(page)
    page.locator(".line-row").first.tap()
    expect(page.locator(".detail-table")).to_be_visible()
    page.locator("#lx-fields-toggle").tap()
    expect(page.locator("#lx-field-search")).to_be_visible()
    page.locator("#lx-fields-close").tap()
    page.locator("[data-column=service] .head-button").tap()
    page.get_by_role("menuitem", name="Move left").tap()
    assert said(page)["cols"] == ["service,level,message"]
    page.locator("[data-column=level] .head-button").tap()
    page.get_by_role("menuitem", name="Remove the column").tap()
    expect(page.locator("[data-column=level]")).to_have_count(0)
    page.locator("[data-column='@timestamp'] .head-button").tap()
    page.get_by_role("menuitemradio", name="Oldest first").tap()
    assert said(page)["order"] == ["asc"]
    page.locator("#lx-time").tap()
    page.get_by_role("button", name="Last 4 hours").tap()
    assert said(page)["from"] == ["now-4h"]
    page.locator("#lx-tab-patterns").tap()
    expect(page.locator(".pattern").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()
