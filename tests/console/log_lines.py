"""An hour of a small shop's logs, always the same but for its time: for pictures and for looking at the page."""

from __future__ import annotations

import json
import random
import urllib.request
from datetime import UTC, datetime
from typing import Any

from tests.harness import System

STREAM = "logs-shop-prod"
COUNT = 6_000
_PATHS = ("/api/cart", "/api/checkout", "/api/search", "/api/products/4711", "/login", "/assets/app.js")
_HOSTS = ("kube-1", "kube-2", "kube-3")


def shop_lines(now_ms: int) -> list[dict[str, Any]]:
    """Newest last. Ten minutes before the end the payment provider is slow for a while."""
    source = random.Random(7)
    lines = []
    for number in range(COUNT):
        ago_ms = (COUNT - number) * 600 + source.randint(0, 500)
        at = datetime.fromtimestamp((now_ms - ago_ms) / 1000, UTC).isoformat(timespec="milliseconds")
        lines.append(
            {"@timestamp": at.replace("+00:00", "Z"), **_line(source, number, trouble=500_000 < ago_ms < 760_000)}
        )
    return lines


def _line(source: random.Random, number: int, *, trouble: bool) -> dict[str, Any]:
    host = source.choice(_HOSTS)
    if source.random() < (0.3 if trouble else 0.02):
        seconds = source.randint(5_000, 9_900)
        return {
            "log": {"level": "error"}, "service": {"name": "checkout"}, "host": {"name": host},
            "message": f"payment {81_000 + number} failed: provider did not answer within {seconds} ms",
            "took_ms": seconds, "order": {"id": 81_000 + number, "currency": "EUR"}, "attempt": source.randint(1, 3),
        }  # fmt: skip
    if source.random() < 0.12:
        return {
            "log": {"level": "warn" if source.random() < 0.4 else "debug"}, "service": {"name": "search"},
            "host": {"name": host}, "message": f"index of products is {source.randint(2, 40)} s behind",
        }  # fmt: skip
    path, took = source.choice(_PATHS), round(source.lognormvariate(3, 0.8), 1)
    status = 404 if source.random() < 0.03 else 503 if trouble and source.random() < 0.2 else 200
    return {
        "log": {"level": "warn" if status == 503 else "info"}, "service": {"name": "edge"}, "host": {"name": host},
        "message": f'GET {path} {status} {took} ms', "url": {"path": path}, "took_ms": took,
        "http": {"response": {"status_code": status}}, "client": {"ip": f"203.0.113.{source.randint(1, 250)}"},
    }  # fmt: skip


def send_lines(system: System, lines: list[dict[str, Any]], stream: str = STREAM) -> None:
    """Over port 9200; searchable on return."""
    found = system.endpoints()
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"ApiKey {found['elastic_api_key']}"}
    for start in range(0, len(lines), 2_000):
        body = "".join(f'{{"create":{{}}}}\n{json.dumps(line)}\n' for line in lines[start : start + 2_000])
        url = f"{found['elastic_url']}/{stream}/_bulk?refresh=wait_for"
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=60) as answer:
            assert json.load(answer)["errors"] is False
