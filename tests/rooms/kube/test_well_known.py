"""The JSON that the console and every app read, and who gets which environment."""

from __future__ import annotations

import httpx
import pytest

from dxops.rooms.kube.http import KubeNode
from tests.rooms.kube.conftest import Client
from tests.rooms.kube.test_publisher import CID, PUBLISH, dx, module, publish
from tests.rooms.kube.twins import TwinNode


async def get(node: TwinNode, path: str, host: str | None = None, method: str = "GET") -> httpx.Response:
    headers = {"host": host or f"127.0.0.1:{node.port}"}
    async with httpx.AsyncClient() as client:
        return await client.request(method, f"http://127.0.0.1:{node.port}/.well-known/dx/{path}", headers=headers)


async def test_status(node: TwinNode) -> None:
    answer = await get(node, "status")
    assert answer.headers["access-control-allow-origin"] == "*"
    edge, worker = answer.json()["services"]
    assert (edge["name"], edge["type"], edge["status"]) == ("edge", "PROCESS", "STARTED")
    assert edge["addresses"] == [f"127.0.0.1:{node.port}"]
    assert (worker["status"], worker["addresses"]) == ("FAILED", [])


async def test_config_by_host_and_on_the_plain_machine(node: TwinNode) -> None:
    by_host = (await get(node, "config", f"kube.dxops.localhost:{node.port}")).json()["runtime"]
    assert by_host["kube"]["host"] == "kube.dxops.localhost"
    assert by_host["services"]["signaling"] == [
        {"server": f"ws://kube.dxops.localhost:{node.port}/.well-known/dx/signal"}
    ]
    plain = (await get(node, "config?environment=staging")).json()["runtime"]
    assert plain["services"]["signaling"] == [
        {"server": f"ws://127.0.0.1:{node.port}/.well-known/dx/signal?environment=staging"}
    ]


async def test_registry(node: TwinNode) -> None:
    async with Client(node, "deploy") as client:
        made = module("example:app/tasks", type="dxos:type/app", display_name="Tasks", tags=["x"], id="i")
        await client.call(PUBLISH, publish(made), dx.PublishResponse)
    (entry,) = (await get(node, "registry")).json()["modules"]
    assert {key: entry[key] for key in ("name", "id", "type", "displayName", "tags", "bundle")} == {
        "name": "example:app/tasks",
        "id": "i",
        "type": "dxos:type/app",
        "displayName": "Tasks",
        "tags": ["x"],
        "bundle": CID,
    }
    assert "env" not in entry["build"]
    assert (await get(node, "registry?environment=prod")).json() == {"modules": []}


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("bot/docker/containers/json?all=true", 501, "runs no bots"),
        ("nothing", 404, "/.well-known/dx/status"),
        ("", 404, "nothing is here"),
        ("deploy", 426, "is an RPC socket"),
        ("status?environment=moon", 404, "no environment 'moon'"),
    ],
)
async def test_other_paths(node: TwinNode, path: str, status: int, said: str) -> None:
    answer = await get(node, path)
    assert answer.status_code == status
    assert said in answer.text
    assert answer.headers["content-type"] == "application/json"


async def test_a_host_s_environment_is_not_overruled(node: TwinNode) -> None:
    answer = await get(node, "config?environment=prod", f"staging.kube.dxops.localhost:{node.port}")
    assert answer.status_code == 400
    assert "belongs to staging" in answer.text


async def test_methods(node: TwinNode) -> None:
    assert (await get(node, "status", method="POST")).status_code == 405
    head = await get(node, "status", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    preflight = await get(node, "status", method="OPTIONS")
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")


def test_what_is_ours() -> None:
    assert KubeNode.handles("/.well-known/dx/status")
    assert KubeNode.handles("/.well-known/dx")
    assert not KubeNode.handles("/.well-known/dxx")
    assert not KubeNode.handles("/.well-known/security.txt")
