"""One contract for every block store, and what only files can get wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dxops.base.clock import ManualClock
from dxops.base.errors import Refused, Unavailable
from dxops.engines.blocks import files_batch
from dxops.engines.blocks.files import FileBlocks
from dxops.engines.blocks.memory import MemoryBlocks
from dxops.engines.blocks.port import BlockStore, CorruptBlock, MissingBlock
from dxops.engines.blocks.scratch import Scratch
from dxops.wire.cid import DAG_PB, RAW, Cid


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[BlockStore]:
    if request.param == "memory":
        yield MemoryBlocks(clock)
        return
    files = FileBlocks(tmp_path, clock)
    yield files
    files.close()
    assert list((tmp_path / "tmp").glob("*")) == [] if (tmp_path / "tmp").exists() else True


@pytest.fixture
def files(tmp_path: Path, clock: ManualClock) -> Iterator[FileBlocks]:
    made = FileBlocks(tmp_path, clock)
    yield made
    made.close()


def block(text: str) -> tuple[Cid, bytes]:
    return Cid.for_block(text.encode()), text.encode()


def scratch_files(root: Path, name: str = "tmp") -> list[Path]:
    return [path for path in (root / name).rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_block_comes_back(store: BlockStore) -> None:
    cid, data = block("hello")
    assert not store.has(cid)
    store.put_many([(cid, data), block("")])
    assert store.get(cid) == data
    assert store.size(cid) == 5
    assert store.has_many([cid, block("no")[0], block("")[0]]) == [True, False, True]
    assert store.get(block("")[0]) == b""


def test_one_copy_serves_every_cid_of_the_same_bytes(store: BlockStore) -> None:
    data = b"\x0a\x02\x08\x01"
    store.put_many([(Cid.for_block(data, DAG_PB, 0), data)])
    assert store.get(Cid.for_block(data, DAG_PB, 1)) == data
    assert store.get(Cid.for_block(data, RAW)) == data
    assert [(stored.cid, stored.size_bytes) for stored in store.all()] == [(Cid.for_block(data), 4)]


def test_an_absent_block_is_missing(store: BlockStore) -> None:
    with pytest.raises(MissingBlock):
        store.get(block("no")[0])
    with pytest.raises(MissingBlock):
        store.size(block("no")[0])


def test_identity_blocks_are_held_and_never_stored(store: BlockStore) -> None:
    cid = Cid.for_identity(b"inside")
    store.put_many([(cid, b"inside")])
    assert store.has(cid)
    assert store.get(cid) == b"inside"
    assert store.touch_many([cid]) == []
    assert list(store.all()) == []
    assert store.path(cid) is None


def test_a_block_that_does_not_match_is_refused_and_nothing_kept(store: BlockStore) -> None:
    with pytest.raises(Refused, match="do not match"):
        store.put_many([block("good"), (block("a")[0], b"b")], verify=True)
    assert list(store.all()) == []


def test_a_batch_is_visible_after_it_and_discarded_by_an_error(store: BlockStore) -> None:
    with store.batch() as batch:
        batch.put(block("parts")[0], [b"pa", memoryview(b"rt"), bytearray(b"s")])
        batch.commit()
        batch.put(*block("later"))
    assert store.get(block("parts")[0]) == b"parts"
    assert store.has(block("later")[0])

    def fail() -> None:
        with store.batch() as batch:
            batch.put(*block("lost"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not store.has(block("lost")[0])


def test_threads_may_share_a_batch(store: BlockStore) -> None:
    with store.batch() as batch:

        def work() -> None:
            for index in range(200):
                batch.put(*block(f"block {index}"))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(list(store.all())) == 200
    assert all(store.get(block(f"block {index}")[0]) for index in range(200))


def test_collection_spares_what_was_put_or_touched(store: BlockStore, clock: ManualClock) -> None:
    store.put_many([block("old"), block("touched"), block("again")])
    clock.advance(100)
    limit = clock.now().timestamp() - 50
    assert store.touch_many([block("touched")[0], block("absent")[0]]) == [block("absent")[0]]
    store.put_many([block("again")])
    assert store.delete_if_older([block(name)[0] for name in ("old", "touched", "again", "absent")], limit) == 1
    assert store.has_many([block(name)[0] for name in ("old", "touched", "again")]) == [False, True, True]


def test_a_damaged_file_is_never_read_and_heals_by_the_next_put(files: FileBlocks) -> None:
    cid, data = block("precious")
    files.put_many([(cid, data)])
    path = files.path(cid)
    assert path is not None
    path.write_bytes(b"precioux")
    with pytest.raises(CorruptBlock):
        files.get(cid)
    assert not files.has(cid)
    files.put_many([(cid, data)])
    assert files.get(cid) == data


def test_a_truncated_file_is_replaced_by_a_put(files: FileBlocks) -> None:
    cid, data = block("precious")
    files.put_many([(cid, data)])
    path = files.path(cid)
    assert path is not None
    path.write_bytes(b"pre")
    files.put_many([(cid, data)])
    assert files.get(cid) == data


def test_a_put_during_a_collection_keeps_the_block(
    files: FileBlocks, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The put comes at each of the moments at which the collector has decided nothing yet."""
    cid, data = block("raced")
    real_rename, real_unlink = os.rename, os.unlink

    def collect_with(moment: str) -> None:
        files.put_many([(cid, data)])
        clock.advance(1000)
        other = FileBlocks(files.root, clock)
        raced = []

        def put() -> None:
            if not raced:
                raced.append(True)
                other.put_many([(cid, data)])

        def rename(source: str, target: str) -> None:
            if "trash" in str(target) and moment == "before rename":
                put()
            real_rename(source, target)
            if "trash" in str(target) and moment == "after rename":
                put()

        def unlink(path: str) -> None:
            if "trash" in str(path) and moment == "before unlink":
                put()
            real_unlink(path)

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", rename)
            patch.setattr(os, "unlink", unlink)
            files.delete_if_older([cid], clock.now().timestamp() - 10)
        assert raced
        assert files.get(cid) == data, moment
        other.close()

    for moment in ("before rename", "after rename", "before unlink"):
        collect_with(moment)


def test_a_killed_collector_loses_nothing(files: FileBlocks) -> None:
    cid, data = block("in the trash")
    files.put_many([(cid, data)])
    path = files.path(cid)
    assert path is not None
    path.rename(files.root / "trash" / path.name)
    assert files.get(cid) == data
    assert files.size(cid) == len(data)
    again = FileBlocks(files.root)
    again.put_many([block("anything")])
    assert path.exists()
    again.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_is_named_and_leaves_nothing(
    files: FileBlocks, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(descriptor: int, parts: object, size: int) -> None:
        os.write(descriptor, b"half")
        raise OSError(code, os.strerror(code))

    files.put_many([block("before")])
    with monkeypatch.context() as patch:
        patch.setattr(files_batch, "_write_all", fail)
        with pytest.raises(Unavailable) as raised:
            files.put_many([block("never")])
    assert raised.value.code == ("disk_full" if code == errno.ENOSPC else "disk_error")
    assert [stored.cid for stored in files.all()] == [block("before")[0]]
    assert scratch_files(files.root) == []


@pytest.mark.fault
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(mounted)], check=False).returncode:
        pytest.skip("this machine does not allow mounting")
    try:
        files = FileBlocks(mounted)
        files.put_many([block("before")])
        large = [os.urandom(1 << 20) for _ in range(10)]
        with pytest.raises(Unavailable, match="full"):
            files.put_many([(Cid.for_block(data), data) for data in large])
        assert [stored.cid for stored in files.all()] == [block("before")[0]]
        assert scratch_files(mounted) == []
        files.put_many([block("after")])
        files.close()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from dxops.engines.blocks.files import FileBlocks
from dxops.wire.cid import Cid
store = FileBlocks(Path(sys.argv[1]))
store.put_many([(Cid.for_block(b"done"), b"done")])
batch = store.batch()
for index in range(100):
    data = b"%d" % index * 1000
    batch.put(Cid.for_block(data), data)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.fault
def test_a_killed_writer_leaves_whole_blocks_and_its_scratch_is_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, env={**os.environ, "PYTHONPATH": "."})
    assert len(scratch_files(tmp_path)) == 100
    files = FileBlocks(tmp_path)
    files.put_many([block("next")])
    assert {stored.cid for stored in files.all()} == {block("done")[0], block("next")[0]}
    assert len(list((tmp_path / "tmp").glob("*.lock"))) == 1
    assert scratch_files(tmp_path) == []
    files.close()


def test_the_scratch_of_a_live_process_stays(tmp_path: Path) -> None:
    first = Scratch(tmp_path)
    Path(first.new_path()).write_bytes(b"mine")
    second = Scratch(tmp_path)
    assert len(scratch_files(tmp_path.parent, tmp_path.name)) == 1
    first.close()
    second.close()
    assert list(tmp_path.iterdir()) == []
