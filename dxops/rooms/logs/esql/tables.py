"""Runs plans of ES|QL and SQL on the store: caps, kinds of fields, and rows as JSON values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import msgspec

from dxops.base.errors import Refused
from dxops.rooms.logs.esql.dates import Dates
from dxops.rooms.logs.esql.stages import ID, METADATA, Compiler, Documents, NotAColumn, Shown, Statement
from dxops.rooms.logs.esql.values import BOOLEAN, DATE, DOUBLE, KEYWORD, LONG, SOURCE, Misuse
from dxops.rooms.logs.fields import literals
from dxops.rooms.logs.model import Rows, Selection
from dxops.rooms.logs.searching import Target
from dxops.rooms.logs.selecting import where
from dxops.rooms.logs.statements import CAPS
from dxops.rooms.logs.times import Times, times_at
from dxops.rooms.logs.values import Kinds, read_kinds
from dxops.rooms.logs.working import Check, Workers
from dxops.wire import query_tree as tree
from dxops.wire.elastic.auto_ids import AutoIds
from dxops.wire.elastic.documents import read_document
from dxops.wire.es.date_format import format_ms
from dxops.wire.es.errors import EsError
from dxops.wire.esql import plan as p
from dxops.wire.esql.errors import VERIFICATION, EsqlError
from dxops.wire.esql.uses import ALL, used_after
from dxops.wire.logs.document import assemble
from dxops.wire.name_patterns import name_matches

_TIME: Final = "@timestamp"
_MAX_FIELDS: Final = 10_000
_CAPS: Final = {
    **CAPS,
    "max_ast_elements": 500_000,
    "max_expanded_ast_elements": 5_000_000,
    "max_parser_depth": 5_000,
    "max_result_bytes": 64 << 20,
    "max_execution_time": 30,
}


class Table(msgspec.Struct, frozen=True):
    """The result: columns as (name, type), and rows."""

    columns: tuple[tuple[str, str], ...]
    rows: list[list[Any]]  # Any: JSON values


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A plan and what it is asked of. `text` is what the plan was read from. `offset` None: no pages, the plan's own
    limit; else `size` rows from there."""

    plan: p.Plan
    text: str
    target: Target
    query: tree.Node = tree.All()
    zone: dt.tzinfo = dt.UTC
    offset: int | None = None
    size: int = 1_000


class Tables:
    """Runs questions. `now_ms` is the clock."""

    def __init__(self, store: Rows, ids: AutoIds, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._ids = ids
        self._now_ms = now_ms
        self._workers = Workers()

    async def run(self, question: Question) -> Table:
        """Raises `EsqlError` and `EsError` for what cannot be asked, `TooLarge` for a cap that was met."""
        statement = await self._compiled(question)
        sql = statement.sql
        if question.offset is not None:
            sql += f" LIMIT {int(question.size)} OFFSET {int(question.offset)}"
        rows = (await self._store.query(sql, settings=_CAPS)).rows
        shown = [self._shower(column, question.zone) for column in statement.columns]

        def made(check: Check) -> list[list[Any]]:
            found = []
            for row in rows:
                check()
                found.append([show(value) for show, value in zip(shown, row, strict=False)])
            return found

        return Table(
            tuple((each.name, _public(each.type)) for each in statement.columns), await self._workers.run(made)
        )

    async def _compiled(self, question: Question) -> Statement:
        now_ms = self._now_ms()
        times = times_at(now_ms, self._ids.seq_of)
        documents = None
        if isinstance(question.plan.commands[0], p.From):
            documents = await self._documents(question, times)
        try:
            made = Compiler(question.plan, documents, times, Dates(now_ms, question.zone))
            return made.statement(pages=question.offset is not None)
        except NotAColumn as error:
            _unknown(error.name, question.text)
        except Misuse as error:
            raise EsError(VERIFICATION, f"Found 1 problem\n{error.message}") from error

    async def _documents(self, question: Question, times: Times) -> Documents:
        target = question.target
        used = used_after(question.plan, 0)
        patterns = used is ALL or any("*" in name for name in used)
        kinds = (
            await self._every(target.streams)
            if used is ALL or patterns
            else await read_kinds(self._store, target.streams, used - METADATA.keys())
        )
        names = [_TIME, *kinds.of]
        if used is not ALL:
            wanted = {name.removesuffix(".keyword") for name in used} | used
            names = [
                name for name in names if name in wanted or any("*" in w and name_matches(w, name) for w in wanted)
            ]
        query = question.query if target.only is None else tree.both([target.only, question.query])
        condition = where(Selection(query=query, streams=target.streams), times)
        if target.upper_seq is not None:
            condition += f" AND seq <= {int(target.upper_seq)}"
        return Documents(condition, kinds, tuple(sorted(dict.fromkeys(names))))

    async def _every(self, streams: Sequence[str]) -> Kinds:
        if not streams:
            return Kinds()
        sql = (
            "SELECT field, groupUniqArray(kind) FROM log_shapes ARRAY JOIN fields AS field, kinds AS kind "  # noqa: S608
            f"WHERE stream IN ({literals(tuple(streams))}) AND field != '' GROUP BY field LIMIT {_MAX_FIELDS + 1}"
        )
        rows = (await self._store.query(sql)).rows
        if len(rows) > _MAX_FIELDS:
            raise Refused(f"the documents have more than {_MAX_FIELDS} fields", hint="use KEEP with names, or STATS")
        return Kinds({name: frozenset(kinds) - {""} for name, kinds in rows if name != _TIME})

    def _shower(self, column: Shown, zone: dt.tzinfo) -> Callable[[Any], Any]:
        """From what the store answers to what JSON shows."""
        one = self._one(column.type, zone)
        if not column.several:
            return lambda value: None if value is None else one(value)

        def several(value: Any) -> Any:
            found = [one(each) for each in value or () if each is not None]
            return None if not found else found[0] if len(found) == 1 else found

        return several

    def _one(self, type_: str, zone: dt.tzinfo) -> Callable[[Any], Any]:
        if type_ == DATE:
            return lambda value: format_ms(int(value), None, zone)
        if type_ == BOOLEAN:
            return bool
        if type_ == LONG:
            return int
        if type_ == DOUBLE:
            return _number
        if type_ == ID:
            return lambda value: self._ids.id_of(int(value[1:])) if value.startswith("\0") else value
        return _document if type_ == SOURCE else lambda value: value


def _public(type_: str) -> str:
    return KEYWORD if type_ == ID else type_


def _number(value: Any) -> Any:
    """Whole numbers without a point, as they were sent."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _document(value: Any) -> Any:
    template, attrs, message, ts_ms = value.values() if isinstance(value, dict) else value
    return read_document(assemble(template, attrs, message, int(ts_ms)))


def _unknown(name: str, text: str) -> NoReturn:
    found = re.search(rf"(?<![\w.@`]){re.escape(name)}(?![\w@])", text)
    raise EsqlError(f"Unknown column [{name[:200]}]", text, found.start() if found else 0, VERIFICATION)
