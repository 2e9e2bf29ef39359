"""The bulk codec alone, on one core: bytes to columns to answer, per 455-byte document, beside orjson.loads per line.

40,000 documents/s must leave a core mostly idle: 4 us per document for everything is 16 % of it. What a receiver adds
(socket, gunzip, spool) is measured where it is added.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable

import orjson

from benchmarks.__main__ import print_table
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.bulk import parse_bulk
from dxops.wire.elastic.bulk_answer import Outcome, encode_answer

NOW_MS = 1_767_225_600_000
TARGET_US = 4.0
BEATS = "errors,items.*.error,items.*.status"
_IDS = AutoIds(b"benchmark-of-ids")


def document(number: int, chance: random.Random) -> bytes:
    """About 455 bytes of JSON, as a web service logs."""
    second, milli = divmod(number, 1000)
    clock = f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return orjson.dumps(
        {
            "@timestamp": f"2026-01-01T{clock}.{milli:03d}Z",
            "level": chance.choice(["info", "info", "warn", "error"]),
            "service": {"name": f"api-{number % 7}", "version": "1.4.2"},
            "host": {"name": f"web-{number % 30:02d}", "ip": ["10.0.0.1"]},
            "http": {"method": "GET", "status": 200, "path": f"/api/v1/items/{chance.randrange(10**6)}"},
            "trace": {"id": f"{chance.getrandbits(128):032x}"},
            "duration_ms": round(chance.random() * 100, 3),
            "message": f"request finished for user {number} after some retries, cache miss, upstream u{number % 9} "
            "answered in time and was logged by the access log module of the web server itself",
        }
    )


def body(count: int, *, ids: bool = False, bad_every: int = 0) -> bytes:
    """A bulk body; `bad_every` breaks one source of so many."""
    chance = random.Random(7)
    lines: list[bytes] = []
    for number in range(count):
        lines.append(b'{"create":{"_index":"logs-app-default"%b}}' % (b',"_id":"id-%d"' % number if ids else b""))
        source = document(number, chance)
        lines.append(source[:-1] if bad_every and number % bad_every == 7 else source)
    return b"\n".join(lines) + b"\n"


def answered(data: bytes, filter_path: str = "") -> bytes:
    """Parse, give ids, answer: what one request costs this codec."""
    bulk = parse_bulk(data, now_ms=NOW_MS)
    ids = bulk.ids if bulk.has_ids else _IDS.ids_of(1_000_000, len(bulk))
    seqs = range(1_000_000, 1_000_000 + len(bulk))
    return encode_answer(bulk, Outcome(ids=ids, seq_nos=seqs, errors=bulk.errors), took_ms=1, filter_path=filter_path)


def best_us(work: Callable[[], object], count: int, rounds: int) -> float:
    """The fastest round, in microseconds per document."""
    fastest = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest / count * 1e6


def run(rounds: int = 15) -> list[dict[str, object]]:
    """One row per kind of body; the peer is `orjson.loads` of every line of the same body."""
    rows: list[dict[str, object]] = []
    cases = [
        ("500 documents", body(500), ""),
        ("5,000 documents", body(5000), ""),
        ("5,000, Beats' filter_path", body(5000), BEATS),
        ("5,000 with ids", body(5000, ids=True), ""),
        ("5,000, one in 100 broken", body(5000, bad_every=100), ""),
    ]
    for name, data, filter_path in cases:
        count = data.count(b"\n") // 2
        clean = body(count, ids="with ids" in name).split(b"\n")[:-1]
        ours = best_us(lambda data=data, path=filter_path: answered(data, path), count, rounds)
        peer = best_us(lambda clean=clean: [orjson.loads(line) for line in clean], count, rounds)
        rows.append(
            {
                "name": f"bulk codec: {name}", "ours": ours, "peer": peer, "unit": "us/document",
                "ratio": ours / peer, "target": TARGET_US, "ok": ours < TARGET_US,
            }
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = run(options.rounds)
    print(json.dumps(rows) if options.json else "", end="")
    if not options.json:
        print_table(rows)


if __name__ == "__main__":
    main()
