"""The whole path of logs as a user has it: `_bulk` over HTTP, spool, loader, store, and `_search` on what came in.

A system is started as `make up` does, with a data directory of its own. The sender is a process apart that costs next
to nothing; its CPU is told. Beside it: the same rows into the same tables by chDB alone, and rsyslog with `zgrep`.

    python -m benchmarks logs                        # 5 million events: some six minutes
    python -m benchmarks.logs --small                # a smoke test
    python -m benchmarks.logs --events 20000000      # how the reads grow
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks._log_rsyslog import measure, rsyslogd
from benchmarks._log_sender import Report, Sender
from benchmarks._log_system import SPINE, LogSystem, Watch
from benchmarks.realistic_logs import RealisticLogs
from tests.harness import running_system

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
TARGET_RATE = 40_000
TARGET_OF_RAW = 1 / 3
TARGET_ANSWER_MS = 100.0
TARGET_FOUND_MS = 2_000.0
TARGET_MEMORY_MB = 900.0
TARGET_IDLE_MS = 150.0
TARGET_BUSY_MS = 300.0
TARGET_RARE_MS = 50.0
WORDS = ("GET", "opened", "replicated", "cache", "POST", "swarm", "queue", "query", "token", "retrying")

Row = dict[str, object]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done."""

    events: int = 5_000_000
    burst: int = 800_000
    paced_s: int = 20
    busy_rate: int = 20_000
    rounds: int = 40


SMALL = Size(events=150_000, burst=100_000, paced_s=3, busy_rate=5_000, rounds=5)


def run(size: Size = Size()) -> list[Row]:  # noqa: B008 - frozen
    """Rows as `benchmarks/__main__.py` prints them."""
    with tempfile.TemporaryDirectory(prefix="dxops-bench-") as home, running_system() as started:
        with LogSystem(started) as system:
            rows, rate = _ingest(system, size)
            rows += _raw(size, rate)
            rows += _paced(system, size)
            rows += _reads(system, size)
            rows += _stored(system)
        rows += _baseline(Path(home), size)
    return rows


def _day(system: LogSystem) -> tuple[int, int]:
    """The last 24 hours, up to now."""
    now_ms = int(time.time() * 1000)
    return now_ms - DAY_MS, now_ms


def _ingest(system: LogSystem, size: Size) -> tuple[list[Row], float]:
    """As fast as it goes, from the first byte to the last document that can be found."""
    with Sender(system.order(50_000, *_day(system), seed=9)) as warming:  # templates are learned, caches are filled
        warming.go()
        warming.report()
    before = system.wait(50_000) and system.count()
    with Sender(system.order(size.burst, *_day(system), seed=3)) as sender, Watch(system) as watch:
        spent = system.spent()
        sender.go()
        done = system.wait(before + size.burst)
        cpu = system.spent().since(spent)
        report = _whole(sender.report(), size.burst)
    rate = size.burst / (done - report.began)
    rows = [
        _row(f"{size.burst} documents by _bulk, durable, to searchable", rate, "docs/s", TARGET_RATE, more=True),
        _row("acknowledged meanwhile", size.burst / (report.ended - report.began), "docs/s"),
        *(_row(f"CPU of {role}", cpu[role] / size.burst * 1e6, "µs/doc") for role in SPINE),
        _row("CPU of all roles", sum(cpu.values()) / size.burst * 1e6, "µs/doc"),
        _row("CPU of the sender", report.cpu_s / size.burst * 1e6, "µs/doc"),
        *(_row(f"resident {role}, most", watch.resident_mb[role], "MB") for role in SPINE),
        _row("resident ingest + loader + store, most", watch.most_resident_mb, "MB"),
        _row("the same, shared pages divided", watch.most_proportional_mb, "MB", TARGET_MEMORY_MB),
    ]
    return rows, rate


def _raw(size: Size, rate: float) -> list[Row]:
    command = [sys.executable, "-m", "benchmarks._log_raw", str(size.burst)]
    documents, took_s, cpu_s = json.loads(subprocess.check_output(command, timeout=600))
    limit = documents / took_s
    return [
        {
            "name": "the same beside chDB alone, same rows, same tables",
            "ours": rate,
            "peer": limit,
            "unit": "docs/s",
            "ratio": rate / limit,
            "target": round(TARGET_OF_RAW, 2),
            "ok": rate / limit >= TARGET_OF_RAW,
        },
        _row("CPU of chDB alone", cpu_s / documents * 1e6, "µs/doc"),
    ]


def _paced(system: LogSystem, size: Size) -> list[Row]:
    """At half the target's rate, in small batches as shippers send them."""
    count = size.busy_rate * size.paced_s
    before = system.count()
    order = system.order(count, *_day(system), seed=4, rate=size.busy_rate, batch=500, connections=16)
    with Sender(order) as sender, Watch(system) as watch:
        sender.go()
        system.wait(before + count)
        report = _whole(sender.report(), count)
    return [
        _row(f"acknowledgement at {size.busy_rate}/s, p50", report.answer_ms(0.5), "ms"),
        _row(f"acknowledgement at {size.busy_rate}/s, p99", report.answer_ms(0.99), "ms", TARGET_ANSWER_MS),
        _row("received to searchable, p99", _found_ms(report, watch, before), "ms", TARGET_FOUND_MS),
        _row(
            "resident ingest + loader + store, most, shared pages divided",
            watch.most_proportional_mb,
            "MB",
            TARGET_MEMORY_MB,
        ),
    ]


def _found_ms(report: Report, watch: Watch, before: int) -> float:
    """From when a request was due to when as many documents could be found as were on their way when it was answered:
    never less than it took."""
    begun = sorted(report.requests)
    found = sorted(watch.found)
    waits: list[float] = []
    for due, done, _ in begun:
        ahead = before + sum(count for other, _, count in begun if other <= done)
        when = next((at for at, there in found if there >= ahead), found[-1][0])
        waits.append((when - due) * 1000)
    waits.sort()
    return waits[int(len(waits) * 0.99)]


def _reads(system: LogSystem, size: Size) -> list[Row]:
    """Grown to `events` over the last day, then read at rest and under ingest. No search is asked twice."""
    there = system.count()
    start_ms, end_ms = _day(system)
    if size.events > there:
        order = system.order(size.events - there, start_ms, end_ms, seed=5, made_before=False)
        with Sender(order) as sender:
            sender.go()
            _whole(sender.report(), size.events - there)
        system.wait(size.events)
    _settle(system)
    rare = [row[0] for row in system.sql(
        "SELECT extract(message, '[0-9a-f]{32}') FROM log_events WHERE message LIKE '%HTTP/1.1%' "
        f"AND cityHash64(seq) % 1000 = 7 LIMIT {4 * size.rounds}"
    )]  # fmt: skip
    events = f"{size.events / 1e6:g} million"
    chance = random.Random(1)
    rows = [
        _read(f"{what}, {events}, idle", ask, size.rounds, target)
        for what, ask, target in _questions(system, chance, rare, end_ms, TARGET_IDLE_MS)
    ]
    count = size.busy_rate * size.paced_s * 2
    now_ms = int(time.time() * 1000)
    order = system.order(count, now_ms, now_ms + 1000 * size.paced_s * 2, seed=6, rate=size.busy_rate, batch=500)
    with Sender(order) as sender:
        sender.go()
        time.sleep(1.0)  # the load is on
        rows += [
            _read(f"{what}, {events}, at {size.busy_rate}/s", ask, size.rounds, target)
            for what, ask, target in _questions(system, chance, rare, end_ms, TARGET_BUSY_MS)
        ]
    return rows


def _questions(
    system: LogSystem, chance: random.Random, rare: list[str], end_ms: int, target_ms: float
) -> list[tuple[str, Callable[[], float], float]]:
    def histogram(width_ms: int, interval: str) -> float:
        end = end_ms - chance.randrange(10_000)
        within = {"range": {"@timestamp": {"gte": end - width_ms, "lt": end, "format": "epoch_millis"}}}
        body = {
            "size": 500,
            "sort": [{"@timestamp": "desc"}],
            "track_total_hits": True,
            "query": {"bool": {"filter": [within, {"match": {"message": chance.choice(WORDS)}}]}},
            "aggs": {"when": {"date_histogram": {"field": "@timestamp", "fixed_interval": interval}}},
        }
        took_ms, answer = system.search(body)
        if not answer["hits"]["hits"] or not answer["aggregations"]["when"]["buckets"]:
            raise RuntimeError("a search found nothing")
        return took_ms

    def token() -> float:
        within = {"range": {"@timestamp": {"gte": end_ms - DAY_MS, "format": "epoch_millis"}}}
        body = {"query": {"bool": {"filter": [within, {"match": {"message": rare.pop()}}]}}}
        took_ms, answer = system.search(body)
        if answer["hits"]["total"]["value"] < 1:
            raise RuntimeError("the token was not found")
        return took_ms

    return [
        ("last 15 minutes: histogram, 500 newest matching", lambda: histogram(15 * MINUTE_MS, "30s"), target_ms),
        ("24 hours by 15 minutes, 500 newest matching", lambda: histogram(DAY_MS, "15m"), target_ms),
        ("a rare token over 24 hours", token, TARGET_RARE_MS if target_ms == TARGET_IDLE_MS else 0),
    ]


def _read(name: str, ask: Callable[[], float], rounds: int, target_ms: float) -> Row:
    ask()
    took = sorted(ask() for _ in range(rounds))
    return _row(f"{name}, p95", took[int(len(took) * 0.95)], "ms", target_ms or None)


def _settle(system: LogSystem) -> None:
    """Until nothing is merged any more, a minute at most: parts of such an age are what searches meet."""
    for _ in range(60):
        time.sleep(1.0)
        if system.sql("SELECT count() FROM system.merges") == [["0"]]:
            return


def _stored(system: LogSystem) -> list[Row]:
    """Bytes of all parts, the columns' own, and the index over words."""
    _settle(system)
    sizes = system.sql(
        "SELECT sum(bytes_on_disk), sum(secondary_indices_compressed_bytes), sum(rows) "
        "FROM system.parts WHERE active AND table = 'log_events'"
    )[0]
    words = system.sql("SELECT data_compressed_bytes FROM system.data_skipping_indices WHERE name = 'words'")[0][0]
    whole, rows = float(sizes[0]), float(sizes[2])
    documents = [document for _, document in RealisticLogs(3).lines(20_000, start_ms=0, end_ms=DAY_MS)]
    raw_bytes = sum(map(len, documents)) / len(documents)
    without = (whole - float(words)) / rows
    return [
        _row("a document, raw", raw_bytes, "bytes"),
        _row("stored, with every index", whole / rows, "bytes", raw_bytes / 5),
        _row("stored, without the index over words", without, "bytes", raw_bytes / 7),
        _row("stored, without any index", (whole - float(sizes[1])) / rows, "bytes"),
    ]


def _baseline(home: Path, size: Size) -> list[Row]:
    if rsyslogd() is None:
        return [{"name": "rsyslog is not installed: no baseline", "ok": None}]
    count = min(size.burst, 500_000)
    documents = [document for _, document in RealisticLogs(3).lines(count, start_ms=0, end_ms=DAY_MS)]
    rare = json.loads(documents[count // 2]).get("trace", {}).get("id", "aa")
    found = measure(home, documents, rare)
    return [
        _row("rsyslog to a file, not durable", found.rate, "lines/s"),
        _row("rsyslog, CPU", found.cpu_us, "µs/line"),
        _row("rsyslog, a line in its gzip file", found.compressed_bytes / count, "bytes"),
        _row(f"zgrep for a rare token in {count} lines", found.zgrep_ms, "ms"),
    ]


def _whole(report: Report, count: int) -> Report:
    if report.documents != count:
        raise RuntimeError(f"{report.documents} of {count} were taken: {report.refused[:3]}")
    return report


def _row(name: str, ours: float, unit: str, target: float | None = None, *, more: bool = False) -> Row:
    met = target is None or (ours >= target if more else ours <= target)
    return {
        "name": name, "ours": round(ours, 2), "peer": None, "unit": unit, "ratio": None,
        "target": None if target is None else round(target, 1), "ok": met if target is not None else None,
    }  # fmt: skip


def main() -> None:
    from benchmarks.__main__ import print_table

    parser = argparse.ArgumentParser(prog="python -m benchmarks.logs", description="The whole path of logs.")
    parser.add_argument("--small", action="store_true", help="a smoke test: its figures mean little")
    parser.add_argument("--events", type=int, help="how many events the reads see")
    options = parser.parse_args()
    size = SMALL if options.small else Size()
    if options.events:
        size = msgspec.structs.replace(size, events=options.events)
    print_table(run(size))


if __name__ == "__main__":
    main()
