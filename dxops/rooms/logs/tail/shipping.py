"""Documents to an Elasticsearch address by `_bulk`, again and again until they are stored.

A document that the server refuses is sent once more as plain text with the reason beside it; refused again, it is
dropped and told. So one bad line costs itself at most.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx
import orjson

from dxops.base.errors import Refused
from dxops.rooms.logs.tail.outbox import Outbox
from dxops.wire.elastic.documents import BadSource, read_document

_FIRST_PAUSE_S: Final = 0.5
_LAST_PAUSE_S: Final = 30.0
_STORED: Final = frozenset({200, 201, 409})  # 409: an earlier try was stored, and its answer was lost

Say = Callable[[str], None]
Document = tuple[bytes, str | None]
"""(JSON, id)"""


class Shipper:
    """Takes from `outbox` until that is closed and empty. `client` has the address and the credential."""

    def __init__(self, client: httpx.AsyncClient, stream: str, outbox: Outbox, say: Say) -> None:
        self._client = client
        self._outbox = outbox
        self._say = say
        self._head = orjson.dumps({"create": {"_index": stream}})
        self._stream = stream
        self._welcome = False
        self.dropped = 0
        self.stored = 0

    async def run(self) -> None:
        """Raises `Refused` when the server does not want anything of ours at the very first time: a wrong credential,
        or no Elasticsearch. Later it waits until that is mended."""
        while batches := await self._outbox.next():
            documents = [
                (document, batch.ids[place] if batch.ids is not None else None)
                for batch in batches
                for place, document in enumerate(batch.documents)
            ]
            await self._ship(documents)
            await self._outbox.done(batches)

    async def _ship(self, documents: Sequence[Document], *, wrapped: bool = False) -> None:
        """Returns once each is stored, or refused for good."""
        pause_s = _FIRST_PAUSE_S
        while documents:
            answer, wait_s = await self._post(documents)
            if answer is None:
                await asyncio.sleep(max(pause_s, wait_s))
                pause_s = min(pause_s * 2, _LAST_PAUSE_S)
                continue
            if isinstance(answer, int):
                await self._smaller(documents, answer, wrapped=wrapped)
                return
            again, bad = self._sorted(documents, answer)
            if bad:
                await self._refused(bad, wrapped=wrapped)
            if len(again) < len(documents):
                pause_s = _FIRST_PAUSE_S
            documents = again
            if documents:
                self._say(f"the server stores {len(documents)} lines later: waiting")
                await asyncio.sleep(max(pause_s, wait_s))
                pause_s = min(pause_s * 2, _LAST_PAUSE_S)

    async def _smaller(self, documents: Sequence[Document], status: int, *, wrapped: bool) -> None:
        """The server took nothing of so much (413), or of what is somewhere in it (400)."""
        if len(documents) > 1:
            middle = len(documents) // 2
            await self._ship(documents[:middle], wrapped=wrapped)
            await self._ship(documents[middle:], wrapped=wrapped)
        else:
            self._drop(1, f"HTTP {status}")

    def _sorted(
        self, documents: Sequence[Document], items: list[Any]
    ) -> tuple[list[Document], list[tuple[Document, str]]]:
        """(those to send again, those refused with the reason)."""
        again: list[Document] = []
        bad: list[tuple[Document, str]] = []
        for document, item in zip(documents, items, strict=True):
            (result,) = item.values()
            status = int(result.get("status", 500))
            if status in _STORED:
                self.stored += 1
            elif status == 429 or status >= 500:
                again.append(document)
            else:
                error = result.get("error")
                bad.append((document, str(error.get("reason", error) if isinstance(error, dict) else error)))
        return again, bad

    async def _refused(self, bad: list[tuple[Document, str]], *, wrapped: bool) -> None:
        if wrapped:
            self._drop(len(bad), bad[0][1])
            return
        self._say(f"the server refuses {len(bad)} lines as they are ({bad[0][1][:200]}): sending them as text")
        await self._ship([(_wrapped(document, reason), name) for (document, name), reason in bad], wrapped=True)

    def _drop(self, count: int, reason: str) -> None:
        self.dropped += count
        self._say(f"the server refuses {count} lines for good ({reason[:200]}): dropped, {self.dropped} in all")

    async def _post(self, documents: Sequence[Document]) -> tuple[list[Any] | int | None, float]:
        """(items; or the status of a request that will never be taken; or None to try again, and after how long)."""
        body = await asyncio.to_thread(self._body, documents)
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        try:
            answer = await self._client.post("/_bulk", content=body, headers=headers)
        except httpx.TransportError as error:
            self._say(f"{self._client.base_url} does not answer ({error or type(error).__name__}): waiting")
            return None, 0.0
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Refused(f"{self._client.base_url} is not an address: {error}") from error
        wait_s = answer.headers.get("retry-after", "")
        pause_s = min(float(wait_s), 300.0) if wait_s.isascii() and wait_s.isdigit() else 0.0
        if answer.status_code == 200:
            items = _items(answer.content)
            if items is not None and len(items) == len(documents):
                self._welcome = True
                return items, pause_s
        status = answer.status_code
        if not self._welcome and status not in (413, 429) and status < 500:
            raise _unwelcome(str(self._client.base_url), status, answer.text)
        if status in (400, 413):
            return status, 0.0
        self._say(f"{self._client.base_url} answers {status}: waiting")
        return None, pause_s

    def _body(self, documents: Sequence[Document]) -> bytes:
        lines: list[bytes] = []
        for document, name in documents:
            lines.append(
                self._head if name is None else orjson.dumps({"create": {"_index": self._stream, "_id": name}})
            )
            lines.append(document)
        return gzip.compress(b"\n".join(lines) + b"\n", 1)


def _items(content: bytes) -> list[Any] | None:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    items = answer.get("items") if isinstance(answer, dict) else None
    return items if isinstance(items, list) else None


def _unwelcome(address: str, status: int, text: str) -> Refused:
    if status in (401, 403):
        return Refused(f"{address} does not take the credential ({status})", hint="see --api-key")
    return Refused(f"{address} is no Elasticsearch address: it answers {status}", hint=text[:200].strip() or None)


def _wrapped(document: bytes, reason: str) -> bytes:
    """What was refused, as the message of a document that says so."""
    try:
        time: object = read_document(document).get("@timestamp")
    except BadSource:
        time = None
    about = {"message": document.decode("utf-8", "replace"), "error.message": reason}
    return orjson.dumps({"@timestamp": time, **about} if time is not None else about)
