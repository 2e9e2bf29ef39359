"""`filter_path`: which parts of an answer the caller wants.

A comma list of dotted paths; `*` is any run of characters within a name, `**` any number of names, a leading `-` takes
the path out. Inclusions come first, exclusions are then applied; arrays are looked through; what becomes empty
vanishes. The order of keys is kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from dxops.wire.elastic.errors import ElasticRefused, illegal_argument
from dxops.wire.name_patterns import name_matches

MAX_PATHS: Final = 500
MAX_CHARS: Final = 20_000

Paths = tuple[tuple[str, ...], ...]
_ABSENT: Final = object()


class FilterPath:
    """A filter that was read; see `read_filter_path`."""

    def __init__(self, include: Paths, exclude: Paths) -> None:
        self.include = include
        self.exclude = exclude

    def apply(self, value: Any) -> Any:
        """What is left of an answer; `{}` when nothing is."""
        left = value
        if self.include:
            left = _included(left, self.include)
        if self.exclude and left is not _ABSENT:
            left = _excluded(left, self.exclude)
        return {} if left is _ABSENT else left


@lru_cache(maxsize=256)
def read_filter_path(text: str) -> FilterPath | None:
    """None when the text asks for nothing in particular. Raises `ElasticRefused` for one that is absurdly long."""
    parts = [part.strip() for part in text.split(",")]
    if len(text) > MAX_CHARS or len(parts) > MAX_PATHS:
        raise ElasticRefused(illegal_argument(f"filter_path has more than {MAX_PATHS} paths or {MAX_CHARS} characters"))
    include = tuple(_names(part) for part in parts if part and part[0] != "-")
    exclude = tuple(_names(part[1:]) for part in parts if part[:1] == "-" and part != "-")
    return FilterPath(include, exclude) if include or exclude else None


def _names(path: str) -> tuple[str, ...]:
    names: list[str] = []
    for name in path.split("."):
        if not (name == "**" and names[-1:] == ["**"]):
            names.append(name)
    return tuple(names)


def _advanced(paths: Paths, name: str) -> tuple[Paths, bool]:
    """(what is left of the paths below `name`, whether one ends here)."""
    rest: dict[tuple[str, ...], None] = {}
    ends = False
    for path in paths:
        if path[0] == "**":
            rest[path] = None  # `**` takes this name and goes on
            if len(path) == 1:
                ends = True
                continue
            path = path[1:]
        if name_matches(path[0], name):
            if len(path) == 1 or path[1:] == ("**",):
                ends = True
            else:
                rest[path[1:]] = None
    return tuple(rest), ends


def _included(value: Any, paths: Paths) -> Any:
    if isinstance(value, list):
        items = [item for item in (_included(item, paths) for item in value) if item is not _ABSENT]
        return items or _ABSENT
    if not isinstance(value, dict):
        return _ABSENT
    kept: dict[str, Any] = {}
    for name, item in value.items():
        rest, ends = _advanced(paths, name)
        left = item if ends else _included(item, rest) if rest else _ABSENT
        if left is not _ABSENT:
            kept[name] = left
    return kept or _ABSENT


def _excluded(value: Any, paths: Paths) -> Any:
    if isinstance(value, list):
        items = [item for item in (_excluded(item, paths) for item in value) if item is not _ABSENT]
        return items if items or not value else _ABSENT
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for name, item in value.items():
        rest, ends = _advanced(paths, name)
        left = _ABSENT if ends else _excluded(item, rest) if rest else item
        if left is not _ABSENT:
            kept[name] = left
    return kept if kept or not value else _ABSENT
