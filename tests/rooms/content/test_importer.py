"""Local directories into blocks."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from dxops.base.errors import Missing, Refused
from dxops.engines.blocks.files import FileBlocks
from dxops.engines.blocks.memory import MemoryBlocks
from dxops.rooms.content import importer
from dxops.rooms.content.dags import completeness
from dxops.rooms.content.importer import import_path
from dxops.rooms.content.reader import Reader
from dxops.wire.cid import Cid
from dxops.wire.unixfs import V0_2015, V1_256K, V1_2025, Profile
from dxops.wire.unixfs_build import build_file
from dxops.wire.unixfs_tree import TreeBuilder

SMALL = Profile(name="small", cid_version=1, raw_leaves=True, chunk_bytes=1000, max_links=3, shard_bytes=3000)


@pytest.fixture
def blocks() -> MemoryBlocks:
    return MemoryBlocks()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with everything odd in it."""
    root = tmp_path / "source"
    for directory in ("a/b/c", "a/empty", "ünï", ".hidden/inside"):
        (root / directory).mkdir(parents=True)
    (root / "a/b/c/large").write_bytes(random.Random(1).randbytes(30_001))
    (root / "a/b.txt").write_bytes(b"sorts between")
    (root / "void").write_bytes(b"")
    (root / "ünï/😀").write_bytes(b"smile")
    (root / ".hidden/inside/file").write_bytes(b"secret")
    (root / "link").symlink_to("a/b")
    (root / "broken").symlink_to("nowhere")
    (root / "many").mkdir()
    for index in range(200):
        (root / "many" / f"{index}").write_bytes(b"%d" % index)
    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_bytes(b"not utf-8")
    return root


@pytest.mark.parametrize("profile", [V0_2015, V1_256K, V1_2025, SMALL], ids=lambda profile: profile.name)
def test_everything_comes_back(blocks: MemoryBlocks, source: Path, profile: Profile) -> None:
    imported = import_path(blocks, source, profile, hidden=True)
    reader = Reader(blocks)
    root = Cid.parse(imported.cid)
    found = {}
    for entry in reader.tree(root):
        path = source / entry.path
        assert entry.kind == ("symlink" if path.is_symlink() else "directory" if path.is_dir() else "file")
        if entry.kind == "symlink":
            assert entry.target == str(path.readlink())
        elif entry.kind == "file":
            assert b"".join(reader.read(Cid.parse(entry.cid))) == path.read_bytes()
        found[entry.path] = entry
    assert set(found) == {"", *(str(path.relative_to(source)) for path in source.rglob("*"))}
    files = [path for path in source.rglob("*") if path.is_file() and not path.is_symlink()]
    assert imported.files == len(files)
    assert imported.size_bytes == sum(path.stat().st_size for path in files)
    assert completeness(blocks, root).blocks == len(list(blocks.all()))


def test_it_equals_the_tree_builder(blocks: MemoryBlocks, source: Path) -> None:
    tree = TreeBuilder(SMALL)
    for path in source.rglob("*"):
        name = os.fsencode(path.relative_to(source))
        if path.is_symlink():
            tree.add_symlink(name, os.fsencode(path.readlink()))
        elif path.is_dir():
            tree.add_directory(name)
        else:
            tree.add_file(name, build_file(path.read_bytes(), SMALL)[0])
    link = list(tree.finish())[-1].link
    imported = import_path(blocks, source, SMALL, hidden=True)
    assert (imported.cid, imported.dag_bytes) == (str(link.cid), link.tsize)


def test_hidden_entries_and_symlinks_are_the_callers_choice(blocks: MemoryBlocks, source: Path) -> None:
    reader = Reader(blocks)
    (source / "broken").unlink()

    def paths(**options: bool) -> dict[str, str]:
        root = Cid.parse(import_path(blocks, source, V1_256K, **options).cid)
        return {entry.path: entry.kind for entry in reader.tree(root)}

    assert ".hidden" not in paths()
    assert ".hidden/inside/file" in paths(hidden=True)
    assert paths()["link"] == "symlink"
    assert paths(follow_symlinks=True)["link/c/large"] == "file"


def test_a_single_file_and_an_empty_directory(blocks: MemoryBlocks, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello world")
    (tmp_path / "empty").mkdir()
    assert import_path(blocks, tmp_path / "file", V0_2015).cid == "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"
    assert import_path(blocks, tmp_path / "empty", V0_2015).cid == "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"


def test_bad_sources_are_named(blocks: MemoryBlocks, tmp_path: Path) -> None:
    with pytest.raises(Missing, match="nothing-here"):
        import_path(blocks, tmp_path / "nothing-here", V1_256K)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="pipe"):
        import_path(blocks, tmp_path, V1_256K)
    (tmp_path / "pipe").unlink()
    (tmp_path / "loop").symlink_to(".")
    with pytest.raises(Refused, match="into itself"):
        import_path(blocks, tmp_path, V1_256K, follow_symlinks=True)
    (tmp_path / "loop").unlink()
    (tmp_path / "broken").symlink_to("nowhere")
    with pytest.raises(Refused, match="broken"):
        import_path(blocks, tmp_path, V1_256K, follow_symlinks=True)
    assert list(blocks.all()) == []


@pytest.mark.parametrize("size", [5, 30])
def test_a_file_that_changes_is_refused(
    blocks: MemoryBlocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(20))
    real = importer._open

    def open_changed(file: importer.LocalFile) -> int:
        path.write_bytes(bytes(size))
        return real(file)

    monkeypatch.setattr(importer, "_open", open_changed)
    with pytest.raises(Refused, match="log changed"):
        import_path(blocks, tmp_path, V1_256K)
    assert list(blocks.all()) == []


def test_progress_ends_at_the_total(blocks: MemoryBlocks, source: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    size = import_path(blocks, source, SMALL, progress=lambda *step: seen.append(step)).size_bytes
    assert seen[-1] == (size, size, "")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert len(seen) > 3


def test_a_second_import_writes_nothing(source: Path, tmp_path: Path) -> None:
    store = FileBlocks(tmp_path / "store")
    first = import_path(store, source, V1_256K)
    inodes = {path: path.stat().st_ino for path in (tmp_path / "store/blocks").rglob("*")}
    assert import_path(store, source, V1_256K) == first
    assert {path: path.stat().st_ino for path in (tmp_path / "store/blocks").rglob("*")} == inodes
    store.close()


MEMORY = """
import sys
from pathlib import Path
from dxops.engines.blocks.files import FileBlocks
from dxops.rooms.content.importer import import_path
from dxops.wire.unixfs import PROFILES
store = FileBlocks(Path(sys.argv[2]))
import_path(store, sys.argv[1], PROFILES[sys.argv[3]])
store.close()
# VmHWM, not getrusage: that one starts at the size of the process that forked us
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.parametrize("profile", ["v0-2015", "v1-2025"])
def test_memory_does_not_grow_with_the_content(tmp_path: Path, profile: str) -> None:
    (tmp_path / "source").mkdir()
    with (tmp_path / "source/sparse").open("wb") as file:
        file.truncate(400_000_000)
    for index in range(3000):
        (tmp_path / f"source/{index}").write_bytes(b"%d" % index)
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "source"), str(tmp_path / "store"), profile]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})
    assert int(done.stdout) < 200
