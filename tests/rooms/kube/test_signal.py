"""Swarms and messages, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from dxops.rooms.kube.signal import Mailbox
from dxops.wire.proto import dx_pb2 as dx
from tests.rooms.kube.conftest import Client, RpcRefused
from tests.rooms.kube.twins import TwinNode

JOIN = "dxos.mesh.signal.Signal.Join"
RECEIVE = "dxos.mesh.signal.Signal.ReceiveMessages"
SEND = "dxos.mesh.signal.Signal.SendMessage"
SWARM, ALICE, BOB = b"s" * 32, b"a" * 65, b"b" * 65


async def join(client: Client, peer: bytes, swarm: bytes = SWARM) -> int:
    call = await client.request(JOIN, dx.JoinRequest(swarm=swarm, peer=peer), stream=True)
    assert (await client.response(call)).stream_ready
    return call


async def nothing(client: Client, call: int) -> bool:
    """A later answer on the same socket came first."""
    await client.call(SEND, dx.SignalMessage(author=b"x", recipient=b"nobody"), dx.Empty)
    return client.responses[call].empty()


async def test_peers_see_each_other_come_and_go(node: TwinNode) -> None:
    async with Client(node, "signal") as alice, Client(node, "signal") as bob:
        a = await join(alice, ALICE)
        b = await join(bob, BOB)
        seen = await alice.item(a, dx.SwarmEvent)
        assert seen.peer_available.peer == BOB
        assert seen.peer_available.HasField("since")
        assert (await bob.item(b, dx.SwarmEvent)).peer_available.peer == ALICE
        await bob.socket.send(dx.RpcMessage(stream_close=dx.StreamClose(id=b)).SerializeToString())
        assert (await alice.item(a, dx.SwarmEvent)).peer_left.peer == BOB
        b = await join(bob, BOB)
        assert (await alice.item(a, dx.SwarmEvent)).peer_available.peer == BOB
        await bob.socket.close()
        assert (await alice.item(a, dx.SwarmEvent)).peer_left.peer == BOB


async def test_swarms_and_environments_are_apart(node: TwinNode) -> None:
    async with Client(node, "signal") as alice, Client(node, "signal", query="?environment=prod") as bob:
        a, other = await join(alice, ALICE), await join(alice, ALICE, b"t" * 32)
        await join(bob, BOB)
        assert await nothing(alice, a)
        assert await nothing(alice, other)


async def test_a_reconnected_peer_is_not_evicted_by_its_old_socket(node: TwinNode) -> None:
    async with Client(node, "signal") as alice, Client(node, "signal") as new:
        a = await join(alice, ALICE)
        async with Client(node, "signal") as old:
            await join(old, BOB)
            assert (await alice.item(a, dx.SwarmEvent)).peer_available.peer == BOB
            b = await join(new, BOB)
            assert (await alice.item(a, dx.SwarmEvent)).peer_available.peer == BOB
            assert (await new.item(b, dx.SwarmEvent)).peer_available.peer == ALICE
        assert await nothing(alice, a)  # the old socket is closed now, and nobody left
        async with Client(node, "signal") as carol:
            c = await join(carol, b"c" * 65)
            seen = {(await carol.item(c, dx.SwarmEvent)).peer_available.peer for _ in range(2)}
            assert seen == {ALICE, BOB}


async def test_messages_reach_every_stream_of_the_recipient(node: TwinNode) -> None:
    payload = dx.Any(type_url="dxos.mesh.messaging.ReliablePayload", value=b"\x08\x01")
    async with Client(node, "signal") as alice, Client(node, "signal") as bob:
        first = await bob.request(RECEIVE, dx.ReceptionRequest(peer=BOB), stream=True)
        second = await bob.request(RECEIVE, dx.ReceptionRequest(peer=BOB), stream=True)
        for call in (first, second):
            assert (await bob.response(call)).stream_ready
        await alice.call(SEND, dx.SignalMessage(author=ALICE, recipient=BOB, payload=payload), dx.Empty)
        for call in (first, second):
            assert (await bob.item(call, dx.SignalMessage)) == dx.SignalMessage(
                author=ALICE, recipient=BOB, payload=payload
            )
        await alice.call(SEND, dx.SignalMessage(author=ALICE, recipient=b"nobody", payload=payload), dx.Empty)


async def test_bad_keys_and_oversize_messages(node: TwinNode) -> None:
    async with Client(node, "signal") as client:
        call = await client.request(JOIN, dx.JoinRequest(swarm=b"", peer=ALICE), stream=True)
        assert (await client.response(call)).stream_ready
        assert "swarm must be a key" in (await client.response(call)).error.message
        with pytest.raises(RpcRefused, match="recipient must be a key"):
            await client.call(SEND, dx.SignalMessage(author=ALICE, recipient=b"r" * 257), dx.Empty)
        big = dx.SignalMessage(author=ALICE, recipient=BOB, payload=dx.Any(value=bytes(1024 * 1024)))
        with pytest.raises(RpcRefused, match="may have 1048576 bytes"):
            await client.call(SEND, big, dx.Empty)


async def test_mailboxes_are_bounded_by_count_and_bytes() -> None:
    box: Mailbox[dx.SignalMessage] = Mailbox(max_messages=2, max_bytes=100)
    small, big = dx.SignalMessage(author=b"a"), dx.SignalMessage(author=bytes(99))
    assert box.put(small)
    assert not box.put(big)
    assert box.put(small)
    assert not box.put(small)
    stream = aiter(box)
    assert await anext(stream) == small
    assert box.put(small)
    box.end()
    assert not box.put(small)
    assert [one async for one in stream] == [small, small]


async def test_a_full_recipient_is_an_error_to_the_sender(node: TwinNode) -> None:
    """Its socket is not read, so its queue fills; the sender hears of it within the RPC timeout."""
    message = dx.SignalMessage(author=ALICE, recipient=BOB, payload=dx.Any(value=bytes(900_000)))
    async with Client(node, "signal") as alice, Client(node, "signal") as bob:
        await bob.request(RECEIVE, dx.ReceptionRequest(peer=BOB), stream=True)
        await bob.response(0)
        bob._reader.cancel()
        await asyncio.sleep(0)

        async def send_until_refused() -> None:
            while True:
                await alice.call(SEND, message, dx.Empty, timeout=3)

        with pytest.raises(RpcRefused, match="its queue is full"):
            await asyncio.wait_for(send_until_refused(), 30)
