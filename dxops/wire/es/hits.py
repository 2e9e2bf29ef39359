"""How hits are chosen and shown: the part of a search request that `top_hits` has too."""

from __future__ import annotations

from typing import Final

import msgspec

from dxops.wire.es.body import Body
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.fields import FieldRequest, SourceFilter, parse_fields, parse_source
from dxops.wire.es.highlight import Highlight, parse_highlight
from dxops.wire.es.sorting import SortKey, parse_sort

NO_STORED: Final = "_none_"


class HitsRequest(msgspec.Struct, frozen=True):
    """`source` None: not asked for, which is all of it unless `stored_fields` are."""

    size: int = 10
    from_: int = 0
    sort: tuple[SortKey, ...] = ()
    source: SourceFilter | None = None
    fields: tuple[FieldRequest, ...] = ()
    docvalue_fields: tuple[FieldRequest, ...] = ()
    stored_fields: tuple[str, ...] | None = None
    highlight: Highlight | None = None
    version: bool = False
    seq_no_primary_term: bool = False
    track_scores: bool = False

    @property
    def shown_source(self) -> SourceFilter:
        """The filter to use: without a word about it, `stored_fields` switch `_source` off."""
        if self.source is not None:
            return self.source
        return SourceFilter(enabled=self.stored_fields is None or "_source" in self.stored_fields)


def take_hits(body: Body, size: int) -> HitsRequest:
    """The options of `HitsRequest` out of `body`; `size` is the default."""
    if isinstance(number := body.number("size"), int | float):
        if number < 0 or number != int(number):
            raise EsError(ILLEGAL, f"[size] parameter cannot be negative, found [{number}]", key="size")
        size = min(int(number), 2**31 - 1)
    from_ = body.integer("from", 0)
    sort = body.take("sort")
    source = body.take("_source")
    highlight = body.take("highlight")
    fields, docvalues = body.take("fields"), body.take("docvalue_fields")
    stored = body.strings("stored_fields") if "stored_fields" in body else None
    for key in ("script_fields", "runtime_mappings"):
        body.refuse(key, "dxops runs no scripts", ({},))
    body.refuse("explain", "dxops computes no scores", (False,))
    return HitsRequest(
        size,
        from_,
        () if sort is None else parse_sort(sort),
        None if source is None else parse_source(source),
        () if fields is None else parse_fields(fields, "fields"),
        () if docvalues is None else parse_fields(docvalues, "docvalue_fields"),
        stored,
        None if highlight is None else parse_highlight(highlight),
        body.boolean("version", False),
        body.boolean("seq_no_primary_term", False),
        body.boolean("track_scores", False),
    )
