"""A release that lacks any one of its blocks goes live nowhere: not by promoting it, not by rolling back to it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dxops.app.data import DataDirectory
from dxops.app.house import House
from dxops.app.settings import Settings
from dxops.base.actors import SYSTEM
from dxops.base.errors import Refused
from dxops.engines.postgres.config import PostgresConfig
from dxops.rooms.content.dags import walk
from dxops.rooms.delivery.model import Outcome, Release
from dxops.rooms.origin.manifest import load_manifest
from dxops.wire.cid import Cid

pytestmark = pytest.mark.fault


def write_app(place: Path, number: int) -> Path:
    """Text that is compressed, text so long that its variants are several blocks, a file of several blocks."""
    chance = random.Random(number)
    (place / "deep").mkdir(parents=True)
    (place / "index.html").write_text(f"<p>{number}</p>" * 300)
    (place / "deep" / "long.txt").write_text(" ".join(f"{chance.getrandbits(64):x}" for _ in range(60_000)))
    (place / "blob.bin").write_bytes(chance.randbytes(600_000))
    return place


async def publish(house: House, place: Path, number: int) -> Release:
    imported = await house.import_directory(write_app(place / str(number), number))
    return (await house.delivery.create_release(SYSTEM, "app", "dev", imported.cid, version=str(number))).release


async def test_every_single_missing_block_is_a_refusal(database_url: str, tmp_path: Path) -> None:
    data = DataDirectory.choose(tmp_path / "data", None)
    data.prepare()
    house = House(data, Settings(postgres=PostgresConfig(url=database_url)))
    try:
        old = await publish(house, tmp_path, 1)
        await house.delivery.promote(SYSTEM, "app", "dev", "staging")
        new = await publish(house, tmp_path, 2)
        blocks = house.content.blocks
        manifest = await load_manifest(house.content, old.manifest)
        variants = [variant.cid for file in manifest.files.values() for variant in file.variants]
        needed = {cid for cid, _ in walk(blocks, Cid.parse(old.manifest))}
        chunks = {cid for variant in variants for cid, _ in walk(blocks, Cid.parse(variant))}
        assert chunks < needed
        assert len(chunks) > len(variants)  # some variants are more than a block
        assert Cid.parse(old.cid) in needed
        for cid in sorted(needed):
            path = blocks.path(cid)
            assert path
            aside = path.rename(tmp_path / "aside")
            with pytest.raises(Refused, match=str(cid)) as refused:
                await house.delivery.rollback(SYSTEM, "app", "dev", old.id)
            assert refused.value.code == "release_incomplete"
            with pytest.raises(Refused, match=str(cid)):
                await house.delivery.promote(SYSTEM, "app", "staging", "prod")
            aside.rename(path)
        assert (await house.delivery.timeline("app")).items[0].outcome is Outcome.REFUSED
        assert {key: site.release_id for key, site in (await house.delivery.table()).sites.items()}[
            "app", "dev"
        ] == new.id
        assert (await house.delivery.rollback(SYSTEM, "app", "dev", old.id)).live
        assert (await house.delivery.promote(SYSTEM, "app", "staging", "prod")).live
    finally:
        await house.close()
