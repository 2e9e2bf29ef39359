"""Two-pass uploads."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dxops.base.errors import Refused
from dxops.engines.blocks.memory import MemoryBlocks
from dxops.rooms.content.dags import completeness
from dxops.rooms.content.importer import import_path
from dxops.rooms.content.upload import prepare_upload
from dxops.wire.car import CarDecoder
from dxops.wire.cid import Cid
from dxops.wire.unixfs import V0_2015, V1_256K, Profile


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "a/empty").mkdir(parents=True)
    (tmp_path / "a/large").write_bytes(random.Random(1).randbytes(600_000))
    (tmp_path / "a/same").write_bytes(random.Random(1).randbytes(600_000))
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "c").symlink_to("a")
    return tmp_path


def receive(store: MemoryBlocks, pieces: list[bytes]) -> tuple[Cid, ...]:
    decoder = CarDecoder()
    for piece in pieces:
        store.put_many(decoder.feed(piece))
    return decoder.finish()


@pytest.mark.parametrize("profile", [V0_2015, V1_256K], ids=lambda profile: profile.name)
def test_only_what_is_missing_is_sent(source: Path, profile: Profile) -> None:
    server = MemoryBlocks()
    first = prepare_upload(source, profile)
    assert str(first.root) == import_path(MemoryBlocks(), source, profile).cid
    assert first.cids[-1] == first.root
    pieces = list(first.car(first.cids))
    assert sum(map(len, pieces)) == first.car_bytes(first.cids)
    assert receive(server, pieces) == (first.root,)
    assert completeness(server, first.root).ok

    (source / "b").write_bytes(b"new")
    second = prepare_upload(source, profile)
    missing = [cid for cid in second.cids if not server.has(cid)]
    assert len(missing) == 2
    receive(server, list(second.car(missing)))
    assert completeness(server, second.root).ok


@pytest.mark.parametrize("change", ["other bytes", "shorter", "gone"])
def test_a_file_that_changed_between_the_passes_is_named(source: Path, change: str) -> None:
    upload = prepare_upload(source, V1_256K)
    for name in ("large", "same"):
        path = source / "a" / name
        if change == "gone":
            path.unlink()
        else:
            path.write_bytes(bytes(600_000) if change == "other bytes" else b"short")
    with pytest.raises(Refused, match=r"/a/.* changed while"):
        list(upload.car(upload.cids))


def test_a_server_cannot_ask_for_other_blocks(source: Path) -> None:
    with pytest.raises(Refused, match="not part"):
        list(prepare_upload(source, V1_256K).car([Cid.for_block(b"/etc/passwd")]))
