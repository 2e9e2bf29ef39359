"""Endpoints that tell what there is: fields, mappings, values that begin so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dxops.base.errors import DxopsError
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import NAME_PARAMETERS, Names, answered, may_read, read_fault
from dxops.rooms.logs.elastic.seen_mappings import mappings_of
from dxops.rooms.logs.elastic.writes import Writes
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.searching import SHARDS, Searcher, Target
from dxops.rooms.logs.streams import StreamField, stream_fields
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument
from dxops.wire.elastic.media import check_parameters
from dxops.wire.es.body import Body
from dxops.wire.es.query import parse_query
from dxops.wire.query_tree import All


class Catalogue:
    """`_field_caps`, `_mapping`, `_terms_enum`, `_refresh`."""

    def __init__(self, store: Rows, searcher: Searcher, names: Names, writes: Writes) -> None:
        self._store = store
        self._searcher = searcher
        self._names = names
        self._writes = writes

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        get, both = asked.method in ("GET", "HEAD"), asked.method in ("GET", "POST")
        match asked.path:
            case ("_field_caps",) if both:
                return await self._field_caps(asked, "")
            case (index, "_field_caps") if both:
                return await self._field_caps(asked, index)
            case ("_mapping",) | ("_mappings",) if get:
                return await self._mapping(asked, "")
            case (index, "_mapping" | "_mappings") if get:
                return await self._mapping(asked, index)
            case (index, "_terms_enum") if both:
                return await self._terms_enum(asked, index)
            case ("_refresh",) | (_, "_refresh") if both:
                return await self._refresh(asked)
        return None

    async def _streams(self, asked: Asked, index: str, known: Sequence[str] = ()) -> tuple[str, ...]:
        may_read(asked)
        check_parameters("/" + "/".join(asked.path), asked.parameters, NAME_PARAMETERS | set(known))
        return await self._names.streams(index, asked.parameters)

    async def _field_caps(self, asked: Asked, index: str) -> Answer:
        streams = await self._streams(asked, index, ("fields", "include_unmapped", "include_empty_fields"))
        body = await asked.json() or {}
        given = Body("field_caps", body)
        wanted = given.strings("fields") or (asked.parameters.get("fields", ""),)
        given.accept("index_filter")  # may leave indices out that have no such document: an optimisation
        given.close()
        patterns = [name for text in wanted for name in text.split(",") if name]
        if not patterns:
            raise ElasticRefused(illegal_argument("specified fields can't be null or empty"))
        found: dict[str, dict[str, Any]] = {}
        for each in await stream_fields(self._store, streams, patterns):
            found.setdefault(each.name, {})[each.type] = _caps(each)
        for types in found.values():
            if len(types) == 1:
                next(iter(types.values())).pop("indices", None)
        for name in ("_id", "_index"):
            if streams and (name in patterns or "*" in patterns or "_*" in patterns):
                found[name] = {name: {**_caps(StreamField(name, name, ())), "metadata_field": True}}
                found[name][name].pop("indices")
        return answered(asked, {"indices": list(streams), "fields": found})

    async def _mapping(self, asked: Asked, index: str) -> Answer:
        streams = await self._streams(asked, index)
        found = await mappings_of(self._store, self._names, streams)
        return answered(asked, {name: {"mappings": {"properties": {}} | mapping} for name, mapping in found.items()})

    async def _terms_enum(self, asked: Asked, index: str) -> Answer:
        streams = await self._streams(asked, index)
        try:
            body = Body("terms_enum", await asked.json() or {})
            field, begin = body.need_text("field"), body.text("string", "") or ""
            size = body.integer("size", 10, least=1, most=10_000)
            ignore_case = body.boolean("case_insensitive", False)
            after = body.text("search_after", "") or ""
            query = body.take("index_filter")
            body.accept("timeout")
            body.close()
            node = All() if query is None else parse_query(query)
            terms = await self._searcher.begun(
                Target(streams), node, field, begin, size=size, ignore_case=ignore_case, after=after
            )
        except DxopsError as error:
            fault = read_fault(error)
            if fault is None:
                raise
            raise ElasticRefused(fault) from error
        return answered(asked, {"_shards": SHARDS, "terms": terms, "complete": True})

    async def _refresh(self, asked: Asked) -> Answer:
        index = asked.path[0] if len(asked.path) > 1 else ""
        check_parameters("/_refresh", asked.parameters, NAME_PARAMETERS)
        await self._writes.refresh()
        await self._names.streams(index, asked.parameters)
        return answered(asked, {"_shards": {"total": 1, "successful": 1, "failed": 0}})


def _caps(field: StreamField) -> dict[str, Any]:
    return {
        "type": field.type, "metadata_field": False, "searchable": True, "aggregatable": field.type != "text",
        "indices": list(field.streams),
    }  # fmt: skip
