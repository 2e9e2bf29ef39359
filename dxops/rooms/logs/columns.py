"""The four names that mean a column in the explorer: `level`, `service`, `host`, `environment`.

Whoever types `level:error` means every line shown as an error, whether its sender wrote `severity: ERR` or
`log.level: error`. So these names ask the columns, and levels are read as the columns' were. On port 9200 they stay
fields like any other.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from dxops.rooms.logs.hot import level_of
from dxops.wire import query_tree as tree
from dxops.wire.query_rewrite import map_leaves

NAMES: Final = ("level", "service", "host", "environment")
_WORD: Final = re.compile(r"[^\s,]+")


def meaning_columns(node: tree.Node) -> tree.Node:
    """`node` with the four names asking their columns."""
    return map_leaves(node, _leaf)


def column_name(name: str) -> str:
    """The name to ask for: `_level` for `level` or `level.keyword`, others as they are."""
    bare = name.removesuffix(".keyword")
    return f"_{bare}" if bare in NAMES else name


def _leaf(leaf: tree.Node) -> tree.Node:
    fields: tuple[str, ...] | None = getattr(leaf, "fields", None)
    if not fields or not any(column_name(name) != name for name in fields):
        return leaf
    named = _changed(leaf, fields=tuple(map(column_name, fields)))
    return _of_level(named) if getattr(named, "fields", None) == ("_level",) else named


def _of_level(leaf: tree.Node) -> tree.Node:
    match leaf:
        case tree.Words(fields, text) | tree.Phrase(fields, text):
            return tree.Term(fields, tuple(level_of(word) for word in _WORD.findall(text)))
        case tree.Term(fields, values):
            return tree.Term(fields, tuple(level_of(str(value)) for value in values))
        case tree.Wildcard():
            return _changed(leaf, pattern=leaf.pattern.lower())
        case tree.Prefix():
            return _changed(leaf, text=leaf.text.lower())
    return leaf


def _changed(leaf: tree.Node, **changes: Any) -> tree.Node:
    return msgspec.structs.replace(leaf, **changes)
