"""A node on memory twins, and a client of its RPC sockets that is as dumb as can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import websockets
from google.protobuf.message import Message

from dxops.engines.postgres.database import Database
from dxops.rooms.kube.config import KubeConfig
from dxops.wire.proto import dx_pb2 as dx
from tests.harness import free_ports
from tests.rooms.kube.twins import TwinNode

NodeMaker = Callable[..., Awaitable[TwinNode]]


@pytest.fixture
async def make_node(database: Database) -> AsyncIterator[NodeMaker]:
    made: list[TwinNode] = []

    async def make(**config: Any) -> TwinNode:
        node = TwinNode(database, free_ports(1)[0], KubeConfig(**config))
        made.append(node)
        await node.start()
        return node

    yield make
    for node in made:
        await node.stop()


@pytest.fixture
async def node(make_node: NodeMaker) -> TwinNode:
    return await make_node()


class RpcRefused(Exception):
    """The answer was an error."""


class Client:
    """One socket. Answers of any call arrive in `responses`, by id."""

    def __init__(self, node: TwinNode, path: str, **options: Any) -> None:
        query = options.pop("query", "")
        self._url = f"ws://127.0.0.1:{node.port}/.well-known/dx/{path}{query}"
        self._options = options
        self._next = 0

    async def __aenter__(self) -> Client:
        self.socket = await websockets.connect(
            self._url, open_timeout=5, close_timeout=1, max_size=None, **self._options
        )
        self.responses: dict[int, asyncio.Queue[dx.Response]] = {}
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await self.socket.close()

    async def _read(self) -> None:
        async for data in self.socket:
            assert isinstance(data, bytes)
            message = dx.RpcMessage.FromString(data)
            assert message.WhichOneof("content") == "response"
            self.responses[message.response.id].put_nowait(message.response)

    async def request(self, method: str, payload: Message, *, stream: bool = False) -> int:
        call = self._next
        self._next += 1
        self.responses[call] = asyncio.Queue()
        request = dx.Request(id=call, method=method, payload=dx.Any(value=payload.SerializeToString()), stream=stream)
        await self.socket.send(dx.RpcMessage(request=request).SerializeToString())
        return call

    async def response(self, call: int, timeout: float = 10) -> dx.Response:
        return await asyncio.wait_for(self.responses[call].get(), timeout)

    async def call(self, method: str, payload: Message, answer: type[Any], timeout: float = 10) -> Any:
        response = await self.response(await self.request(method, payload), timeout)
        if response.WhichOneof("content") == "error":
            raise RpcRefused(response.error.message)
        return answer.FromString(response.payload.value)

    async def item(self, call: int, kind: type[Any]) -> Any:
        response = await self.response(call)
        assert response.WhichOneof("content") == "payload", response
        return kind.FromString(response.payload.value)
