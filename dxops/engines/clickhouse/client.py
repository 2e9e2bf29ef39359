"""Asking ClickHouse, ours or a cluster: the one client of rooms, loader and API. Thin on httpx.

`clickhouse-connect` stays the tool of others: its async client needs aiohttp, and it builds Python columns where the
loader ships bytes. Reads are cancelled with their task: the connection closes, and that ends the query on both kinds
of server.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
import msgspec
import orjson

from dxops.base.errors import TooLarge, Unavailable
from dxops.engines.clickhouse.access import name_quoted
from dxops.engines.clickhouse.errors import error_of
from dxops.wire.clickhouse_http import parameter

log = logging.getLogger(__name__)

_CONNECT_S = 5.0
_HINT = "the role store may be starting: see `dxops status`; or check clickhouse.url"


class Rows(msgspec.Struct, frozen=True):
    """An answer. `rows` hold plain JSON values: integers exact, times as RFC 3339 texts in UTC, decimals as numbers."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]  # Any: whatever the columns are
    read_rows: int = 0
    read_bytes: int = 0

    @property
    def scalar(self) -> Any:
        """The first value of the first row. Raises IndexError where there is none."""
        return self.rows[0][0]


class ClickHouse:
    """One server, cluster or our store. `url` as in `clickhouse.url`. Opens nothing before the first use.

    Errors of every method: `Refused` for SQL that is wrong, `TooLarge` for a cap that was met, `Unavailable` while the
    server is away or overloaded.
    """

    def __init__(self, url: str, *, cluster: str = "", timeout_s: float = 40.0, connections: int = 16) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.database = unquote(parts.path.strip("/")) or "default"
        self.cluster = cluster
        self._timeout_s = timeout_s
        plain = is_near(parts.hostname or "")
        headers = {"X-ClickHouse-User": unquote(parts.username or "default")}
        headers["X-ClickHouse-Key"] = unquote(parts.password or "")
        if plain:
            headers["accept-encoding"] = "identity"  # on one machine, compressing costs more than it saves
        self._client = httpx.AsyncClient(
            base_url=urlunsplit((parts.scheme, host, "/", "", "")),
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_S),
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=15
            ),
            trust_env=False,
            verify=parts.scheme != "http",  # reading the authorities costs 50 ms and megabytes
        )
        self._common = {"database": self.database}
        if not plain:
            self._common["enable_http_compression"] = "1"

    async def query(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        query_id: str | None = None,
        max_bytes: int | None = None,
    ) -> Rows:
        """Run a SELECT (without FORMAT); the whole answer. `params` fill `{name:Type}`. `max_bytes` bounds what is
        read of it, exactly: ClickHouse's own `max_result_bytes` counts a constant column once."""
        reading = {"default_format": "JSONCompact", "wait_end_of_query": "1", **_READING}
        fields = self._fields(params, reading | dict(settings or {}), query_id)
        content = await self._read(sql.encode(), fields, max_bytes)
        if not content:
            return Rows([], [], [])
        found = orjson.loads(content)
        statistics = found.get("statistics", {})
        return Rows(
            [column["name"] for column in found["meta"]],
            [column["type"] for column in found["meta"]],
            found["data"],
            statistics.get("rows_read", 0),
            statistics.get("bytes_read", 0),
        )

    async def execute(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Run a statement whose answer is of no interest."""
        await self._post(sql.encode(), self._fields(params, settings or {}, None), timeout_s=timeout_s)

    async def insert_native(
        self,
        table: str,
        data: bytes,
        *,
        token: str | None,
        columns: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> int:
        """Insert a Native block (`wire.clickhouse_native.block`); the rows written. It is on disk on return.

        The same `token` never inserts twice into a table with a deduplication window, whatever is retried; a lost
        connection is then retried once here.
        """
        names = f" ({', '.join(map(name_quoted, columns))})" if columns else ""
        target = ".".join(map(name_quoted, table.split(".")))
        fields = {"query": f"INSERT INTO {target}{names} FORMAT Native", "async_insert": 0, "wait_end_of_query": 1}
        if token is not None:
            fields["insert_deduplication_token"] = token
        if self.cluster:
            fields["distributed_foreground_insert"] = 1
        answer = await self._post(
            data, self._fields(None, fields | dict(settings or {}), None), again=token is not None
        )
        written = orjson.loads(answer.headers.get("x-clickhouse-summary", "{}")).get("written_rows", "0")
        return int(written)

    async def stream(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        output_format: str = "JSONCompactEachRow",
        settings: Mapping[str, object] | None = None,
    ) -> AsyncIterator[bytes]:
        """The answer in a streamable format, in pieces as they come (not whole rows). Close the iterator
        (`contextlib.aclosing`) to end the query. An error half way is raised when it comes."""
        fields = self._fields(params, {"default_format": output_format, **_READING} | dict(settings or {}), None)
        with _translated():
            async with self._client.stream("POST", "", content=sql.encode(), params=fields) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise _error(answer)
                tag = answer.headers.get("x-clickhouse-exception-tag")
                async for piece in _checked(answer.aiter_bytes(), tag):
                    yield piece

    async def kill(self, query_id: str) -> None:
        """End a query by the id that it was started with. Nothing happens when it has ended."""
        cluster = f" ON CLUSTER {name_quoted(self.cluster)}" if self.cluster else ""
        await self.execute(f"KILL QUERY{cluster} WHERE query_id = '{uuid.UUID(query_id)}' ASYNC")

    async def ping(self) -> None:
        """Raises `Unavailable` unless the server answers."""
        with _translated():
            answer = await self._client.get("ping", timeout=5.0)
        if answer.status_code != 200:
            raise _error(answer)

    async def wait(self) -> None:
        """Try until the server answers, telling the log why not, every ten seconds."""
        tries = 0
        while True:
            try:
                await self.query("SELECT 1")
            except Unavailable as error:
                if tries % 40 == 0:
                    log.warning(error.message, extra={"hint": error.hint})
                tries += 1
                await asyncio.sleep(0.25)
            else:
                return

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _fields(
        self, params: Mapping[str, object] | None, settings: Mapping[str, object], query_id: str | None
    ) -> dict[str, str]:
        fields = self._common | {key: _setting(value) for key, value in settings.items()}
        fields |= {f"param_{key}": parameter(value) for key, value in (params or {}).items()}
        if query_id is not None:
            fields["query_id"] = query_id
        return fields

    async def _read(self, sql: bytes, fields: Mapping[str, str], max_bytes: int | None) -> bytes:
        if max_bytes is None:
            return (await self._post(sql, fields, again=True)).content
        content = bytearray()
        with _translated():
            async with self._client.stream("POST", "", content=sql, params=fields) as answer:
                async for piece in answer.aiter_bytes():
                    content += piece
                    if answer.status_code == 200 and len(content) > max_bytes:
                        hint = "choose fewer columns or rows"
                        raise TooLarge(f"the answer is larger than {max_bytes} bytes", hint=hint)
        if answer.status_code != 200:
            raise error_of(content.decode("utf-8", "replace"), answer.status_code)
        return bytes(content)

    async def _post(
        self, content: bytes, fields: Mapping[str, str], *, again: bool = False, timeout_s: float | None = None
    ) -> httpx.Response:
        """`again`: a connection that the server closed while it was idle is tried once more."""
        timeout = httpx.Timeout(timeout_s or self._timeout_s, connect=_CONNECT_S)
        with _translated():
            try:
                answer = await self._client.post("", content=content, params=fields, timeout=timeout)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if not again:
                    raise
                answer = await self._client.post("", content=content, params=fields, timeout=timeout)
        if answer.status_code != 200:
            raise _error(answer)
        return answer


_READING = {
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_validate_utf8": "1",
    "date_time_output_format": "iso",
    "cancel_http_readonly_queries_on_client_close": "1",
}


def is_near(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _setting(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _error(answer: httpx.Response) -> Exception:
    try:
        retry_after_s = float(answer.headers.get("retry-after", "1"))
    except ValueError:
        retry_after_s = 1.0
    return error_of(answer.text, answer.status_code, retry_after_s)


async def _checked(pieces: AsyncIterator[bytes], tag: str | None) -> AsyncIterator[bytes]:
    """The pieces, until one announces that the answer failed."""
    marker = b"__exception__\r\n" + tag.encode() if tag else b""
    kept = b""
    async for piece in pieces:
        if not marker:
            yield piece
            continue
        kept += piece
        if (at := kept.find(marker)) >= 0:
            rest = kept[at:] + b"".join([more async for more in pieces])
            raise error_of(rest[len(marker) :].strip().rpartition(b"\n")[0].decode("utf-8", "replace"))
        safe = len(kept) - len(marker)
        if safe > 0:
            yield kept[:safe]
            kept = kept[safe:]
    if kept:
        yield kept


class _translated:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.TransportError):
            reason = str(error) or type(error).__name__
            raise Unavailable(f"ClickHouse does not answer: {reason}", hint=_HINT) from error


@asynccontextmanager
async def connected(url: str, *, cluster: str = "") -> AsyncIterator[ClickHouse]:
    """A client for the block's duration."""
    made = ClickHouse(url, cluster=cluster)
    try:
        yield made
    finally:
        await made.close()
