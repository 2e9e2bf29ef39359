"""Tunnels: the wish in PostgreSQL, the command that makes it true."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from dxops.app.settings import Settings
from dxops.base.config import parse_config
from dxops.base.errors import ConfigFaults
from dxops.wire.proto import dx_pb2 as dx
from tests.rooms.kube.conftest import Client, NodeMaker, RpcRefused
from tests.rooms.kube.test_publisher import PUBLISH, module, publish
from tests.rooms.kube.twins import TwinNode

SET = "dxos.service.tunnel.Tunnel.Tunnel"
LIST = "dxos.service.tunnel.Tunnel.ListTunnels"

# prints what a tunnel prints, appends its pid to a file, and stays
PROGRAM = """
import os, sys, time
open(sys.argv[2], "a").write(f"{os.getpid()}\\n")
print("starting", flush=True)
print("x" * 20000, flush=True)
print(f"INF your url is https://{os.getpid()}.example.org/{sys.argv[1]} now", flush=True)
time.sleep(1000)
"""


async def wait_for(check: Callable[[], Any], timeout_s: float = 15) -> Any:
    async def poll() -> Any:
        while not (value := check()):
            await asyncio.sleep(0.05)
        return value

    return await asyncio.wait_for(poll(), timeout_s)


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


async def tunnels(client: Client) -> list[tuple[str, bool, str]]:
    answer = await client.call(LIST, dx.Empty(), dx.ListTunnelsResponse)
    return [(one.name, one.enabled, one.url) for one in answer.tunnels]


async def published(node: TwinNode, **fields: Any) -> dx.PublishResponse:
    async with Client(node, "deploy") as client:
        answer = await client.call(PUBLISH, publish(module("example:app/tasks", **fields)), dx.PublishResponse)
        assert isinstance(answer, dx.PublishResponse)
        return answer


async def test_the_wish_is_kept_without_a_command(make_node: NodeMaker) -> None:
    node = await make_node()
    await published(node, tunnel=True)
    async with Client(node, "tunnel") as client:
        assert await tunnels(client) == [("example:app/tasks", True, "")]
        answer = await client.call(SET, dx.TunnelRequest(name="tasks", enabled=False), dx.TunnelResponse)
        assert (answer.name, answer.enabled) == ("example:app/tasks", False)
    assert node.audit.actions == [
        ("ci", "tunnel.enabled", "tasks@dev"),
        ("dx on this machine", "tunnel.disabled", "tasks@dev"),
    ]
    restarted = await make_node()
    restarted.publisher.live = node.publisher.live
    async with Client(restarted, "tunnel") as client:
        assert await tunnels(client) == [("example:app/tasks", False, "")]


async def test_an_app_that_is_not_there(node: TwinNode) -> None:
    async with Client(node, "tunnel") as client:
        with pytest.raises(RpcRefused, match=r"no app 'nope' in dev \(publish it first; published are: none yet\)"):
            await client.call(SET, dx.TunnelRequest(name="nope", enabled=True), dx.TunnelResponse)


@pytest.mark.parametrize(
    "options", [{"origin": "http://x.example"}, {"additional_headers": {"X-Real-IP": "192.0.2.1"}}]
)
async def test_only_this_machine_may_set_one(node: TwinNode, options: dict[str, Any]) -> None:
    await published(node)
    async with Client(node, "tunnel", **options) as client:
        with pytest.raises(RpcRefused, match="only be set from the node's own machine"):
            await client.call(SET, dx.TunnelRequest(name="tasks", enabled=True), dx.TunnelResponse)
        assert await tunnels(client) == []
    async with Client(node, "tunnel", query="?token=good", **options) as client:
        assert (await client.call(SET, dx.TunnelRequest(name="tasks", enabled=True), dx.TunnelResponse)).enabled


@pytest.mark.fault
async def test_a_command_gives_the_url_is_restarted_and_ends_with_the_tunnel(
    make_node: NodeMaker, tmp_path: Path
) -> None:
    log = tmp_path / "pids"
    node = await make_node(tunnel_command=(sys.executable, "-c", PROGRAM, "{app}-{environment}", str(log)))
    answer = await published(node, tunnel=True)
    (first,) = pids(log)
    url = f"https://{first}.example.org/tasks-dev"
    assert answer.modules[0].urls[-1] == url
    async with Client(node, "tunnel") as client:
        assert await tunnels(client) == [("example:app/tasks", True, url)]
        psutil.Process(first).kill()
        second = (await wait_for(lambda: pids(log)[1:]))[0]
        again = await client.call(SET, dx.TunnelRequest(name="tasks", enabled=True), dx.TunnelResponse)
        assert again.url == f"https://{second}.example.org/tasks-dev"
        await client.call(SET, dx.TunnelRequest(name="tasks", enabled=False), dx.TunnelResponse)
        await wait_for(lambda: not psutil.pid_exists(second))
        assert await tunnels(client) == [("example:app/tasks", False, "")]


@pytest.mark.fault
async def test_commands_end_with_the_node(make_node: NodeMaker, tmp_path: Path) -> None:
    log = tmp_path / "pids"
    node = await make_node(tunnel_command=(sys.executable, "-c", PROGRAM, "{app}", str(log)))
    await published(node, tunnel=True)
    (pid,) = pids(log)
    await node.stop()
    await wait_for(lambda: not psutil.pid_exists(pid))


@pytest.mark.fault
async def test_a_command_dies_with_a_killed_node(tmp_path: Path) -> None:
    from dxops.rooms.kube.tunnel_runner import _TETHER

    log = tmp_path / "pids"
    tether = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(_TETHER), sys.executable, "-c", PROGRAM, "x", str(log),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    (pid,) = await wait_for(lambda: pids(log))
    assert tether.stdin is not None
    tether.stdin.close()  # what the kernel does for a process that was killed
    assert await asyncio.wait_for(tether.wait(), 10) == 143
    assert not psutil.pid_exists(pid)


async def test_a_command_that_cannot_run_is_no_reason_to_refuse_a_publish(make_node: NodeMaker) -> None:
    node = await make_node(tunnel_command=("/no/such/program",), tunnel_wait_s=0.3)
    answer = await published(node, tunnel=True)
    assert len(answer.modules[0].urls) == 2


def test_settings_are_checked() -> None:
    text = """
[kube]
tunnel_command = ["run", "{shell}"]
tunnel_output_re = "("
administrators = ["zz"]
"""
    with pytest.raises(ConfigFaults) as caught:
        parse_config(text, Settings)
    said = "\n".join(str(fault) for fault in caught.value.faults)
    assert "unknown field {shell}; there are app, environment, host, url" in said
    assert "line 4: kube.tunnel_output_re: not a regular expression" in said
    assert "is not an identity key" in said
