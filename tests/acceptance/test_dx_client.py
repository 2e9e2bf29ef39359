"""`@dxos/client` and `dx kube auth` against the kube room, inside a network of their own."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.nest import JS, Dx, Nest, nest, npm_tree

ROOT = Path(__file__).parents[2]
BASE = "ws://127.0.0.1:8080/.well-known/dx"

pytestmark = pytest.mark.client


@contextmanager
def node_in(inside: Nest, database_url: str, **config: object) -> Iterator[None]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-m", "tests.rooms.kube.twins", database_url, "8080", json.dumps(config))
    with inside.start(*command, env=env):
        yield


@pytest.fixture
def inside(database_url: str) -> Iterator[Nest]:
    if "@127.0.0.1" in database_url or "@localhost" in database_url:
        pytest.skip("the database is not reachable from a network of its own; the embedded one is")
    with nest() as made:
        yield made


def test_two_headless_clients_meet(inside: Nest, database_url: str) -> None:
    tree = npm_tree("dx-0.1.53")
    with node_in(inside, database_url):
        done = inside.run(
            "node", "--require", str(JS / "fs-ext-shim.cjs"), str(JS / "meet.cjs"), str(tree), f"{BASE}/signal"
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {"same": True, "members": ["guest", "host"], "swarmEvents": ["peerAvailable", "peerLeft"]}


def test_kube_auth_hands_a_token_to_an_administrator_only(inside: Nest, database_url: str, tmp_path: Path) -> None:
    services = {
        "supervisor": {"server": f"{BASE}/supervisor"},
        "signaling": [{"server": f"{BASE}/signal"}],
        "ipfs": {"server": "http://127.0.0.1:5001"},
    }
    dx = Dx(inside, "0.1.53", tmp_path, services)
    with node_in(inside, database_url):
        made = dx.run("halo", "create", "Alice", "--no-agent")
        assert made.returncode == 0, made.stdout + made.stderr
        shown = dx.run("halo", "--no-agent")
        found = re.search(r"Identity key: ([0-9a-f]{130})", shown.stdout + shown.stderr)
        assert found is not None, shown.stdout + shown.stderr
        identity = found[1]
        refused = dx.run("kube", "auth", "--no-agent")
        assert refused.returncode == 2
        said = " ".join((refused.stdout + refused.stderr).split())
        assert "is not an administrator of this node" in said
        assert "kube.administrators" in said
    with node_in(inside, database_url, administrators=[identity]):
        done = dx.run("kube", "auth", "--no-agent")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Writing KUBE access credential" in done.stdout
        assert "Authenticated with session token: dxo_issued_1" in done.stdout
        again = dx.run("kube", "auth", "--no-agent")  # the credential is kept: the token comes at once
        assert "KUBE access credentials found" in again.stdout
        assert "Authenticated with session token dxo_issued_2" in again.stdout


def test_presentations_of_the_library_verify_and_ours_verify_there(inside: Nest) -> None:
    """Without a CLI around it: both directions of the canonical form."""
    import base64
    from datetime import UTC, datetime

    from cryptography.hazmat.primitives.asymmetric import ec

    from dxops.wire.dxrpc_credentials import access_credential, public_key_of, verify_presentation
    from dxops.wire.proto import dx_pb2 as wire

    key = ec.generate_private_key(ec.SECP256R1())
    identity = bytes.fromhex("04" + "11" * 64)
    credential = access_credential(key, identity, datetime.now(UTC))
    request = {"nonce": "aabb", "access": base64.b64encode(credential.SerializeToString()).decode()}
    script = f"echo '{json.dumps(request)}' | node {JS / 'present.cjs'} {npm_tree('dx-0.1.53')}"
    done = inside.run("bash", "-c", script)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["accessVerified"] == "pass"
    presentation = wire.Presentation.FromString(base64.b64decode(answer["presentation"]))
    presented = verify_presentation(presentation, nonce=b"\xaa\xbb", kube_key=public_key_of(key), now=datetime.now(UTC))
    assert presented.identity_key.hex() == answer["identity"]
    assert not presented.has_access  # that credential is another identity's
