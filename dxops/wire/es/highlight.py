"""`highlight` of a search request, and the fragments it asks for."""

from __future__ import annotations

import html
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from dxops.wire.es.body import Body, json_kind
from dxops.wire.es.errors import PARSING, EsError
from dxops.wire.es.query import parse_query
from dxops.wire.name_patterns import name_matches
from dxops.wire.query_marks import Mark, marks
from dxops.wire.query_terms import QueryTerm, terms
from dxops.wire.query_tree import Node

_STYLED: Final = tuple(f'<em class="hlt{number}">' for number in range(1, 11))


class HighlightField(msgspec.Struct, frozen=True):
    """How values of the fields that match `pattern` are shown. `fragments` 0: the whole value."""

    pattern: str
    pre_tag: str = "<em>"
    post_tag: str = "</em>"
    fragment_size: int = 100
    fragments: int = 5
    no_match_size: int = 0
    by_score: bool = False
    encode_html: bool = False
    same_field: bool = True  # only terms of this field, not of others
    query: Node | None = None  # instead of the search's


class Highlight(msgspec.Struct, frozen=True):
    fields: tuple[HighlightField, ...]

    def of(self, field: str) -> HighlightField | None:
        """How `field` is highlighted, or None."""
        return next((each for each in self.fields if name_matches(each.pattern, field)), None)


def parse_highlight(value: Any) -> Highlight:
    body = Body("highlight", value)
    fields = body.take("fields")
    base = _options(body, HighlightField(""))
    items = [fields] if isinstance(fields, dict) else fields
    if not isinstance(items, list):
        raise EsError(PARSING, f"[highlight] requires [fields], found {json_kind(fields)}", key="highlight")
    found: list[HighlightField] = []
    for item in items:
        if not isinstance(item, dict):
            raise EsError(PARSING, f"[highlight] [fields] must be objects, found {json_kind(item)}", key="fields")
        for name, own in item.items():
            found.append(_options(Body("highlight field", own), msgspec.structs.replace(base, pattern=name)))
    return Highlight(tuple(found))


def _options(body: Body, base: HighlightField) -> HighlightField:
    styled = body.take("tags_schema") == "styled"
    pre = body.strings("pre_tags") or ((_STYLED[0],) if styled else (base.pre_tag,))
    post = body.strings("post_tags") or (base.post_tag,)
    query = body.take("highlight_query")
    made = msgspec.structs.replace(
        base,
        pre_tag=pre[0],
        post_tag=post[0],
        fragment_size=body.integer("fragment_size", base.fragment_size),
        fragments=body.integer("number_of_fragments", base.fragments),
        no_match_size=body.integer("no_match_size", base.no_match_size),
        by_score=body.choice("order", ("none", "score"), "score" if base.by_score else "none") == "score",
        encode_html=body.choice("encoder", ("default", "html"), "html" if base.encode_html else "default") == "html",
        same_field=body.boolean("require_field_match", base.same_field),
        query=base.query if query is None else parse_query(query),
    )
    body.accept("type", "boundary_scanner", "boundary_chars", "boundary_max_scan", "boundary_scanner_locale")
    body.accept("fragmenter", "phrase_limit", "max_analyzed_offset", "fragment_offset", "force_source")
    body.refuse("matched_fields", "name the fields", ([],))
    body.close()
    return made


@lru_cache(maxsize=256)  # of thousands of hits, each has these fields
def wanted_terms(search: Node, field: str, how: HighlightField) -> tuple[QueryTerm, ...]:
    """What to mark in values of `field`: once a field, not once a value."""
    return tuple(each for each in terms(how.query or search) if _applies(each, field, how))


def fragments(text: str, wanted: Iterable[QueryTerm], how: HighlightField) -> list[str]:
    """The fragments of one value; none where nothing matches and no `no_match_size` is set."""
    found = marks(text, wanted)
    if not found:
        return [_shown(text[: how.no_match_size], [], how)] if how.no_match_size and text else []
    if how.fragments == 0 or how.fragment_size >= len(text):
        return [_shown(text, found, how)]
    cut = _cut(text, found, max(how.fragment_size, 1))
    if how.by_score:
        cut.sort(key=lambda part: -len(part[2]))
    return [
        _shown(text[start:end], [Mark(each.start - start, each.end - start) for each in inside], how)
        for start, end, inside in cut[: how.fragments]
    ]


def _applies(term: QueryTerm, field: str, how: HighlightField) -> bool:
    return not how.same_field or not term.fields or any(name_matches(each, field) for each in term.fields)


def _cut(text: str, found: list[Mark], size: int) -> list[tuple[int, int, list[Mark]]]:
    """Windows of about `size` characters around the marks, cut at white space where it is near."""
    windows: list[tuple[int, int, list[Mark]]] = []
    for mark in found:
        if windows and mark.end <= windows[-1][1]:
            windows[-1][2].append(mark)
            continue
        start = max(mark.start - max(size - (mark.end - mark.start), 0) // 2, windows[-1][1] if windows else 0)
        if start:
            space = text.find(" ", start, mark.start)
            start = space + 1 if space >= 0 else start
        end = max(min(start + size, len(text)), mark.end)
        if end < len(text):
            space = text.rfind(" ", mark.end, end + 1)
            end = space if space > 0 else end
        windows.append((min(start, mark.start), end, [mark]))
    return windows


def _shown(text: str, found: list[Mark], how: HighlightField) -> str:
    out: list[str] = []
    at = 0
    encode = html.escape if how.encode_html else str
    for mark in found:
        out += [encode(text[at : mark.start]), how.pre_tag, encode(text[mark.start : mark.end]), how.post_tag]
        at = mark.end
    return "".join((*out, encode(text[at:])))
