"""dxRPC, the serving side of one socket, without I/O: events go in, commands come out.

One binary WebSocket frame is one `RpcMessage`. The four services of a KUBE node run without a handshake; other dxRPC
peers open with `open` until `open_ack` and leave with `bye`: both are answered, neither is ever sent first. Source:
docs/protocols/kube.md, "dxRPC framing".

    transport          this module                     dispatcher
    Frame(data)   -->  handle()  -->  Begin(call)  -->
    Send(data)    <--             <--  Reply / Ready / Item / End / Fail
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from google.protobuf.message import DecodeError, Message

from dxops.wire.proto import dx_pb2 as dx

MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
MAX_CALLS: Final = 256

UNSUPPORTED_DATA: Final = 1003
PROTOCOL_ERROR: Final = 1002
TOO_BIG: Final = 1009


class Method(msgspec.Struct, frozen=True):
    """One method: the type of its request, the full name of its answer's type, whether it answers with a stream."""

    request: type[Message]
    request_type: str
    response_type: str
    stream: bool = False


# --- events -----------------------------------------------------------------------------------------------------


class Frame(msgspec.Struct, frozen=True):
    """A binary frame arrived."""

    data: bytes


class Text(msgspec.Struct, frozen=True):
    """A text frame arrived."""


class Gone(msgspec.Struct, frozen=True):
    """The socket is closed."""


class Reply(msgspec.Struct, frozen=True):
    """The answer of a unary call."""

    id: int
    message: Message


class Ready(msgspec.Struct, frozen=True):
    """A stream is set up; its first item may be long in coming."""

    id: int


class Item(msgspec.Struct, frozen=True):
    """One message of a stream."""

    id: int
    message: Message


class End(msgspec.Struct, frozen=True):
    """A stream has no more."""

    id: int


class Fail(msgspec.Struct, frozen=True):
    """A call is refused or a stream breaks; `message` is what the caller's user reads."""

    id: int
    message: str


Event = Frame | Text | Gone | Reply | Ready | Item | End | Fail


# --- commands ---------------------------------------------------------------------------------------------------


class Send(msgspec.Struct, frozen=True):
    """Send a binary frame."""

    data: bytes


class Close(msgspec.Struct, frozen=True):
    """Close the socket with this WebSocket status; `reason` is for the log."""

    code: int
    reason: str


class Begin(msgspec.Struct, frozen=True):
    """Start working on a call. `method` is one of the peer's own; `request` has its type."""

    id: int
    method: str
    request: Message


class Cancel(msgspec.Struct, frozen=True):
    """Nobody waits for this call any more. The peer drops whatever still comes for it."""

    id: int


Command = Send | Close | Begin | Cancel


class Peer:
    """One socket. `methods` by full name: `dxos.service.publisher.Publisher.Publish`.

    After a `Close` command nothing more comes out. `handle` never raises for anything that a client sends.
    """

    def __init__(
        self, methods: Mapping[str, Method], *, max_frame_bytes: int = MAX_FRAME_BYTES, max_calls: int = MAX_CALLS
    ) -> None:
        self._methods = methods
        self._max_frame_bytes = max_frame_bytes
        self._max_calls = max_calls
        self._open: dict[int, Method] = {}
        self._closed = False

    def handle(self, event: Event) -> list[Command]:
        """What to do now. Events for calls that have ended or were cancelled give nothing."""
        if self._closed:
            return []
        match event:
            case Frame(data):
                return self._frame(data)
            case Text():
                return self._close(UNSUPPORTED_DATA, "text frame: dxRPC messages are binary protobuf frames")
            case Gone():
                return self._gone()
            case _:
                return self._answer(event)

    # --- from the client ---

    def _frame(self, data: bytes) -> list[Command]:
        if len(data) > self._max_frame_bytes:
            return self._close(TOO_BIG, f"frame of {len(data)} bytes: at most {self._max_frame_bytes} are accepted")
        try:
            message = dx.RpcMessage.FromString(data)
        except DecodeError:
            return self._close(PROTOCOL_ERROR, "malformed frame: not a dxos.rpc.RpcMessage")
        match message.WhichOneof("content"):
            case "request":
                return self._request(message.request)
            case "open":
                return [Send(dx.RpcMessage(open_ack=True).SerializeToString())]
            case "bye":
                return [*self._cancel_all(), Send(dx.RpcMessage(bye=dx.Empty()).SerializeToString())]
            case "stream_close":
                call = message.stream_close.id
                return [Cancel(call)] if self._open.pop(call, None) else []
            case "response" | "open_ack":
                return []  # we call nobody: answers have unknown ids, which are ignored
            case _:
                return self._close(PROTOCOL_ERROR, "malformed frame: empty dxos.rpc.RpcMessage")

    def _request(self, request: dx.Request) -> list[Command]:
        if request.id in self._open:
            return self._close(PROTOCOL_ERROR, f"the call id {request.id} is still in use")
        if len(self._open) >= self._max_calls:
            return _failed(request.id, f"more than {self._max_calls} calls are open on this socket")
        method = self._methods.get(request.method)
        if method is None:
            return _failed(request.id, self._unknown(request.method))
        if request.stream != method.stream:
            expected = "a stream" if method.stream else "a single answer"
            return _failed(request.id, f"{request.method} gives {expected}")
        named = request.payload.type_url.rpartition("/")[2].lstrip(".")
        if named and named != method.request_type:
            return _failed(request.id, f"{request.method} takes {method.request_type}, not {named}")
        try:
            decoded = method.request.FromString(request.payload.value)
        except DecodeError:
            return _failed(request.id, f"the payload is not a valid {method.request_type}")
        self._open[request.id] = method
        return [Begin(request.id, request.method, decoded)]

    def _unknown(self, name: str) -> str:
        service, _, method = name.rpartition(".")
        offered = sorted({known.rpartition(".")[0] for known in self._methods})
        if service in offered:
            methods = ", ".join(
                sorted(known.rpartition(".")[2] for known in self._methods if known.startswith(f"{service}."))
            )
            return f"{service} has no method '{method[:100]}'; it has {methods}"
        return f"no service '{service[:100]}' at this address, which serves {', '.join(offered)}"

    def _gone(self) -> list[Command]:
        commands = self._cancel_all()
        self._closed = True
        return commands

    def _close(self, code: int, reason: str) -> list[Command]:
        return [*self._gone(), Close(code, reason)]

    def _cancel_all(self) -> list[Command]:
        commands: list[Command] = [Cancel(call) for call in self._open]
        self._open.clear()
        return commands

    # --- from the dispatcher ---

    def _answer(self, event: Reply | Ready | Item | End | Fail) -> list[Command]:
        method = self._open.get(event.id)
        if method is None:
            return []
        match event:
            case Reply(call, message):
                del self._open[call]
                return [_response(dx.Response(id=call, payload=_any(method, message)))]
            case Item(call, message):
                return [_response(dx.Response(id=call, payload=_any(method, message)))]
            case Ready(call):
                return [_response(dx.Response(id=call, stream_ready=True))]
            case End(call):
                del self._open[call]
                return [_response(dx.Response(id=call, close=True))]
            case Fail(call, text):
                del self._open[call]
                return _failed(call, text)


def _any(method: Method, message: Message) -> dx.Any:
    # the dot is how the JavaScript peer names types at this level
    return dx.Any(type_url=f".{method.response_type}", value=message.SerializeToString())


def _response(response: dx.Response) -> Send:
    return Send(dx.RpcMessage(response=response).SerializeToString())


def _failed(call: int, text: str) -> list[Command]:
    # the CLI prints "<name>: <message>"
    return [_response(dx.Response(id=call, error=dx.Error(name="Error", message=text)))]
