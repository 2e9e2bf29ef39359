"""The query tree on real rows in a real ClickHouse: which documents each leaf finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dxops.base.errors import Refused
from dxops.rooms.logs.filters import condition
from dxops.rooms.logs.model import Selection
from dxops.rooms.logs.selecting import where
from dxops.rooms.logs.times import Times
from dxops.wire import query_tree as q
from tests.rooms.logs.local import LocalStore

NOON = 1_767_268_800_000

DOCUMENTS = {
    "plain": b'{"@timestamp":"2026-01-01T12:00:00.000Z",'
    b'"message":"Connection refused by peer 10.0.0.7","level":"ERROR"}',
    "http": b'{"message":"GET /login 500",'
    b'"http":{"response":{"status_code":500}},"client":{"ip":"10.1.2.3"},"ok":false}',
    "text500": b'{"message":"slow request","http":{"response":{"status_code":"500"}},"took":12.50,"ok":true}',
    "tags": b'{"message":"tagged","tags":["blue","red"],"n":[1,2],"items":[{"sku":"x1"},{"sku":"x2"}]}',
    "empty": b'{"message":"","note":"","nothing":null,"level":"warn"}',
    "id": b'{"message":"trace","trace":{"id":"4bf92f3577b34da6a3ce929d0e0e4736"},"user":{"name":"Ada Lovelace"}}',
    "dotted": b'{"msg":"dots","user.name":"ada","when":"2026-01-01T11:00:00Z","path":"/var/log/app.log"}',
}
NAMES = list(DOCUMENTS)


def read_time(bound: q.Scalar, up: bool, form: str | None, zone: str | None) -> int | None:
    text = str(bound)
    return {"2026-01-01T11:30:00Z": NOON - 1_800_000, "2026-01-01": NOON - 43_200_000}.get(text) or (
        int(text) if text.isdigit() and len(text) == 13 else None
    )


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    with TemporaryDirectory() as directory:
        made = LocalStore(Path(directory))
        made.add(list(DOCUMENTS.values()), [NOON + index for index in range(len(DOCUMENTS))])
        yield made
        made.close()


async def found(store: LocalStore, node: q.Node) -> set[str]:
    sql = f"SELECT seq FROM log_events WHERE {where(Selection(query=node), Times(read_time))}"
    return {NAMES[row[0] - 1] for row in (await store.query(sql)).rows}


STATUS = ("http.response.status_code",)


@pytest.mark.parametrize(
    ("node", "names"),
    [
        (q.All(), set(NAMES)),
        (q.Nothing(), set()),
        (q.Term(("level",), ("ERROR",)), {"plain"}),
        (q.Term(("level",), ("error",)), set()),
        (q.Term(("level",), ("error",), True), {"plain"}),
        (q.Term(("level.keyword",), ("ERROR", "warn")), {"plain", "empty"}),
        (q.Term(STATUS, (500,)), {"http", "text500"}),
        (q.Term(STATUS, ("500",)), {"http", "text500"}),
        (q.Term(("ok",), (True,)), {"text500"}),
        (q.Term(("tags",), ("red",)), {"tags"}),
        (q.Term(("n",), (2,)), {"tags"}),
        (q.Term(("items.sku",), ("x2",)), {"tags"}),
        (q.Term(("client.ip",), ("10.1.0.0/16",)), {"http"}),
        (q.Term(("client.ip",), ("10.2.0.0/16",)), set()),
        (q.Words(("message",), "connection PEER", -1), {"plain"}),
        (q.Words(("message",), "connection slow"), {"plain", "text500"}),
        (q.Words(("message",), "connection slow", -1), set()),
        (q.Words(("level",), "error"), {"plain"}),
        (q.Words(("user.name",), "ada"), {"id", "dotted"}),
        (q.Words(("trace.id",), "4bf92f3577b34da6a3ce929d0e0e4736"), {"id"}),
        (q.Words((), "4bf92f3577b34da6a3ce929d0e0e4736"), {"id"}),
        (q.Words((), "refused"), {"plain"}),
        (q.Words((), "blue"), set()),
        (q.Words((), "warn"), {"empty"}),
        (q.Words(("msg",), "dots"), {"dotted"}),
        (q.Words(("message",), "dots"), {"dotted"}),
        (q.Words(("message",), "conection", 1, 1), {"plain"}),
        (q.Words(("message",), "refused by pe", -1, 0, True), {"plain"}),
        (q.Phrase(("message",), "refused by peer"), {"plain"}),
        (q.Phrase(("message",), "refused peer"), set()),
        (q.Phrase(("message",), "refused peer", 1), {"plain"}),
        (q.Phrase(("message",), "by pee", 0, True), {"plain"}),
        (q.Phrase(("user.name",), "ada lovelace"), {"id"}),
        (q.Exists(("note",)), {"empty"}),
        (q.Exists(("nothing",)), set()),
        (q.Exists(("http",)), {"http", "text500"}),
        (q.Exists(("http.response.status_code",)), {"http", "text500"}),
        (q.Exists(("items.sku",)), {"tags"}),
        (q.Exists(("user.*",)), {"id", "dotted"}),
        (q.Not(q.Exists(("level",))), set(NAMES) - {"plain", "empty"}),
        (q.Not(q.Term(("level",), ("warn",))), set(NAMES) - {"empty"}),
        (q.Range(("took",), gt=12, lte=12.5), {"text500"}),
        (q.Range(STATUS, gte=500), {"http", "text500"}),
        (q.Range(STATUS, gte="400", lt="500"), set()),
        (q.Range(("when",), gte="2026-01-01", lt="2026-01-01T11:30:00Z"), {"dotted"}),
        (q.Range(("@timestamp",), gt=str(NOON + 4)), {"id", "dotted"}),
        (q.Range(("level",), gte="a", lt="z"), {"empty"}),
        (q.Prefix(("path",), "/var/"), {"dotted"}),
        (q.Prefix(("path",), "/VAR/", True), {"dotted"}),
        (q.Wildcard(("path",), "*.l?g"), {"dotted"}),
        (q.Wildcard(("message",), "conn*"), {"plain"}),
        (q.Wildcard(("@timestamp",), "2026-01-01T12:00:00.000Z"), {"plain"}),
        (q.Wildcard(("message",), "*efuse*"), {"plain"}),
        (q.Wildcard((), "*lovelace*", True), {"id"}),
        (q.Wildcard(("user.*",), "Ada*"), {"id"}),
        (q.Regexp(("level",), "WARN|ERR.*"), {"plain"}),
        (q.Regexp(("message",), "refus[e]d"), {"plain"}),
        (q.Fuzzy(("message",), "conection"), {"plain"}),
        (q.Ids(("none",)), set()),
        (q.AtLeast(2, (q.Term(("ok",), (True,)), q.Term(STATUS, (500,)), q.Exists(("took",)))), {"text500"}),
        (q.Or((q.Term(("level",), ("warn",)), q.Term(("ok",), (False,)))), {"empty", "http"}),
        (q.And((q.Exists(("http",)), q.Not(q.Words(("message",), "slow")))), {"http"}),
        (q.Term(("note",), ("",)), {"empty"}),
        (q.Term(("level",), ("it's \\ \n odd",)), set()),
    ],
    ids=str,
)
async def test_which_documents_a_query_finds(store: LocalStore, node: q.Node, names: set[str]) -> None:
    assert await found(store, node) == names


@pytest.mark.parametrize(
    "node",
    [
        q.Range(("@timestamp",), gt="yesterday-ish"),
        q.Regexp(("message",), "a~b"),
        q.Regexp(("message",), "("),
        q.Term(("",), ("x",)),
        q.Range(("a.*",), gt=1),
        q.Or(tuple(q.Term(("a",), (n,)) for n in range(5000))),
    ],
    ids=lambda node: str(node)[:60],
)
async def test_what_cannot_be_asked_is_refused(store: LocalStore, node: q.Node) -> None:
    with pytest.raises(Refused):
        await found(store, node)


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE log_events; --", "\\'", "'\\", "\0", "%_", "{x:String}", "]", "\ud7ff"]
)
async def test_texts_stay_texts(store: LocalStore, text: str) -> None:
    for node in (
        q.Term((f"f{text}",), (text,)),
        q.Words(("level",), text),
        q.Phrase((), text),
        q.Prefix((f"x{text}",), text),
        q.Wildcard((f"*{text}",), text),
        q.Exists((f"a{text}",)),
        q.Range(("level",), gte=text, lt=text),
        q.Fuzzy(("level",), text),
        q.Ids((text,)),
    ):
        await found(store, node)
    assert await found(store, q.All()) == set(NAMES)


def test_a_number_beyond_a_double_is_infinite() -> None:
    huge = int("9" * 400)
    for bound, shown in ((huge, "inf"), (-huge, "-inf"), ("9" * 400, "inf")):
        assert f">= {shown}" in condition(q.Range(("n",), gte=bound), Times(read_time))


def test_a_range_needs_a_field() -> None:
    with pytest.raises(Refused, match="needs a field"):
        condition(q.Range((), gt=5), Times(read_time))
