"""CIDs and CARs against the JS `ipfs-unixfs-importer` 17 and `ipfs-car` 3."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from dxops.engines.blocks.memory import MemoryBlocks
from dxops.rooms.content.dags import completeness, walk
from dxops.rooms.content.importer import import_path
from dxops.rooms.content.reader import Reader
from dxops.rooms.content.upload import prepare_upload
from dxops.wire import dagpb
from dxops.wire.car import CarDecoder
from dxops.wire.cid import DAG_PB, Cid
from dxops.wire.unixfs import PROFILES, SYMLINK, V1_256K, V1_2025, Data, encode_data
from dxops.wire.unixfs_build import build_symlink
from tests.acceptance.nest import JS, npm_tree

pytestmark = pytest.mark.client


def odd(root: Path) -> None:
    for directory in ("empty", "a/empty/deeper", "ünï/日本", ".dot/inside"):
        (root / directory).mkdir(parents=True)
    (root / "void").write_bytes(b"")
    (root / "ünï/日本/😀 %2C\n").write_bytes(b"smile")
    (root / ".dot/inside/.file").write_bytes(b"hidden")
    (root / "a.b").write_bytes(b"sorts before a/")
    chance = random.Random(5)
    for size in (262143, 262144, 262145, 1048576, 1048577, 3_000_000):
        (root / "a" / str(size)).write_bytes(chance.randbytes(size))
    with (root / "over-a-node").open("wb") as file:
        file.truncate(174 * 262144 + 1)


def sharded(root: Path) -> None:
    for index in range(6000):
        (root / f"file-{index:05}.txt").write_bytes(b"%d" % index)


def edge(extra: int, cid_bytes: int) -> list[str]:
    """Names whose links-bytes are 262144 + `extra`, with binary CIDs of `cid_bytes`."""
    count, rest = divmod(262144 + extra, 128)
    names = [f"{index:08}".ljust(128 - cid_bytes, "x") for index in range(count)]
    if rest:
        names[-1] += "y" * rest
    return names


@pytest.fixture(scope="module")
def modules() -> Path:
    return npm_tree("ipfs-import")


def javascript(modules: Path, source: Path) -> dict[str, str]:
    command = ["node", str(JS / "import_tree.mjs"), str(source)]
    done = subprocess.run(command, cwd=modules.parent, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def ours(source: Path) -> dict[str, str]:
    return {name: import_path(MemoryBlocks(), source, profile, hidden=True).cid for name, profile in PROFILES.items()}


@pytest.mark.parametrize("make", [odd, sharded])
def test_the_same_cids(modules: Path, tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path)
    theirs = javascript(modules, tmp_path)
    theirs.pop("symlink")
    assert ours(tmp_path) == theirs


def test_a_symlink_differs_from_javascript_by_the_file_size_only(modules: Path, tmp_path: Path) -> None:
    """Kubo writes no `filesize` into symlinks, the JS library does. Ours are Kubo's."""
    target = "a/ü".encode()
    with_size = encode_data(Data(type=SYMLINK, data=target, filesize=len(target)))
    theirs = Cid.for_block(dagpb.encode(dagpb.PBNode((), with_size)), DAG_PB)
    assert javascript(modules, tmp_path)["symlink"] == str(theirs)
    _, (_, block) = build_symlink(target, V1_256K)
    assert dagpb.decode(block).data == encode_data(Data(type=SYMLINK, data=target))


@pytest.mark.parametrize("extra", [-1, 0, 1])
@pytest.mark.parametrize("cid_bytes", [34, 36])
def test_the_same_boundary_of_sharding(modules: Path, tmp_path: Path, extra: int, cid_bytes: int) -> None:
    for name in edge(extra, cid_bytes):
        (tmp_path / name).write_bytes(b"")
    theirs = javascript(modules, tmp_path)
    theirs.pop("symlink")
    assert ours(tmp_path) == theirs


def test_ipfs_car_unpacks_ours(modules: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    odd(source)
    upload = prepare_upload(source, V1_256K, hidden=True)
    (tmp_path / "ours.car").write_bytes(b"".join(upload.car(upload.cids)))
    ipfs_car(modules, "unpack", str(tmp_path / "ours.car"), "--output", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(source)


def test_we_read_what_ipfs_car_packs(modules: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(random.Random(6).randbytes(3_000_001))
    (source / "ünï").mkdir()
    (source / "ünï" / "😀").write_bytes(b"smile")
    ipfs_car(modules, "pack", str(source), "--output", str(tmp_path / "theirs.car"))
    store, decoder = MemoryBlocks(), CarDecoder()
    with (tmp_path / "theirs.car").open("rb") as file:
        while data := file.read(10_000):
            store.put_many(decoder.feed(data))
    (root,) = decoder.finish()
    assert completeness(store, root).ok
    assert str(root) == import_path(store, source, V1_2025).cid
    assert len(list(walk(store, root))) == len(list(store.all()))
    reader = Reader(store)
    found = {
        entry.path: b"".join(reader.read(Cid.parse(entry.cid))) for entry in reader.tree(root) if entry.kind == "file"
    }
    assert found == {path: data for path, data in contents(source).items() if data is not None}


def ipfs_car(modules: Path, *arguments: str) -> None:
    command = ["node", str(modules / "ipfs-car/bin.js"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def contents(root: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}
