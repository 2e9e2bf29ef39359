"""Files that rotted, were cut, swapped, or made by somebody who means harm."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dxops.base.errors import Unavailable
from dxops.engines.spool import Consumer, Spool, read_stats, this_machine
from dxops.engines.spool.frames import (
    FRAME_BYTES,
    SEGMENT_BYTES,
    SegmentHead,
    decode_frame_head,
    decode_segment_head,
    encode_frame_head,
    encode_segment_head,
    segment_base,
    segment_key,
    segment_name,
)
from tests.engines.spool.driving import KeepingSink, limits, loading

SIZE = FRAME_BYTES + 100


async def filled(root: str, count: int = 10, segment_bytes: int = 1 << 20) -> list[Path]:
    """A spool with frames of one record of 100 bytes each; its segments."""
    spool = await Spool.open(root, limits(segment_bytes=segment_bytes))
    for number in range(count):
        await spool.append("logs", [b"%0100d" % number], records=1)
    await spool.close()
    return sorted(Path(root, "logs").glob("*.seg"))


async def loaded(root: str, last: int) -> list[int]:
    """The numbers in the records that come out once record `last` has passed."""
    spool, sink = await Spool.open(root), KeepingSink()
    async with loading(root, sink), asyncio.timeout(20):
        await spool.append("logs", [b"%0100d" % 999], records=1)
        await spool.loaded("logs", last)
        while not any(int(line) == 999 for _, line in sink.rows):
            await spool.loaded("logs", await spool.append("logs", [b"%0100d" % 999], records=1))
    await spool.close()
    return [int(line) for _, line in sink.rows if int(line) != 999]


def damage(path: Path, offset: int, data: bytes = b"\xff\xff") -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("where", [0, 30, 41, FRAME_BYTES + 50], ids=["magic", "length", "header crc", "payload"])
async def test_a_rotten_frame_in_the_middle_costs_only_itself(tmp_path: Path, where: int) -> None:
    root = str(tmp_path / "spool")
    (segment,) = await filled(root)
    damage(segment, SEGMENT_BYTES + 4 * SIZE + where)
    assert await loaded(root, 9) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    (aside,) = (tmp_path / "spool" / "logs" / "damaged").iterdir()
    assert len(aside.read_bytes()) == SIZE
    (stream,) = await read_stats(this_machine(), root)
    assert stream.consumers[0].lost == 1


async def test_a_rotten_frame_in_a_sealed_segment_costs_only_itself(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    segments = await filled(root, 20, segment_bytes=1000)
    assert len(segments) > 2
    damage(segments[0], SEGMENT_BYTES + SIZE + 60)
    assert await loaded(root, 19) == [0, *range(2, 20)]


async def test_a_rotten_segment_header_costs_nothing(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    segments = await filled(root, 20, segment_bytes=1000)
    for segment in segments:
        damage(segment, 20)
    assert await loaded(root, 19) == list(range(20))


async def test_a_torn_tail_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    (segment,) = await filled(root)
    with segment.open("ab") as file:
        file.write(segment.read_bytes()[SEGMENT_BYTES : SEGMENT_BYTES + SIZE - 1])
    assert await loaded(root, 9) == list(range(10))
    assert not (tmp_path / "spool" / "logs" / "damaged").exists()


async def test_an_acknowledged_tail_that_rotted_is_put_aside_and_its_numbers_stay_used(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    (segment,) = await filled(root)
    damage(segment, SEGMENT_BYTES + 9 * SIZE + 60)
    spool = await Spool.open(root)
    assert await spool.append("logs", [b"%0100d" % 999], records=1) == 10
    await spool.close()
    (aside,) = (tmp_path / "spool" / "logs" / "damaged").iterdir()
    assert len(aside.read_bytes()) == SIZE
    assert await loaded(root, 10) == list(range(9))


async def test_a_lost_mark_loses_nothing(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    await filled(root, 20, segment_bytes=1000)
    (tmp_path / "spool" / "logs" / "mark").unlink()
    assert await loaded(root, 19) == list(range(20))


async def test_a_lost_id_is_found_in_the_segments(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    await filled(root)
    before = (tmp_path / "spool" / "id").read_bytes()
    (tmp_path / "spool" / "id").write_bytes(b"rotten")
    assert await loaded(root, 9) == list(range(10))
    assert (tmp_path / "spool" / "id").read_bytes() == before


async def test_a_rotten_consumer_is_not_guessed_at(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    await filled(root)
    assert await loaded(root, 9) == list(range(10))
    place = tmp_path / "spool" / "logs" / "consumers" / "store"
    place.write_bytes(bytes(1024))
    with pytest.raises(Unavailable, match="cannot be read"):
        await Consumer.open(this_machine(), root, "logs", "store")
    place.unlink()
    consumer = await Consumer.open(this_machine(), root, "logs", "store")
    assert consumer.state.position.seq == 0
    await consumer.close()


async def test_a_segment_that_somebody_deleted_is_told_and_passed(tmp_path: Path) -> None:
    root = str(tmp_path / "spool")
    segments = await filled(root, 20, segment_bytes=1000)
    base, following = (segment_base(segment.name) for segment in segments[1:3])
    segments[1].unlink()
    found = await loaded(root, 19)
    assert found == [number for number in range(20) if not base <= number < following]
    (stream,) = await read_stats(this_machine(), root)
    assert stream.consumers[0].lost == following - base


async def test_a_frame_inside_a_payload_is_not_taken_for_one(tmp_path: Path) -> None:
    """A client knows the format, but not the spool's id."""
    root = str(tmp_path / "spool")
    key = segment_key("0" * 32, "logs", 0)
    forged = encode_frame_head(
        key, seq=1, records=1, length=1, crc=0, tenant=b"somebody else", kind=0, flags=0, received_at_ms=1
    )
    spool = await Spool.open(root)
    await spool.append("logs", [(forged + b"x") * 100], records=1)
    await spool.append("logs", [b"%0100d" % 5], records=1)
    await spool.close()
    damage(Path(root, "logs", segment_name(0)), SEGMENT_BYTES + 5)
    assert await loaded(root, 1) == [5]


# --- anything at all ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.integers(0, 50))
def test_decoders_take_any_bytes(data: bytes, offset: int) -> None:
    decode_segment_head(data)
    decode_frame_head(segment_key("a", "b", 0), data, offset)
    segment_base(data.decode("latin-1"))


@given(
    seq=st.integers(0, 2**63),
    records=st.integers(1, 2**32 - 1),
    length=st.integers(0, 2**31),
    tenant=st.text("abc-/é", max_size=40),
    kind=st.integers(0, 255),
    flips=st.lists(st.integers(0, 8 * FRAME_BYTES - 1), max_size=3, unique=True),
)
def test_frame_headers_round_trip_and_every_flip_is_seen(
    seq: int, records: int, length: int, tenant: str, kind: int, flips: list[int]
) -> None:
    key = segment_key("id", "logs", seq)
    data = bytearray(
        encode_frame_head(
            key,
            seq=seq,
            records=records,
            length=length,
            crc=1,
            tenant=tenant.encode(),
            kind=kind,
            flags=0,
            received_at_ms=5,
        )
    )
    head = decode_frame_head(key, bytes(data))
    assert head is not None
    assert (head.seq, head.records, head.length, head.tenant, head.kind) == (seq, records, length, tenant, kind)
    for bit in flips:
        data[bit // 8] ^= 1 << bit % 8
    assert (decode_frame_head(key, bytes(data)) is None) == bool(flips)


def test_segment_headers_round_trip() -> None:
    head = SegmentHead(5, 3, 900, 7, 8, 9, "ab" * 16)
    data = encode_segment_head(head)
    assert decode_segment_head(data) == head
    assert len(data) == SEGMENT_BYTES
    for position in range(len(data)):
        assert decode_segment_head(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]) is None


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool of three segments."""
    root = tmp_path_factory.mktemp("hostile") / "spool"
    asyncio.run(filled(str(root), 20, segment_bytes=1000))
    return root


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_hostile_spool_still_opens_and_gives_only_what_was_stored(template: Path, data: st.DataObject) -> None:
    root = Path(tempfile.mkdtemp(dir=template.parent)) / "spool"
    shutil.copytree(template, root)
    files = [*sorted((root / "logs").glob("*.seg")), root / "logs" / "mark"]
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(files))
        size = path.stat().st_size
        way = data.draw(st.sampled_from(("overwrite", "cut", "grow", "swap")))
        if way == "overwrite":
            damage(path, data.draw(st.integers(0, max(0, size - 1))), data.draw(st.binary(min_size=1, max_size=300)))
        elif way == "cut":
            os.truncate(path, data.draw(st.integers(0, size)))
        elif way == "grow":
            damage(path, size, data.draw(st.binary(max_size=300)))
        else:
            path.write_bytes(data.draw(st.sampled_from(files)).read_bytes())
    found = await loaded(str(root), 0)
    shutil.rmtree(root.parent)
    assert found == sorted(set(found))
    assert set(found) <= set(range(20))
