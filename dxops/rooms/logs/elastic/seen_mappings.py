"""The mappings that streams are shown with: what was seen, in the words of what was put."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from dxops.rooms.logs.elastic.reading import Names
from dxops.rooms.logs.mappings import shown_properties
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.streams import StreamField, stream_fields


async def mappings_of(store: Rows, names: Names, streams: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By stream; nothing for one of which nothing is known. Raises what the store does."""
    fields = await stream_fields(store, streams) if streams else ()
    declared = {name: names.declared(name) for name in streams}
    # beside the event loop: a thousand streams of a thousand fields are seconds
    return await asyncio.to_thread(mappings_from, fields, declared)


def mappings_from(
    fields: Sequence[StreamField], declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Of the streams in `declared`, which says what was put for each."""
    of_stream: dict[str, list[StreamField]] = {name: [] for name in declared}
    for each in fields:
        for name in each.streams:
            if name in of_stream:
                of_stream[name].append(each)
    found: dict[str, dict[str, Any]] = {}
    for name, put in declared.items():
        seen = _properties(of_stream[name])
        if seen.keys() == {"@timestamp"}:  # which every stream is said to have: this one has no documents
            seen = {}
        shown = shown_properties(put.get("properties"), seen)
        found[name] = dict(put) | ({"properties": shown} if shown else {})
    return found


def _properties(fields: Sequence[StreamField]) -> dict[str, Any]:
    """Dotted names as nested `properties`; what is below a field that has values itself stays dotted."""
    properties: dict[str, Any] = {}
    for each in fields:
        place, (*above, name) = properties, each.name.split(".")
        while above:
            inner = place.setdefault(above[0], {"properties": {}})
            if "properties" not in inner:
                break
            place = inner["properties"]
            above.pop(0)
        leaf = ".".join([*above, name])
        if leaf not in place:
            place[leaf] = {"type": each.type}
    return properties
