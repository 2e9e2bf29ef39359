"""Which queries are read without order."""

from __future__ import annotations

import pytest

from dxops.rooms.logs.planning import few_fit, page_settings
from dxops.wire import query_tree as tree

MESSAGE = ("message",)
TRACE = tree.Words(MESSAGE, "17bb2873542e1e86ec83a91c7bb327ee")
UUID = tree.Words(MESSAGE, "4543f002-b753-994e-8ce3-1bfb12aa878d", least=-1)


@pytest.mark.parametrize(
    "query",
    [
        TRACE,
        UUID,
        tree.And((tree.Range(("@timestamp",), gte="now-1d"), TRACE)),
        tree.Or((TRACE, tree.Term(("trace.id",), ("17bb2873542e1e86ec83a91c7bb327ee",)))),
        tree.Words(MESSAGE, "request 17bb2873542e1e86ec83a91c7bb327ee", least=-1),
        tree.Phrase(MESSAGE, "order 20260117004412"),
        tree.Ids(("abc",)),
    ],
)
def test_who_looks_for_an_identifier_finds_few(query: tree.Node) -> None:
    assert few_fit(query)
    assert page_settings(query)["optimize_read_in_order"] == "0"


@pytest.mark.parametrize(
    "query",
    [
        tree.All(),
        tree.And(()),
        tree.Or(()),
        tree.Words(MESSAGE, "connection refused"),
        tree.Words(MESSAGE, "request 17bb2873542e1e86ec83a91c7bb327ee"),
        tree.Words(MESSAGE, "17bb2873542e1e86", fuzziness=2),
        tree.Words(MESSAGE, ""),
        tree.Words(MESSAGE, "responded 200"),
        tree.Not(TRACE),
        tree.Or((TRACE, tree.Words(MESSAGE, "error"))),
        tree.Term(("level",), ("error",)),
        tree.Term(("http.status",), (500,)),
        tree.Range(("@timestamp",), gte="now-1d"),
    ],
)
def test_others_are_read_in_order(query: tree.Node) -> None:
    assert not page_settings(query)
