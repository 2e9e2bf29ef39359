"""Which columns a plan uses, so that only these are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dxops.wire.esql import plan as p
from dxops.wire.esql.expressions import children

ALL: Final = None
"""Whatever there is."""


def names_in(expression: p.Expression) -> set[str]:
    """The columns of an expression."""
    found: set[str] = set()
    pending = [expression]
    while pending:
        each = pending.pop()
        if isinstance(each, p.Column):
            found.add(each.name)
        pending.extend(children(each))
    return found


def used_after(plan: p.Plan, place: int) -> set[str] | None:
    """Names and patterns that the commands behind `place` use of what there is then; `ALL` where all may be shown."""
    found: set[str] = set()
    for command in plan.commands[place + 1 :]:
        match command:
            case p.Where(condition):
                found |= names_in(condition)
            case p.Eval(columns):
                found |= _of(columns)
            case p.Sort(keys):
                found |= {name for key in keys for name in names_in(key.expression)}
            case p.Rename(pairs):
                found |= {old for old, _ in pairs}
            case p.Drop(patterns):
                found |= set(patterns)
            case p.Keep(patterns):
                return found | set(patterns)
            case p.Stats(aggregates, by):
                found |= _of(by)
                for each in aggregates:
                    found |= names_in(each.expression)
                    found |= names_in(each.where) if each.where is not None else set()
                return found
    return ALL


def _of(columns: Sequence[p.Named]) -> set[str]:
    return {name for each in columns for name in names_in(each.expression)}
