"""Turning senders away: what each of them understands as "send it again".

Every shipper waits and sends again after 429 with `Retry-After`, 503, or a connection that closes, except rsyslog: any
body that is not a bulk answer makes it drop the batch, whatever the status says (seen with 8.2302). A connection that
closes before the answer makes it suspend and send again, so that is what rsyslog gets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dxops.base.asgi import Receive
from dxops.base.errors import Throttled
from dxops.engines.spool import SpoolFull
from dxops.rooms.logs.elastic.asking import Answer, Send, headers_of, send_answer
from dxops.wire.elastic.errors import Fault, rejected_execution
from dxops.wire.elastic.media import JSON

log = logging.getLogger(__name__)

_AGAIN: Final = (401, 403, 429)
_LATER: Final = (("retry-after", "1"),)


def is_rsyslog(headers: Mapping[str, str], path: Sequence[str]) -> bool:
    """rsyslog's `_bulk`: it names no User-Agent and labels NDJSON as JSON in UTF-8."""
    kind = headers.get("content-type", "").lower().replace(" ", "")
    return "user-agent" not in headers and kind == "application/json;charset=utf-8" and list(path[-1:]) == ["_bulk"]


def refused_for_now(error: Exception) -> Fault | None:
    """The 429 for what found no room in the spool; None for other errors."""
    return rejected_execution(error.message) if isinstance(error, SpoolFull | Throttled) else None


def told(answer: Answer, headers: Mapping[str, str], path: Sequence[str]) -> Answer:
    """A refusal as this sender needs it. Wrong credentials too: they will be mended, a dropped batch is gone."""
    if answer.status not in _AGAIN and answer.status < 500:
        return answer
    if is_rsyslog(headers, path):
        log.warning("rsyslog's connection is closed", extra={"status": answer.status, "reason": answer.body.decode()})
        return Answer(status=answer.status, body=b"", content_type=JSON, cut=True)
    if answer.status in (429, 503) and not any(name == "retry-after" for name, _ in answer.headers):
        return Answer(
            status=answer.status, body=answer.body, content_type=answer.content_type, headers=answer.headers + _LATER
        )
    return answer


class Doorkeeper:
    """Answers 503 until the application behind it is there."""

    def __init__(self) -> None:
        self.app: Any = None  # any ASGI application

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        fault = Fault(type="cluster_block_exception", reason="dxops is starting; send it again", status=503)
        answer = Answer(status=503, body=fault.to_json(), content_type=JSON)
        await send_answer(
            send, told(answer, headers_of(scope), scope["path"].split("/")), head=scope["method"] == "HEAD"
        )
