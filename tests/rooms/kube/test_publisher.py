"""Publish, List and Reset: who may, what goes through, what a refusal leaves."""

from __future__ import annotations

from typing import Any

import pytest

from dxops.wire.dxrpc_modules import cid_bytes
from dxops.wire.proto import dx_pb2 as dx
from tests.rooms.kube.conftest import Client, NodeMaker, RpcRefused
from tests.rooms.kube.twins import TwinNode

PUBLISH = "dxos.service.publisher.Publisher.Publish"
LIST = "dxos.service.publisher.Publisher.List"
RESET = "dxos.service.publisher.Publisher.Reset"
CID = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
OTHER = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


def module(name: str = "app", cid: str = CID, version: str = "1.0.0", **fields: Any) -> dx.Module:
    made = dx.Module(name=name, bundle=cid_bytes(cid), **fields)
    made.build.version = version
    made.build.env.update({"KEY": "private"})
    return made


def publish(*modules: dx.Module, token: str | None = "good", skip: bool = False) -> dx.PublishRequest:
    return dx.PublishRequest(package=dx.Package(modules=modules), skip_existing=skip, access_token=token)


async def test_publish_and_list(node: TwinNode) -> None:
    async with Client(node, "deploy") as client:
        answer = await client.call(
            PUBLISH, publish(module(), module("example:app/tasks", OTHER, display_name="Tasks")), dx.PublishResponse
        )
        assert [one.module.name for one in answer.modules] == ["app", "example:app/tasks"]
        assert answer.modules[0].urls[0] == "http://app.dev.dxops.localhost:8080"
        assert answer.modules[0].module.build.env["KEY"] == "private"
        listed = (await client.call(LIST, dx.Empty(), dx.ListResponse)).modules
        assert [(one.name, one.bundle) for one in listed] == [
            ("app", cid_bytes(CID)),
            ("example:app/tasks", cid_bytes(OTHER)),
        ]
        assert listed[1].display_name == "Tasks"
        assert not listed[0].build.HasField("env")  # everyone may list


async def test_a_skipped_module_comes_back_as_stored(node: TwinNode) -> None:
    async with Client(node, "deploy") as client:
        await client.call(PUBLISH, publish(module()), dx.PublishResponse)
        answer = await client.call(PUBLISH, publish(module(cid=OTHER), skip=True), dx.PublishResponse)
        assert answer.modules[0].module.bundle == cid_bytes(CID)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, r"Publish on dev needs an access token \(pass --accessToken=TOKEN"),
        ("wrong", "the access token is not accepted"),
        ("read", "reader may not publish"),
    ],
)
async def test_a_refused_caller_changes_nothing_and_its_upload_is_given_up(
    node: TwinNode, token: str | None, said: str
) -> None:
    async with Client(node, "deploy") as client:
        with pytest.raises(RpcRefused, match=said):
            await client.call(PUBLISH, publish(module(), token=token), dx.PublishResponse)
    assert node.publisher.live == {}
    assert node.content.abandoned == [CID]


async def test_a_stranger_cannot_end_others_uploads(node: TwinNode) -> None:
    headers = {"X-Forwarded-For": "192.0.2.7"}
    async with Client(node, "deploy", additional_headers=headers) as client:
        with pytest.raises(RpcRefused, match="needs an access token"):
            await client.call(PUBLISH, publish(module(), token=None), dx.PublishResponse)
    assert node.content.abandoned == []


async def test_a_token_of_one_environment(node: TwinNode) -> None:
    async with Client(node, "deploy") as client:
        await client.call(PUBLISH, publish(module(), token="dev-only"), dx.PublishResponse)
    async with Client(node, "deploy", query="?environment=prod") as client:
        with pytest.raises(RpcRefused, match="may not publish prod"):
            await client.call(PUBLISH, publish(module(), token="dev-only"), dx.PublishResponse)
    assert list(node.publisher.live) == [("dev", "app")]


async def test_a_refusal_by_delivery_reaches_the_caller(node: TwinNode) -> None:
    node.publisher.absent.add(OTHER)
    async with Client(node, "deploy") as client:
        with pytest.raises(RpcRefused, match=r"content of 'b' is not complete \(upload it again\)"):
            await client.call(PUBLISH, publish(module("a"), module("b", OTHER)), dx.PublishResponse)
    assert node.publisher.live == {}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (publish(), "no modules in the package"),
        (publish(dx.Module(name="a")), "'a' has no bundle"),
        (publish(dx.Module(name="a", bundle=b"nonsense")), "is not a CID"),
    ],
)
async def test_bad_packages(node: TwinNode, request_: dx.PublishRequest, said: str) -> None:
    async with Client(node, "deploy") as client:
        with pytest.raises(RpcRefused, match=said):
            await client.call(PUBLISH, request_, dx.PublishResponse)


async def test_reset_needs_the_socket_s_token(node: TwinNode) -> None:
    async with Client(node, "deploy") as client:
        await client.call(PUBLISH, publish(module(), module("b")), dx.PublishResponse)
        with pytest.raises(RpcRefused, match=r"Reset on dev needs an access token \(add \?token="):
            await client.call(RESET, dx.Empty(), dx.ResetResponse)
    assert len(node.publisher.live) == 2
    async with Client(node, "deploy", query="?token=good") as client:
        assert (await client.call(RESET, dx.Empty(), dx.ResetResponse)).count == 2
    async with Client(node, "deploy", additional_headers={"Authorization": "Bearer good"}) as client:
        assert (await client.call(RESET, dx.Empty(), dx.ResetResponse)).count == 0
    assert node.publisher.live == {}


async def test_without_tokens_web_pages_are_still_refused(make_node: NodeMaker) -> None:
    node = await make_node(require_token=False)
    async with Client(node, "deploy") as client:
        await client.call(PUBLISH, publish(module(), token=None), dx.PublishResponse)
    assert node.publisher.actors[0].name == "dx without a token"
    async with Client(node, "deploy", origin="http://evil.example") as client:
        with pytest.raises(RpcRefused, match="a web page may not publish"):
            await client.call(PUBLISH, publish(module("evil"), token=None), dx.PublishResponse)
    assert list(node.publisher.live) == [("dev", "app")]
