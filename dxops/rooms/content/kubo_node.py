"""Kubo RPC: the node itself. It is no member of the IPFS network: no peers, no addresses."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Mapping

from dxops import __version__
from dxops.rooms.content.kubo_call import Call

SPOKEN = "0.22.0"
"""The Kubo whose RPC this follows: clients compare it, so it is not our own version."""

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


async def node_id(call: Call) -> None:
    """A stable peer id; no addresses, since nobody can dial this node."""
    await call.json(
        {
            "ID": await call.content.peer_id(),
            "PublicKey": "",
            "Addresses": [],
            "AgentVersion": f"dxops/{__version__}",
            "ProtocolVersion": "ipfs/0.1.0",
            "Protocols": [],
        }
    )


async def version(call: Call) -> None:
    """`Version` is the Kubo whose RPC this speaks; `Commit` names us."""
    await call.json(
        {
            "Version": SPOKEN,
            "Commit": f"dxops-{__version__}",
            "Repo": "14",
            "System": f"{_MACHINES.get(platform.machine(), platform.machine())}/{platform.system().lower()}",
            "Golang": "",
        }
    )


async def repo_stat(call: Call) -> None:
    """Sizes and number of blocks. `StorageMax` is what is there plus what is free."""
    counted = await call.content.caretaker.count()
    size = {"RepoSize": counted.bytes, "StorageMax": counted.bytes + call.content.free_bytes()}
    if call.query.boolean("size-only"):
        await call.json({**size, "NumObjects": 0, "RepoPath": "", "Version": ""})  # Kubo leaves none of them out
        return
    await call.json({**size, "NumObjects": counted.blocks, "RepoPath": "dxops", "Version": "fs-repo@14"})


async def repo_gc(call: Call) -> None:
    """Collect what nothing needs and is older than the grace period, a line for each block."""
    removed: list[str] = []
    await call.content.caretaker.collect(removed=removed.append)

    async def keys() -> AsyncIterator[Mapping[str, object]]:
        for cid in removed:
            yield {"Key": {"/": cid}}

    await call.put_lines(keys())


async def swarm_peers(call: Call) -> None:
    """None, ever."""
    await call.json({"Peers": []})
