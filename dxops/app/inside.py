"""What other processes of this installation ask of the role `ingest`, which alone may write to the spool: below
`/_dxops/` on its Elasticsearch listener, with a secret that no sender has.

    POST /_dxops/redrive   {"stream", "consumer", "seqs" or null, "also_in_doubt"}   -> {"count"}
    POST /_dxops/forget    {"stream", "before_seq" or null}                          -> {"count"}
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import httpx
import msgspec

from dxops.app.data import DataDirectory
from dxops.base.asgi import Gone, whole_body
from dxops.base.errors import DxopsError, Refused, Unavailable
from dxops.base.files import write_secret
from dxops.engines.spool import Quarantine, Spool, this_machine
from dxops.rooms.logs.identities import Identities

log = logging.getLogger(__name__)

PREFIX: Final = "/_dxops/"
_HEADER: Final = "x-dxops-inside"
_SECRET: Final = "inside_key"  # noqa: S105 - a file name
_MOST_BYTES: Final = 4 << 20
_STALL_S: Final = 30.0
_TIMEOUT_S: Final = 300.0

App = Callable[[Any, Any, Any], Awaitable[None]]  # Any: ASGI's scope, receive and send
Work = Callable[[bytes], Awaitable[int]]


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """Give quarantined records back; all where `seqs` is None."""

    stream: str
    consumer: str
    seqs: list[int] | None = None
    also_in_doubt: bool = False


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """The documents of a log stream whose numbers are lower are gone (None: all); their ids are free again."""

    stream: str
    before_seq: int | None = None


class Done(msgspec.Struct, frozen=True):
    """How many there were."""

    count: int


class Problem(msgspec.Struct, frozen=True):
    """Why not."""

    message: str
    hint: str | None = None
    code: str = "unavailable"
    retry_after_s: float = 1.0


def make_secret(data: DataDirectory) -> str:
    """For the role `ingest`, which makes it at its first start."""
    path = data.secret(_SECRET)
    if not path.exists():
        write_secret(path, secrets.token_hex(32))
    return path.read_text().strip()


def read_secret(data: DataDirectory) -> str:
    """For the others. Raises `Unavailable` before that."""
    try:
        return data.secret(_SECRET).read_text().strip()
    except FileNotFoundError as error:
        raise Unavailable("the role ingest never ran here", hint="start it: `dxops status`") from error


def door(app: App, secret: str, spool: Spool, identities: Identities) -> App:
    """`app`, and the inside calls before it."""

    async def redrive(body: bytes) -> int:
        wish = msgspec.json.decode(body, type=Redrive)
        place = Quarantine(this_machine(1), spool.root, wish.stream, wish.consumer)
        return await place.redrive(spool, wish.seqs, also_in_doubt=wish.also_in_doubt)

    async def forget(body: bytes) -> int:
        wish = msgspec.json.decode(body, type=Forget)
        return await asyncio.to_thread(identities.forget, wish.stream, wish.before_seq)

    calls: Mapping[str, Work] = {"redrive": redrive, "forget": forget}

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(_HEADER.encode(), b"").decode("latin-1")
        work = calls.get(path.removeprefix(PREFIX))
        if not hmac.compare_digest(given.encode(), secret.encode()) or work is None or scope["method"] != "POST":
            await app(scope, receive, send)  # to whom this is no address at all
            return
        try:
            status, value = await _worked(work, receive)
        except Gone:
            return
        body = msgspec.json.encode(value)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


async def _worked(work: Work, receive: Any) -> tuple[int, Done | Problem]:
    body = await whole_body(receive, _MOST_BYTES, _STALL_S)
    if body is None:
        return 413, Problem("the call is too large", "name fewer records", "too_large")
    try:
        return 200, Done(await work(body))
    except msgspec.MsgspecError as error:
        return 400, Problem(str(error), code="refused")
    except DxopsError as error:
        status = 400 if isinstance(error, Refused) else 503
        return status, Problem(error.message, error.hint, error.code, getattr(error, "retry_after_s", 1.0))
    except Exception:
        log.exception("a call from inside failed")
        return 500, Problem("it failed; the log of the role ingest says why")


class Inside:
    """Makes these calls. `address` is `host:port`; `secret` is asked for at the first call, when there is one."""

    def __init__(self, address: str, secret: Callable[[], str]) -> None:
        self._address = address
        self._secret = secret

    async def redrive(self, wish: Redrive) -> int:
        """How many went back. Raises `Unavailable`, `Refused`."""
        return await self._call("redrive", wish)

    async def forget(self, stream: str, before_seq: int | None) -> int:
        """How many ids are free again. Raises `Unavailable`."""
        return await self._call("forget", Forget(stream=stream, before_seq=before_seq))

    async def _call(self, name: str, wish: msgspec.Struct) -> int:
        url = f"http://{self._address}{PREFIX}{name}"
        headers = {_HEADER: self._secret(), "content-type": "application/json"}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=httpx.Timeout(_TIMEOUT_S, connect=5.0)) as client:
                answer = await client.post(url, content=msgspec.json.encode(wish), headers=headers)
        except httpx.TransportError as error:
            raise Unavailable(
                f"the role ingest does not answer: {error or type(error).__name__}",
                hint="it may be starting: see `dxops status`",
            ) from error
        if answer.status_code == 200:
            return msgspec.json.decode(answer.content, type=Done).count
        try:
            problem = msgspec.json.decode(answer.content, type=Problem)
        except msgspec.MsgspecError:
            raise Unavailable(f"the role ingest answered {answer.status_code}", hint="is it of this version?") from None
        if answer.status_code in (400, 413):
            raise Refused(problem.message, hint=problem.hint, code=problem.code)
        raise Unavailable(problem.message, hint=problem.hint, code=problem.code, retry_after_s=problem.retry_after_s)


def chosen(seqs: Sequence[int] | None) -> list[int] | None:
    """As the calls take them."""
    return None if seqs is None else sorted(set(seqs))
