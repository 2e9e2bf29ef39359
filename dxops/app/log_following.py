"""Following new log lines through the API: whatever breaks, it goes on behind the last line it had."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import httpx

from dxops.app.client import ApiClient
from dxops.base.errors import DxopsError, Refused

SILENCE_S: Final = 20.0
"""The server says something every 5 seconds; a connection that is silent for so long is dead."""
_PAUSE_S: Final = 1.0


def follow(
    client: ApiClient,
    parameters: dict[str, Any],
    say: Callable[[str], None],
    *,
    began: Callable[[int], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Every line that arrives and matches, once, in order of arrival; for ever. `began` is told once behind which
    sequence number they begin. Raises what the first connection raises, and later what trying again cannot mend."""
    after: int | None = None
    told = False
    while True:
        position = {} if after is None else {"after_seq": str(after)}
        try:
            with client.stream(
                "GET", "/logs/tail", params={**parameters, **position, "keep": "all"}, timeout=_timeout()
            ) as answer:
                for name, data in events(answer.iter_lines()):
                    if after is None:
                        after = int(data["last_seq"])
                        began(after)
                    if told and not data.get("away"):
                        say("connected again")
                        told = False
                    if name == "lines":
                        for line in data["items"]:
                            if int(line["seq"]) > after:
                                yield line
                    elif name == "state" and data["away"] and not told:
                        say(f"waiting: {data['away']}")
                        told = True
                    after = max(after, int(data["last_seq"]))
            pause(_PAUSE_S / 5)  # it ended in order: the server stops, or wants to see the credential anew
        except (DxopsError, httpx.TransportError) as error:
            if after is None or (isinstance(error, Refused) and error.code != "throttled"):
                raise
            if not told:
                say(f"connection lost, trying again: {getattr(error, 'message', None) or error}")
                told = True
            pause(_PAUSE_S)


def events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """(event, data) of server-sent events; the last one only if it is whole."""
    found: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            found[name] = value.removeprefix(" ")
            continue
        if "event" in found and "data" in found:
            yield found["event"], json.loads(found["data"])
        found = {}


def _timeout() -> httpx.Timeout:
    return httpx.Timeout(10.0, read=SILENCE_S)
