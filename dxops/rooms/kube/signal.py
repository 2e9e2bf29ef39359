"""The RPC service Signal: peers find each other in swarms and pass messages, until they talk directly.

Everything is in this process's memory: a client that loses its socket joins again by itself. Keys are opaque.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from dxops.base.clock import Clock
from dxops.base.errors import Refused, Throttled, TooLarge
from dxops.rooms.kube.socket import Endpoint, Service, Session
from dxops.wire.dxrpc import Method
from dxops.wire.proto import dx_pb2 as dx

_PACKAGE: Final = "dxos.mesh.signal"
_MAX_KEY_BYTES: Final = 256
_MAX_MESSAGE_BYTES: Final = 1024 * 1024
_MAX_WAITING: Final = 1024
_MAX_WAITING_BYTES: Final = 4 * 1024 * 1024

M = TypeVar("M", bound=Message)


class Mailbox(Generic[M]):
    """A bounded queue of messages for one stream. Ends when `end` was called and everything is taken."""

    def __init__(self, max_messages: int = _MAX_WAITING, max_bytes: int = _MAX_WAITING_BYTES) -> None:
        self._messages: deque[tuple[M, int]] = deque()
        self._bytes = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, message: M) -> bool:
        """False, and nothing kept, where it is full or ended."""
        size = message.ByteSize()
        if self._ended or len(self._messages) >= self._max_messages or self._bytes + size > self._max_bytes:
            return False
        self._messages.append((message, size))
        self._bytes += size
        self._changed.set()
        return True

    def end(self) -> None:
        """No more comes."""
        self._ended = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[M]:
        while True:
            while self._messages:
                message, size = self._messages.popleft()
                self._bytes -= size
                yield message
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()


class _Member:
    """One peer in one swarm, as long as its Join stream is the newest of that peer."""

    def __init__(self, peer: bytes, since: datetime) -> None:
        self.peer = peer
        self.since = since
        self.mailbox: Mailbox[dx.SwarmEvent] = Mailbox()


class Swarms:
    """Who is in which swarm, and who receives. Swarms and peers of two environments never meet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._swarms: dict[tuple[str, bytes], dict[bytes, _Member]] = {}
        self._receivers: dict[tuple[str, bytes], list[Mailbox[dx.SignalMessage]]] = {}

    def join(self, environment: str, swarm: bytes, peer: bytes) -> _Member:
        """Enter: the newcomer hears of everyone there, they hear of it. An older stream of the same peer ends."""
        members = self._swarms.setdefault((environment, swarm), {})
        old = members.pop(peer, None)
        if old is not None:
            old.mailbox.end()
        member = _Member(peer, self._clock.now())
        for other in members.values():
            member.mailbox.put(_available(other))
        members[peer] = member
        self._tell(members, member, _available(member))
        return member

    def leave(self, environment: str, swarm: bytes, member: _Member) -> None:
        """The stream of `member` is over. Nothing happens where a newer one has replaced it."""
        members = self._swarms.get((environment, swarm), {})
        if members.get(member.peer) is not member:
            return
        del members[member.peer]
        if not members:
            del self._swarms[(environment, swarm)]
        self._tell(members, member, dx.SwarmEvent(peer_left=dx.PeerLeft(peer=member.peer)))

    def receive(self, environment: str, peer: bytes) -> Mailbox[dx.SignalMessage]:
        """A new stream of the messages to `peer`; every open one gets each message."""
        mailbox: Mailbox[dx.SignalMessage] = Mailbox()
        self._receivers.setdefault((environment, peer), []).append(mailbox)
        return mailbox

    def stop(self, environment: str, peer: bytes, mailbox: Mailbox[dx.SignalMessage]) -> None:
        """End that stream."""
        mailboxes = self._receivers[(environment, peer)]
        mailboxes.remove(mailbox)
        if not mailboxes:
            del self._receivers[(environment, peer)]

    def send(self, environment: str, message: dx.SignalMessage) -> None:
        """To every stream of the recipient; to nobody where there is none. Raises `Throttled` where all are full."""
        mailboxes = self._receivers.get((environment, message.recipient), [])
        if mailboxes and not any([mailbox.put(message) for mailbox in mailboxes]):
            raise Throttled("the recipient takes no messages now: its queue is full", retry_after_s=1)

    def counts(self) -> tuple[int, int]:
        """Swarms with anyone in them, and peers that receive."""
        return len(self._swarms), len(self._receivers)

    def _tell(self, members: dict[bytes, _Member], about: _Member, event: dx.SwarmEvent) -> None:
        for other in members.values():
            if other is not about and not other.mailbox.put(event):
                other.mailbox.end()  # it missed something: let it join again and hear everything


class SignalRpc:
    """`dxos.mesh.signal.Signal`."""

    def __init__(self, swarms: Swarms) -> None:
        self._swarms = swarms

    def service(self) -> Service:
        """The endpoints."""
        name, message = f"{_PACKAGE}.Signal", f"{_PACKAGE}.Message"
        join = Method(dx.JoinRequest, f"{_PACKAGE}.JoinRequest", f"{_PACKAGE}.SwarmEvent", stream=True)
        receive = Method(dx.ReceptionRequest, f"{_PACKAGE}.ReceptionRequest", message, stream=True)
        return {
            f"{name}.Join": Endpoint(join, self.join),
            f"{name}.ReceiveMessages": Endpoint(receive, self.receive),
            f"{name}.SendMessage": Endpoint(Method(dx.SignalMessage, message, "google.protobuf.Empty"), self.send),
        }

    async def join(self, session: Session, request: dx.JoinRequest) -> AsyncIterator[Message]:
        """Events of the swarm, from who is there now to whoever comes and goes, until the stream is closed."""
        _require_keys(swarm=request.swarm, peer=request.peer)
        member = self._swarms.join(session.environment, request.swarm, request.peer)
        try:
            async for event in member.mailbox:
                yield event
        finally:
            self._swarms.leave(session.environment, request.swarm, member)

    async def receive(self, session: Session, request: dx.ReceptionRequest) -> AsyncIterator[Message]:
        """Messages to this peer."""
        _require_keys(peer=request.peer)
        mailbox = self._swarms.receive(session.environment, request.peer)
        try:
            async for message in mailbox:
                yield message
        finally:
            self._swarms.stop(session.environment, request.peer, mailbox)

    async def send(self, session: Session, request: dx.SignalMessage) -> Message:
        """Acknowledged also when nobody listens: delivery is between the peers."""
        _require_keys(author=request.author, recipient=request.recipient)
        if request.ByteSize() > _MAX_MESSAGE_BYTES:
            raise TooLarge(f"a signal message may have {_MAX_MESSAGE_BYTES} bytes, this one has {request.ByteSize()}")
        self._swarms.send(session.environment, request)
        return dx.Empty()


def _available(member: _Member) -> dx.SwarmEvent:
    since = Timestamp()
    since.FromDatetime(member.since)
    return dx.SwarmEvent(peer_available=dx.PeerAvailable(peer=member.peer, since=since))


def _require_keys(**keys: bytes) -> None:
    for name, key in keys.items():
        if not 0 < len(key) <= _MAX_KEY_BYTES:
            raise Refused(f"{name} must be a key of 1 to {_MAX_KEY_BYTES} bytes, not {len(key)}", field=name)
