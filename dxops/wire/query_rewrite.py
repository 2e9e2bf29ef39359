"""A query tree with its leaves changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dxops.wire.query_tree import And, AtLeast, Node, Not, Or, Range


def map_leaves(node: Node, change: Callable[[Node], Node]) -> Node:
    """The same tree with every leaf replaced by what `change` makes of it."""
    match node:
        case And(clauses) | Or(clauses) | AtLeast(clauses=clauses):
            return msgspec.structs.replace(node, clauses=tuple(map_leaves(each, change) for each in clauses))
        case Not(clause):
            return Not(map_leaves(clause, change))
    return change(node)


def below(node: Node, prefix: str) -> Node:
    """`node` with fields below `prefix` (which ends with a dot). Those that already are stay; any becomes any below."""

    def change(leaf: Node) -> Node:
        fields: tuple[str, ...] | None = getattr(leaf, "fields", None)
        if fields is None:
            return leaf
        names = tuple(name if name.startswith(prefix) else prefix + name for name in fields)
        return _with(leaf, fields=names or (prefix + "*",))

    return map_leaves(node, change)


def with_default_fields(node: Node, fields: tuple[str, ...]) -> Node:
    """`node` with `fields` where it searches any field."""
    return map_leaves(node, lambda leaf: _with(leaf, fields=fields) if getattr(leaf, "fields", None) == () else leaf)


def with_time_zone(node: Node, time_zone: str) -> Node:
    """`node` with ranges over dates in `time_zone`, unless they name one."""

    def change(leaf: Node) -> Node:
        return _with(leaf, time_zone=time_zone) if isinstance(leaf, Range) and leaf.time_zone is None else leaf

    return map_leaves(node, change)


def _with(leaf: Node, **changes: Any) -> Node:
    return msgspec.structs.replace(leaf, **changes)
