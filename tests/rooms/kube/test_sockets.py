"""RPC sockets over a real Granian listener: answers, refusals, frames that break the rules."""

from __future__ import annotations

import asyncio

import pytest
import websockets

from dxops.rooms.kube.socket import Session
from dxops.wire.proto import dx_pb2 as dx
from tests.rooms.kube.conftest import Client, NodeMaker, RpcRefused
from tests.rooms.kube.twins import TwinNode

STATUS = "dxos.service.supervisor.Supervisor.Status"
LIST = "dxos.service.publisher.Publisher.List"


async def raw(node: TwinNode, data: bytes | str, path: str = "deploy") -> websockets.ClientConnection:
    socket = await websockets.connect(f"ws://127.0.0.1:{node.port}/.well-known/dx/{path}", open_timeout=5)
    await socket.send(data)
    return socket


async def closed(socket: websockets.ClientConnection) -> bool:
    """A clean close by the node. Granian sends its close frames without the status that we give it."""
    with pytest.raises(websockets.ConnectionClosedOK):
        await asyncio.wait_for(socket.recv(), 10)
    return True


async def test_calls_on_one_socket_answer_each_other_s_ids(node: TwinNode) -> None:
    async with Client(node, "supervisor") as client:
        for _ in range(3):
            status = await client.call(STATUS, dx.Empty(), dx.Services)
            assert [(one.name, one.status) for one in status.services] == [
                ("edge", dx.Service.STARTED),
                ("worker", dx.Service.FAILED),
            ]


async def test_the_first_id_is_zero_explicit_or_not(node: TwinNode) -> None:
    # as the CLI encodes it: id 0 and stream=false spelled out
    method = STATUS.encode()
    request = b"\x08\x00\x12" + bytes([len(method)]) + method + b"\x20\x00"
    socket = await raw(node, b"\x0a" + bytes([len(request)]) + request, "supervisor")
    answer = dx.RpcMessage.FromString(await asyncio.wait_for(socket.recv(), 10))  # type: ignore[arg-type]
    assert answer.response.id == 0
    assert answer.response.payload.type_url == ".dxos.service.supervisor.Services"
    await socket.close()


async def test_a_text_frame_closes_the_socket(node: TwinNode) -> None:
    assert await closed(await raw(node, "hello"))


async def test_a_truncated_frame_closes_the_socket(node: TwinNode) -> None:
    whole = dx.RpcMessage(request=dx.Request(id=1, method=LIST)).SerializeToString()
    assert await closed(await raw(node, whole[:-3]))


async def test_an_oversize_frame_closes_the_socket_and_the_node_lives(node: TwinNode) -> None:
    assert await closed(await raw(node, b"\x00" * (4 * 1024 * 1024 + 1)))
    async with Client(node, "deploy") as client:
        assert list((await client.call(LIST, dx.Empty(), dx.ListResponse)).modules) == []


async def test_unknown_methods_and_services_are_named(node: TwinNode) -> None:
    async with Client(node, "deploy") as client:
        with pytest.raises(RpcRefused, match=r"has no method 'Unpublish'; it has List, Publish, Reset"):
            await client.call("dxos.service.publisher.Publisher.Unpublish", dx.Empty(), dx.Empty)
        with pytest.raises(RpcRefused, match=r"no service 'a\.B' at this address"):
            await client.call("a.B.C", dx.Empty(), dx.Empty)
        assert list((await client.call(LIST, dx.Empty(), dx.ListResponse)).modules) == []


async def test_open_and_bye_are_answered(node: TwinNode) -> None:
    socket = await raw(node, dx.RpcMessage(open=True).SerializeToString())
    assert dx.RpcMessage.FromString(await socket.recv()).open_ack  # type: ignore[arg-type]
    await socket.send(dx.RpcMessage(bye=dx.Empty()).SerializeToString())
    answer = dx.RpcMessage.FromString(await socket.recv())  # type: ignore[arg-type]
    assert answer.WhichOneof("content") == "bye"
    await socket.close()


async def test_an_unknown_socket_path_is_refused_at_the_upgrade(node: TwinNode) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        await websockets.connect(f"ws://127.0.0.1:{node.port}/.well-known/dx/nothing", open_timeout=5)
    assert caught.value.response.status_code in (403, 404)


async def test_sockets_are_bounded(make_node: NodeMaker) -> None:
    node = await make_node(max_sockets=1)
    async with Client(node, "deploy"):
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"ws://127.0.0.1:{node.port}/.well-known/dx/deploy", open_timeout=5)


async def test_a_stopping_node_says_goodbye(make_node: NodeMaker) -> None:
    node = await make_node()
    socket = await websockets.connect(f"ws://127.0.0.1:{node.port}/.well-known/dx/signal", open_timeout=5)
    closing = asyncio.create_task(closed(socket))
    await node.kube.close()
    assert await closing


async def test_a_failure_inside_is_an_error_and_not_a_traceback(node: TwinNode) -> None:
    async def broken(environment: str) -> None:
        raise RuntimeError("secret detail")

    node.publisher.list_modules = broken  # type: ignore[assignment,method-assign]
    async with Client(node, "deploy") as client:
        with pytest.raises(RpcRefused, match="failed inside the node") as caught:
            await client.call(LIST, dx.Empty(), dx.ListResponse)
        assert "secret" not in str(caught.value)


def test_who_is_local() -> None:
    from dxops.rooms.kube.http import session_of
    from tests.rooms.kube.twins import node_of

    def session(client: str = "127.0.0.1:5", query: str = "", **headers: str) -> Session:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return session_of(node_of(client=client, query_string=query, headers=named), "dev")

    assert session().local
    assert session("[::1]:5").local
    assert not session("192.0.2.1:5").local
    assert not session(origin="http://evil.example").local
    assert not session(x_forwarded_for="192.0.2.1").local
    assert session(authorization="Bearer a").credential == "a"
    assert session(query="token=b&environment=dev").credential == "b"
    assert session(authorization="Basic a").credential is None
