"""Endpoints that look at a query or a field without searching, and those that dxops does not have, with the reason."""

from __future__ import annotations

from typing import Any, Final

from dxops.base.errors import DxopsError
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import NAME_PARAMETERS, QUERY_PARAMETERS, Names, answered, may_read, read_fault
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.searching import SHARDS, Searcher
from dxops.rooms.logs.streams import stream_fields
from dxops.wire.elastic.errors import ElasticRefused, Fault, fault_of
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import read_flag
from dxops.wire.es.search import parse_count
from dxops.wire.query_tree import Ids, both

_VALIDATE: Final = QUERY_PARAMETERS | NAME_PARAMETERS | {"explain", "rewrite", "all_shards"}
_EXPLAIN: Final = QUERY_PARAMETERS | {"preference", "routing", "_source", "_source_includes", "_source_excludes"}
_NO_TEMPLATES: Final = "dxops has no search templates; send the search itself"
_REFUSED: Final = {
    "_termvectors": "documents have no term vectors here; see _terms_enum and the field statistics of the console",
    "_mtermvectors": "documents have no term vectors here",
    "_rank_eval": "dxops computes no scores",
    "_knn_search": "dxops has no vector search",
    "_scripts": "dxops runs no scripts and has no search templates",
    "_render": _NO_TEMPLATES,
    "_search_shards": "there are no shards",
    "_eql": "EQL is not supported; use ES|QL",
    "_mvt": "dxops has no maps",
}


class Checking:
    """`_mapping/field`, `_validate/query`, `_explain`, and refusals."""

    def __init__(self, store: Rows, searcher: Searcher, names: Names) -> None:
        self._store = store
        self._searcher = searcher
        self._names = names

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        get, both_ = asked.method == "GET", asked.method in ("GET", "POST")
        match asked.path:
            case ("_mapping", "field", fields) if get:
                return await self._fields(asked, "", fields)
            case (index, "_mapping" | "_mappings", "field", fields) if get:
                return await self._fields(asked, index, fields)
            case ("_validate", "query") if both_:
                return await self._validate(asked, "")
            case (index, "_validate", "query") if both_:
                return await self._validate(asked, index)
            case (index, "_explain", id_) if both_:
                return await self._explain(asked, index, id_)
        _refuse(asked)
        return None

    async def _fields(self, asked: Asked, index: str, fields: str) -> Answer:
        may_read(asked)
        known = NAME_PARAMETERS | {"include_defaults"}
        check_parameters("/_mapping/field", asked.parameters, known)
        streams = await self._names.streams(index, asked.parameters)
        found: dict[str, dict[str, Any]] = {name: {"mappings": {}} for name in streams}
        for each in await stream_fields(self._store, streams, [name for name in fields.split(",") if name]):
            mapping = {"full_name": each.name, "mapping": {each.name.rpartition(".")[2]: {"type": each.type}}}
            for name in each.streams:
                if name in found:
                    found[name]["mappings"].setdefault(each.name, mapping)
        return answered(asked, found)

    async def _validate(self, asked: Asked, index: str) -> Answer:
        may_read(asked)
        check_parameters("/_validate/query", asked.parameters, _VALIDATE)
        explains = read_flag("explain", asked.parameters.get("explain", "false"))
        body = await asked.json()
        target = await self._names.target(index, asked.parameters)
        value: dict[str, Any] = {"_shards": SHARDS, "valid": True}
        try:
            query = parse_count(body, {key: each for key, each in asked.parameters.items() if key in QUERY_PARAMETERS})
            await self._searcher.check(query, target)
            shown: dict[str, Any] = {"valid": True, "explanation": type(query).__name__}
        except DxopsError as error:
            fault = read_fault(error) or fault_of(error)
            if fault.status != 400:
                raise
            value["valid"] = False
            shown = {"valid": False, "error": fault.reason}
        if explains:
            value["explanations"] = [{"index": name, **shown} for name in target.streams[:100]]
            if not value["valid"]:
                value["error"] = shown["error"]
        return answered(asked, value)

    async def _explain(self, asked: Asked, index: str, id_: str) -> Answer:
        """Whether it matches; there are no scores to explain."""
        may_read(asked)
        check_parameters("/_explain", asked.parameters, _EXPLAIN)
        body = await asked.json()
        target = await self._names.target(index, {})
        try:
            query = parse_count(body, {key: each for key, each in asked.parameters.items() if key in QUERY_PARAMETERS})
            exists = await self._searcher.count(Ids((id_,)), target)
            matched = bool(exists and await self._searcher.count(both([Ids((id_,)), query]), target))
        except DxopsError as error:
            raise ElasticRefused(read_fault(error) or fault_of(error)) from error
        value: dict[str, Any] = {"_index": index, "_id": id_, "matched": matched}
        if exists:
            text = "the document matches" if matched else "the document does not match"
            value["explanation"] = {"value": float(matched), "description": f"{text}; no scores", "details": []}
        return answered(asked, value, 200 if exists else 404)


def _refuse(asked: Asked) -> None:
    """Raises `ElasticRefused` for what Elasticsearch has and dxops has not."""
    path = asked.path
    reason = None
    if path[-2:] in (("_search", "template"), ("_msearch", "template")):
        reason = _NO_TEMPLATES
    else:
        reason = next((_REFUSED[part] for part in path[:2] if part in _REFUSED), None)
    if reason is not None:
        shown = "/".join(path)[:200]
        raise ElasticRefused(
            Fault(type="illegal_argument_exception", reason=f"[{asked.method} /{shown}] is not supported: {reason}")
        )
