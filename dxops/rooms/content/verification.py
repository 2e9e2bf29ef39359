"""Is everything sound: every stored block is what its name says, every held DAG is whole. Blocking; threads."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dxops.engines.blocks.port import BlockStore, CorruptBlock, MissingBlock
from dxops.rooms.content.collection import Marked, Root
from dxops.rooms.content.meter import Meter
from dxops.rooms.content.model import Counted, Step


class Checked(msgspec.Struct, frozen=True):
    """What reading every block found. `damaged` were put aside."""

    blocks: int
    size_bytes: int
    damaged: tuple[str, ...]


def count_blocks(blocks: BlockStore, meter: Meter, expected: int = 0) -> Counted:
    """How many there are and how large, without reading them: seconds for millions. `expected` is for the meter."""
    meter.begin(Step.COUNTING, expected)
    count = size = 0
    for stored in blocks.all():
        count += 1
        size += stored.size_bytes
        meter.did()
        meter.saw(stored.size_bytes)
    return Counted(blocks=count, bytes=size)


def check_blocks(blocks: BlockStore, meter: Meter, expected: int = 0) -> Checked:
    """Read every stored block and compare it with its name."""
    meter.begin(Step.READING, expected)
    count = size = 0
    damaged: list[str] = []
    for stored in blocks.all():
        length = 0
        try:
            length = len(blocks.get(stored.cid))
        except MissingBlock:
            continue  # collected meanwhile
        except CorruptBlock:
            damaged.append(str(stored.cid))
            meter.found_fault()
        count += 1
        size += length
        meter.did()
        meter.saw(length)
    return Checked(count, size, tuple(damaged))


def check_roots(blocks: BlockStore, roots: Sequence[Root], meter: Meter) -> dict[str, str]:
    """Held roots that are not whole, each with its first missing block."""
    meter.begin(Step.WALKING, len(roots))
    whole = Marked(blocks)
    incomplete: dict[str, str] = {}
    for root, kind in roots:
        before = len(whole.missing)
        whole.add([(root, kind)], meter)
        if len(whole.missing) > before:
            incomplete[root] = str(whole.missing[before])
            meter.found_fault()
    return incomplete
