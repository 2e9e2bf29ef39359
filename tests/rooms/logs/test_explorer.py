"""What the explorer asks, on real rows in a real ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest

from dxops.base.errors import Refused
from dxops.rooms.logs.explorer import Explorer, interval_for
from dxops.rooms.logs.model import Pattern, Selection, Window
from dxops.rooms.logs.patterns_of_lines import merge_masked
from dxops.rooms.logs.times import Times
from dxops.wire import query_tree as q
from tests.rooms.logs.local import LocalStore

NOON = 1_767_268_800_000
WINDOW = Window(NOON, NOON + 60_000)


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        documents = [
            orjson.dumps(
                {
                    "message": f"user {n} logged in from 10.0.0.{n} after {n * 3} ms",
                    "log.level": "warning" if n % 4 == 0 else "info",
                    "n": n,
                    "service": {"name": "api" if n % 3 else "web"},
                }
            )
            for n in range(60)
        ]
        made.add(documents, [NOON + 1000 * n for n in range(60)], "app-logs")
        made.add([b'{"msg":"other"}'], [NOON + 30_000], "other-logs")
        yield made
        made.close()


@pytest.fixture
def explorer(store: LocalStore) -> Explorer:
    return Explorer(store, lambda: Times(lambda *_: None), lambda seq: f"id-{seq}")


async def test_a_histogram_counts_by_level_in_round_steps(explorer: Explorer) -> None:
    found = (await explorer.histogram(Selection(window=WINDOW), buckets=6)).answer
    assert (found.interval_ms, found.start_ms, found.total) == (10_000, NOON, 61)
    assert found.series["warn"] == [3, 2, 3, 2, 3, 2]
    assert sum(map(sum, found.series.values())) == 61


async def test_a_histogram_by_any_field(explorer: Explorer) -> None:
    found = (await explorer.histogram(Selection(window=WINDOW), by="service.name", buckets=1)).answer
    assert {name: sum(counts) for name, counts in found.series.items()} == {"api": 40, "web": 20, "": 1}


async def test_a_histogram_by_a_field_of_many_values_has_a_few_series(store: LocalStore) -> None:
    class Counting:
        rows = 0

        async def query(self, sql: str, **how: Any) -> Any:
            found = await store.query(sql, **how)
            self.rows = max(self.rows, len(found.rows))
            return found

    documents = [orjson.dumps({"id": f"t{n}", "kind": f"k{n % 14:02}"}) for n in range(2_000)]
    store.add(documents, [NOON + 200_000 + n % 3 for n in range(2_000)], "many")
    selection = Selection(window=Window(NOON + 200_000, NOON + 200_003), streams=("many",))
    counting = Counting()
    explorer = Explorer(counting, lambda: Times(lambda *_: None), lambda seq: f"id-{seq}")
    found = (await explorer.histogram(selection, by="id", interval_ms=1)).answer
    assert (len(found.series), found.total, counting.rows) == (13, 2_000, 12 + 3)
    assert sum(found.series["…"]) == 1_988
    found = (await explorer.histogram(selection, by="kind", interval_ms=1)).answer
    assert list(found.series) == [*(f"k{n:02}" for n in range(12)), "…"]
    assert [sum(counts) for counts in found.series.values()] == [143] * 12 + [284]
    assert [sum(counts) for counts in zip(*found.series.values(), strict=True)] == [667, 667, 666]


async def test_too_many_buckets_are_refused(explorer: Explorer) -> None:
    with pytest.raises(Refused, match="buckets"):
        await explorer.histogram(Selection(window=Window(NOON, NOON + 86_400_000)), interval_ms=1)


async def test_pages_go_through_every_line_once(explorer: Explorer) -> None:
    selection = Selection(window=WINDOW)
    seen: list[int] = []
    after = None
    while page := (await explorer.lines(selection, limit=7, after=after)).answer:
        seen += [line.seq for line in page]
        after = (page[-1].ts_ms, page[-1].seq)
    assert len(seen) == len(set(seen)) == 61
    ahead = (await explorer.lines(selection, limit=100, newest_first=False)).answer
    assert [line.seq for line in ahead] == list(reversed(seen))


async def test_lines_come_back_as_they_were_sent(explorer: Explorer) -> None:
    line = (await explorer.lines(Selection(streams=("other-logs",)), limit=5)).answer[0]
    assert (line.source, line.message, line.id, line.stream) == (b'{"msg":"other"}', "other", "id-61", "other-logs")


async def test_neighbours_of_a_line(explorer: Explorer) -> None:
    selection = Selection(streams=("app-logs",))
    middle = (await explorer.lines(Selection(query=q.Term(("n",), (20,))), limit=1)).answer[0]
    around = await explorer.around(middle.ts_ms, middle.seq, selection, count=3)
    assert [orjson.loads(line.source)["n"] for line in around] == [17, 18, 19, 20, 21, 22, 23]


async def test_what_arrived_since(explorer: Explorer) -> None:
    last = await explorer.last_seq()
    assert [line.seq for line in await explorer.arrived(Selection(), last - 2)] == [last - 1, last]


async def test_fields_with_kinds_and_counts(explorer: Explorer) -> None:
    found = {field.name: field for field in (await explorer.fields(Selection(window=WINDOW))).answer}
    assert (found["n"].kinds, found["n"].documents) == (("number",), 60)
    assert found["msg"].documents == 1
    only = (await explorer.fields(Selection(streams=("other-logs",)))).answer
    assert [field.name for field in only] == ["msg"]


async def test_top_values(explorer: Explorer) -> None:
    found = (await explorer.top_values(Selection(window=WINDOW), "service.name")).answer
    assert [(value.value, value.count) for value in found.values] == [("api", 40), ("web", 20)]
    assert (found.documents, found.having, found.distinct, found.sampled) == (61, 60, 2, False)


async def test_numbers(explorer: Explorer) -> None:
    found = (await explorer.numbers(Selection(window=WINDOW), "n")).answer
    assert (found.count, found.least, found.greatest, found.mean) == (60, 0, 59, 29.5)
    assert found.p50 == pytest.approx(29.5, abs=1)
    none = (await explorer.numbers(Selection(window=WINDOW), "message")).answer
    assert (none.count, none.least) == (0, None)


async def test_patterns(explorer: Explorer) -> None:
    answer = (await explorer.patterns(Selection(window=WINDOW))).answer
    found = answer.patterns
    assert not answer.sampled
    assert [(each.template, each.count) for each in found] == [
        ("user <*> logged in from <*> after <*> ms", 60),
        ("other", 1),
    ]
    assert found[0].levels == ("info", "warn")


def test_masked_lines_of_the_same_make_become_one() -> None:
    def pattern(template: str, count: int) -> Pattern:
        return Pattern(
            template=template, count=count, first_ms=count, last_ms=count, example=template, levels=("info",)
        )

    merged = merge_masked(
        [
            pattern("job alpha finished in <*>", 5),
            pattern("job beta finished in <*>", 3),
            pattern("queue is empty now", 1),
        ]
    )
    assert [(each.template, each.count) for each in merged] == [
        ("job <*> finished in <*>", 8),
        ("queue is empty now", 1),
    ]


@pytest.mark.parametrize(("width_s", "step_s"), [(60, 1), (900, 15), (3600, 60), (86_400, 1800), (604_800, 10_800)])
def test_steps_are_round(width_s: int, step_s: int) -> None:
    assert interval_for(Window(0, width_s * 1000), 60) == step_s * 1000
