"""The ASGI application of port 9200: from a request to whoever answers it, and every error in Elasticsearch's shape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from dxops.base.asgi import Gone, Receive
from dxops.base.errors import DxopsError
from dxops.rooms.logs.elastic.access import CALLER, Callers, secret_of
from dxops.rooms.logs.elastic.asking import (
    Answer,
    Asked,
    Send,
    headers_of,
    parameters_of,
    segments_of,
    send_answer,
)
from dxops.rooms.logs.elastic.bodies import Bodies, Held
from dxops.rooms.logs.elastic.pressure import refused_for_now, told
from dxops.rooms.logs.elastic.reading import read_fault
from dxops.rooms.logs.elastic.writes import Writes
from dxops.wire.elastic import handshake
from dxops.wire.elastic.errors import ElasticRefused, Fault, fault_of, security
from dxops.wire.elastic.media import answering, request_kind

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 100 << 20
_BODIES_BYTES: Final = 64 << 20
_WRITES: Final = frozenset({"POST", "PUT"})


class Reader(Protocol):
    """A group of endpoints."""

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of its endpoints."""
        ...


class ElasticApp:
    """`address` is what sniffing clients are told to use (`host:port`). `readers` are asked one after the other."""

    def __init__(
        self,
        callers: Callers,
        writes: Writes,
        cluster: handshake.Cluster,
        address: str,
        readers: Sequence[Reader] = (),
    ) -> None:
        self._readers = tuple(readers)
        self._callers = callers
        self._writes = writes
        self._cluster = cluster
        self._address = address
        self._bodies = Bodies(_BODIES_BYTES)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        with self._bodies.request() as held:
            try:
                answer = await self._answered(scope, receive, held)
            except Gone:
                return
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the caller gets an answer; `_failed` logs it
                answer = self._failed(scope, error)
        await send_answer(send, answer, head=scope["method"] == "HEAD")

    async def _answered(self, scope: dict[str, Any], receive: Receive, held: Held) -> Answer:
        headers = headers_of(scope)
        path = segments_of(scope.get("raw_path") or scope["path"].encode())
        parameters = parameters_of(scope["query_string"])
        general = {**parameters, "format": ""} if path[:1] in (("_query",), ("_sql",)) else parameters
        how = answering(headers.get("accept", ""), general, cat=path[:1] == ("_cat",))
        caller = await self._callers.find(secret_of(headers.get("authorization")))
        if caller is None:
            raise ElasticRefused(security("unable to authenticate with provided credentials", status=401))
        CALLER.set(caller)
        method = str(scope["method"])
        if method in _WRITES:
            request_kind(headers.get("content-type", ""))
        asked = Asked(
            method=method, path=path, parameters=parameters, headers=headers, caller=caller, answering=how,
            receive=receive, limit_bytes=MAX_BODY_BYTES, held=held,
        )  # fmt: skip
        return await self._route(asked)

    async def _route(self, asked: Asked) -> Answer:
        method, path = asked.method, asked.path
        match path:
            case ("_bulk",) if method in _WRITES:
                return await self._writes.bulk(asked)
            case (index, "_bulk") if method in _WRITES:
                return await self._writes.bulk(asked, index)
            case (index, "_doc") if method == "POST":
                return await self._writes.document(asked, index, None, "index")
            case (index, "_doc", name) if method in _WRITES:
                return await self._writes.document(asked, index, name, "index")
            case (index, "_create", name) if method in _WRITES:
                return await self._writes.document(asked, index, name, "create")
            case (index, "_update", name) if method == "POST":
                return await self._writes.document(asked, index, name, "update")
            case (index, "_doc", name) if method == "DELETE":
                return await self._writes.document(asked, index, name, "delete")
        for reader in self._readers:
            answer = await reader.answer(asked)
            if answer is not None:
                return answer
        if method in ("GET", "HEAD"):
            value = self._cluster_value(asked)
            if value is not None:
                how = asked.answering
                return Answer(status=200, body=how.encode(value), content_type=how.content_type)
        raise ElasticRefused(
            Fault(
                type="illegal_argument_exception",
                reason=f"[{method} /{'/'.join(path)[:200]}] is not supported by dxops",
                status=400 if path else 405,
            ),
            hint="docs/protocols/elasticsearch.md lists what is",
        )

    def _cluster_value(self, asked: Asked) -> dict[str, Any] | None:
        agent = asked.headers.get("user-agent", "")
        answers: dict[tuple[str, ...], Callable[[], dict[str, Any]]] = {
            (): lambda: handshake.root(self._cluster, agent),
            ("_license",): lambda: handshake.license_(self._cluster),
            ("_xpack",): lambda: handshake.xpack(self._cluster),
            ("_cluster", "health"): lambda: handshake.health(self._cluster),
            ("_nodes",): lambda: handshake.nodes(self._cluster, self._address, agent),
            ("_nodes", "http"): lambda: handshake.nodes(self._cluster, self._address, agent),
        }
        found = answers.get(asked.path)
        return None if found is None else found()

    def _failed(self, scope: dict[str, Any], error: Exception) -> Answer:
        headers: tuple[tuple[str, str], ...] = ()
        if not isinstance(error, DxopsError):
            log.exception("a request failed", exc_info=error, extra={"path": scope["path"]})
        fault = refused_for_now(error) or read_fault(error) or fault_of(error)
        if fault.status == 401:
            headers = (("www-authenticate", 'Basic realm="security", charset="UTF-8"'), ("www-authenticate", "ApiKey"))
        given = headers_of(scope)
        kind = answering(given.get("accept", ""), {}).content_type
        answer = Answer(status=fault.status, body=fault.to_json(), content_type=kind, headers=headers)
        return told(answer, given, scope["path"].split("/"))
