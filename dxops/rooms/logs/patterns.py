"""Wildcards and regular expressions of the query languages, as those of ClickHouse (LIKE and RE2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dxops.base.errors import Refused


def like_of_wildcard(pattern: str) -> str:
    """`*`, `?` and `\\` of a wildcard as `%`, `_` of LIKE."""
    return "".join(
        "%" if c == "*" else "_" if c == "?" else re.sub(r"([\\%_])", r"\\\1", t) for c, t in _parts(pattern)
    )


def regexp_of_wildcard(pattern: str) -> str:
    """A wildcard as an expression that stays within a run without white space."""
    return "".join(r"[^\s]*" if c == "*" else r"[^\s]" if c == "?" else re.escape(t) for c, t in _parts(pattern))


def _parts(pattern: str) -> Iterator[tuple[str, str]]:
    """(special character or "", text) in order."""
    index = 0
    while index < len(pattern):
        character = pattern[index]
        if character == "\\" and index + 1 < len(pattern):
            index += 1
            yield "", pattern[index]
        elif character in "*?":
            yield character, ""
        else:
            yield "", character
        index += 1


def regexp_of_lucene(pattern: str) -> str:
    """An expression of Lucene as one of RE2, unanchored.

    Lucene has no anchors and no classes like `\\d`: `^` and `$` are characters. Its optional operators (`~` complement,
    `&` intersection, `<1-9>` numeric range) are refused, as is what RE2 cannot read. `@` is any text, `"..."` literal.
    """
    out: list[str] = []
    index, inside = 0, False
    while index < len(pattern):
        character = pattern[index]
        if character == "\\":
            if index + 1 == len(pattern):
                raise Refused(f"the expression /{pattern}/ ends with a backslash")
            index += 1
            following = pattern[index]
            out.append(f"\\{following}" if following in "dDwWsS" else re.escape(following))
        elif inside:
            out.append("\\[" if character == "[" else character)
            inside = character != "]"
        elif character == "[":
            out.append(character)
            inside = True
            if pattern[index + 1 : index + 2] == "^":
                out.append("^")
                index += 1
        elif character in "^$":
            out.append(f"\\{character}")
        elif character == '"':
            end = pattern.find('"', index + 1)
            if end < 0:
                raise Refused(f"the expression /{pattern}/ has an unclosed quote at {index}")
            out.append(re.escape(pattern[index + 1 : end]))
            index = end
        elif character in "~&<" or (character == "#" and len(pattern) == 1):
            raise Refused(
                f"'{character}' at {index} of /{pattern}/ is an operator that is not supported",
                hint=f"write \\{character} for the character itself",
            )
        elif character == "@":
            out.append(".*")
        else:
            out.append(character)
        index += 1
    made = "".join(out)
    try:
        re.compile(made)
    except (re.error, OverflowError) as error:
        raise Refused(f"the expression /{pattern}/ cannot be read: {error}") from error
    except RecursionError as error:
        raise Refused(f"the expression /{pattern[:100]}…/ is nested too deep") from error
    return made
