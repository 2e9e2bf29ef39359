"""Endpoints that read single documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from dxops.base.errors import DxopsError, TooLarge
from dxops.rooms.logs.current import Current
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import Names, answered, keeps_bytes, may_read, refuse
from dxops.rooms.logs.hits import shown_source
from dxops.rooms.logs.model import Line
from dxops.rooms.logs.recent import Stored
from dxops.rooms.logs.searching import Searcher
from dxops.rooms.logs.working import Check
from dxops.wire.elastic.documents import read_document
from dxops.wire.elastic.errors import ElasticRefused, fault_of, illegal_argument, resource_not_found
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import index_name_fault, matches_any, read_flag
from dxops.wire.es.fields import SourceFilter, names, parse_source, parse_source_parameter

_PARAMETERS: Final = frozenset(
    {"_source", "_source_includes", "_source_excludes", "preference", "realtime", "refresh", "routing", "version",
     "version_type", "force_synthetic_source"}
)  # fmt: skip
_MAX_DOCUMENTS: Final = 10_000


class Gets:
    """`_doc`, `_source`, `_mget`. A document is there once its write is acknowledged, loaded or not; with
    `realtime=false` only once a search would find it."""

    def __init__(self, searcher: Searcher, index_names: Names, current: Current, id_of: Callable[[int], str]) -> None:
        self._searcher = searcher
        self._names = index_names
        self._current = current
        self._id_of = id_of

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        reads = asked.method in ("GET", "HEAD")
        match asked.path:
            case (index, "_doc", id_) if reads:
                return await self._document(asked, index, id_)
            case (index, "_source", id_) if reads:
                return await self._source(asked, index, id_)
            case ("_mget",) if asked.method in ("GET", "POST"):
                return await self._several(asked, "")
            case (index, "_mget") if asked.method in ("GET", "POST"):
                return await self._several(asked, index)
        return None

    async def _line(self, asked: Asked, index: str, id_: str) -> Line | None:
        may_read(asked)
        check_parameters(f"/{index}/_doc/{id_}", asked.parameters, _PARAMETERS)
        (found,) = await self._lines(asked, [(index, id_)])
        if isinstance(found, DxopsError):
            raise found
        return found

    async def _lines(self, asked: Asked, wanted: Sequence[tuple[str, str]]) -> list[Line | DxopsError | None]:
        """Of each (index, id) the document, None, or why it cannot be said."""
        streams: dict[str, tuple[str, ...]] = {}
        errors: dict[str, DxopsError] = {}
        for index in dict.fromkeys(index for index, _ in wanted):
            try:
                streams[index] = await self._names.streams(index, {})
            except DxopsError as error:
                errors[index] = error
                limits = asked.caller.streams
                is_absent = isinstance(error, ElasticRefused) and error.fault.status == 404
                if is_absent and index_name_fault(index) is None and (limits is None or matches_any(index, limits)):
                    streams[index] = (index,)  # its first documents may not be loaded yet
        if read_flag("realtime", asked.parameters.get("realtime", "true")):
            asking = [(streams[index], id_) for index, id_ in wanted if index in streams]
            stored = iter(await self._current.get_many(asking))
            found = [self._line_of(next(stored)) if index in streams else None for index, _ in wanted]
        else:
            found = [
                await self._searcher.get(streams[index], id_) if index in streams and index not in errors else None
                for index, id_ in wanted
            ]
        return [
            errors[index] if line is None and index in errors else line
            for (index, _), line in zip(wanted, found, strict=True)
        ]

    def _line_of(self, stored: Stored | None) -> Line | None:
        if stored is None:
            return None
        return Line(
            ts_ms=stored.ts_ms, seq=stored.seq, received_ms=stored.ts_ms, stream=stored.stream,
            id=stored.id or self._id_of(stored.seq), version=stored.version, level="", service="", host="",
            environment="", message="", source=stored.source,
        )  # fmt: skip

    async def _document(self, asked: Asked, index: str, id_: str) -> Answer:
        line = await self._line(asked, index, id_)
        value = _found(line, index, id_, _filter(asked), whole=keeps_bytes(asked))
        return answered(asked, value, 200 if line is not None else 404)

    async def _source(self, asked: Asked, index: str, id_: str) -> Answer:
        line = await self._line(asked, index, id_)
        if line is None:
            raise ElasticRefused(resource_not_found(f"Document not found [{index}]/[{id_}]"))
        return answered(asked, _shown(line, _filter(asked), whole=keeps_bytes(asked)))

    async def _several(self, asked: Asked, index: str) -> Answer:
        may_read(asked)
        check_parameters("/_mget", asked.parameters, _PARAMETERS)
        body = await asked.json() or {}
        wanted = body.get("docs") if isinstance(body, dict) else None
        if wanted is None and isinstance(body, dict) and isinstance(body.get("ids"), list):
            wanted = [{"_id": id_} for id_ in body["ids"]]
        if not isinstance(wanted, list) or not wanted or not all(isinstance(each, dict) for each in wanted):
            raise ElasticRefused(illegal_argument("[_mget] requires [docs], objects with [_id], or [ids]"))
        if len(wanted) > _MAX_DOCUMENTS:
            raise ElasticRefused(illegal_argument(f"[_mget] gets at most {_MAX_DOCUMENTS} documents"))
        pairs = [(str(each.get("_index", index)), str(each.get("_id", ""))) for each in wanted]
        asking = [pair for pair in pairs if all(pair)]
        lines = dict(zip(asking, await self._lines(asked, asking), strict=True))

        def made(check: Check) -> list[dict[str, Any]]:
            docs = []
            for pair, each in zip(pairs, wanted, strict=True):
                check()
                docs.append(self._one(asked, pair, each, lines.get(pair)))
            return docs

        try:
            return answered(asked, {"docs": await self._searcher.workers.run(made)})
        except TooLarge as error:
            refuse(error)
            raise

    def _one(
        self, asked: Asked, pair: tuple[str, str], wanted: dict[str, Any], found: Line | DxopsError | None
    ) -> dict[str, Any]:
        name, id_ = pair
        try:
            if not name or not id_:
                raise ElasticRefused(illegal_argument("index and id are needed for each document of [docs]"))
            if isinstance(found, DxopsError):
                raise found
            source = parse_source(wanted["_source"]) if "_source" in wanted else _filter(asked)
        except DxopsError as error:
            return {"_index": name, "_id": id_, "error": fault_of(error).to_value()["error"]}
        return _found(found, name, id_, source, whole=keeps_bytes(asked))


def _filter(asked: Asked) -> SourceFilter:
    given = asked.parameters
    base = parse_source_parameter(given["_source"]) if "_source" in given else SourceFilter()
    includes, excludes = given.get("_source_includes"), given.get("_source_excludes")
    return SourceFilter(
        base.enabled,
        base.includes if includes is None else names(includes),
        base.excludes if excludes is None else names(excludes),
    )


def _found(line: Line | None, index: str, id_: str, source: SourceFilter, *, whole: bool) -> dict[str, Any]:
    if line is None:
        return {"_index": index, "_id": id_, "found": False}
    value: dict[str, Any] = {
        "_index": line.stream, "_id": line.id, "_version": line.version, "_seq_no": line.seq, "_primary_term": 1,
        "found": True,
    }  # fmt: skip
    return {**value, "_source": _shown(line, source, whole=whole)} if source.enabled else value


def _shown(line: Line, source: SourceFilter, *, whole: bool) -> Any:
    verbatim = whole and not source.includes and not source.excludes
    return shown_source(line, {} if verbatim else read_document(line.source), source, whole=whole)
