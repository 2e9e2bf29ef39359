"""`dxops logs`: how lines look, and that following loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dxops.app.client import ApiClient
from dxops.app.context import table
from dxops.app.log_following import follow
from dxops.app.log_screen import bar, caret, histogram_rows, line_text, value_of
from dxops.app.terminal import safe
from dxops.base.errors import Forbidden, Unreadable


def line(message: str = "hello", level: str = "info", seq: int = 1, **source: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "seq": str(seq),
        "stream": "app",
        "time": "2026-01-01T12:00:00.000Z",
        "ts_ms": 1_767_268_800_000,
        "received_ms": 1_767_268_800_250,
        "level": level,
        "service": "api",
        "host": "",
        "environment": "",
        "message": message,
        "source": source,
    }


def test_plain_lines_are_one_line_each_whatever_they_hold() -> None:
    text = line_text(line("a\nb\tc\x1b[2J\x07\u202e"), ["time", "level", "message"], terminal=False)
    assert text == "2026-01-01T12:00:00.000Z\tinfo\ta\\nb\\tc\\x1b[2J\\x07\\u202e"


def test_a_terminal_gets_colours_of_ours_and_no_sequence_of_theirs() -> None:
    text = line_text(line("boom\n  at x\x1b[31m\x9b1m", "error"), ["level", "message"], terminal=True)
    assert text == "\x1b[31merror \x1b[0m  \x1b[31mboom\x1b[0m\n    \x1b[31m  at x\\x1b[31m\\x9b1m\x1b[0m"
    assert safe("ünï 🙂\r\nx", one_line=True) == "ünï 🙂\\nx"


def test_a_table_of_values_is_no_markup_and_no_sequence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = ["[/] [bold]x[/bold] [link=http://e]y[/link]", "a\tb\nc\x1b[2J\x07"]
    for is_terminal in (False, True):
        monkeypatch.setattr("sys.stdout.isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setenv("COLUMNS", "200")
        table([[value, "1"] for value in hostile], ["[red]field", "documents"])
        shown = capsys.readouterr().out
        assert "[red]field" in shown
        assert hostile[0] in shown
        assert "a\\tb\\nc\\x1b[2J\\x07" in shown
        assert "\x07" not in shown
        assert len(shown.splitlines()) == 3


def test_columns_are_of_the_line_or_fields_of_the_document() -> None:
    found = line(http={"status.code": 500, "ok": False}, tags=["a", 1], o=[{"x": 1}, {"x": 2}], n=1.5, s="text")
    expected = {
        "http.status.code": "500", "http.ok": "false", "tags": '["a",1]', "o.x": "[1,2]", "n": "1.5", "s": "text",
        "none": "", "http.none": "", "stream": "app", "@timestamp": found["time"],
        "received": "2026-01-01T12:00:00.250+00:00",
    }  # fmt: skip
    assert {name: value_of(found, name) for name in expected} == expected


def test_the_caret_stands_below_the_fault() -> None:
    assert caret("level:(a or", 11, 0) == "  level:(a or\n             ^"
    shown = caret("x" * 300 + " )oops", 301, 5).split("\n")
    assert shown[0][shown[1].index("^") :] == ")oops"


def test_bars() -> None:
    found = {"start_ms": 0, "interval_ms": 60_000, "series": {"a": [1, 0], "b": [2, 4]}}
    assert histogram_rows(found) == [("1970-01-01T00:00:00Z", 3), ("1970-01-01T00:01:00Z", 4)]
    assert (bar(0, 9), bar(1, 10**9), bar(9, 9)) == ("", "▏", "█" * 50)


class Server:
    """Answers of `/logs/tail`, one for each connection; what each asked for."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, str]] = []

    def client(self) -> ApiClient:
        return ApiClient(httpx.Client(base_url="http://x/api", transport=httpx.MockTransport(self._answer)))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(dict(request.url.params))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def stream(*events: tuple[str, Any], rest: str = "") -> httpx.Response:
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events) + rest
    return httpx.Response(200, text="retry: 1000\n\n" + text, headers={"content-type": "text/event-stream"})


def lines(*numbers: int) -> tuple[str, Any]:
    return "lines", {"items": [line(seq=number) for number in numbers], "last_seq": str(numbers[-1])}


def state(last: int, away: str | None = None) -> tuple[str, Any]:
    return "state", {"lag_ms": 0, "last_seq": str(last), "away": away}


def followed(server: Server, count: int, said: Callable[[str], None] = lambda _: None) -> list[int]:
    began: list[int] = []
    found = follow(server.client(), {"query": "a"}, said, began=began.append, pause=lambda _: None)
    seen = [int(next(found)["seq"]) for _ in range(count)]
    assert len(began) == 1
    return [*began, *seen]


def test_following_goes_on_behind_the_last_line_and_shows_none_twice() -> None:
    refused = httpx.Response(503, json={"error": {"code": "unavailable", "message": "stopping"}})
    many = httpx.Response(429, json={"error": {"code": "throttled", "message": "64 live tails are open"}})
    server = Server(
        stream(state(10), lines(11, 13), rest="event: lines\ndata: {"),  # cut off in the middle
        httpx.ConnectError("refused"),
        refused,
        many,
        stream(state(13), lines(13, 14), state(20)),
        stream(state(20), lines(21)),
    )
    said: list[str] = []
    assert followed(server, 4, said.append) == [10, 11, 13, 14, 21]
    assert [asked.get("after_seq") for asked in server.asked] == [None, "13", "13", "13", "13", "20"]
    assert {asked["keep"] for asked in server.asked} == {"all"}
    assert [text.split(":")[0] for text in said] == ["connection lost, trying again", "connected again"]


def test_a_store_that_is_away_is_said_once() -> None:
    server = Server(stream(state(1), state(1, "no store"), state(1, "no store"), state(1), lines(2)))
    said: list[str] = []
    assert followed(server, 1, said.append) == [1, 2]
    assert said == ["waiting: no store", "connected again"]


def test_what_trying_again_cannot_mend_ends_it() -> None:
    denied = httpx.Response(403, json={"error": {"code": "forbidden", "message": "no"}})
    with pytest.raises(Forbidden):
        followed(Server(stream(state(1), lines(2)), denied), 2)
    bad = {"code": "bad_query", "message": "Expected", "hint": "h", "field": "query", "position": 3, "length": 2}
    with pytest.raises(Unreadable) as refused:
        followed(Server(httpx.Response(400, json={"error": bad})), 1)
    assert (refused.value.position, refused.value.length, refused.value.hint) == (3, 2, "h")
