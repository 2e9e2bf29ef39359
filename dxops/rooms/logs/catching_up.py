"""Identities and the places of our own logs after a crash: what the spool has and they do not is read again, before
the first request is taken.

They are a consumer of the stream of their own, so that no segment is deleted that they still need.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from dxops.engines.spool import BatchLimits, Consumer, this_machine
from dxops.engines.spool.consumer import Batch
from dxops.rooms.logs.following import FOLLOWED, Places
from dxops.rooms.logs.identities import Identities
from dxops.rooms.logs.sink import STREAM
from dxops.rooms.logs.writing import WITH_IDS
from dxops.wire.logs.frame import decode_frame, note_of, settled

log = logging.getLogger(__name__)

CONSUMER: Final = "identities"
_LIMITS: Final = BatchLimits(records=200_000, size_bytes=32 << 20, age_s=0.0)
_QUIET_S: Final = 0.25
_AGAIN_S: Final = 1.0


async def catch_up(root: str, identities: Identities, places: Places) -> asyncio.Task[None]:
    """Apply all that is in the spool; then a task that goes on, so that segments are let go. Cancel it to end."""
    consumer = await Consumer.open(this_machine(), root, STREAM, CONSUMER, kinds=frozenset({WITH_IDS, FOLLOWED}))
    while True:
        try:
            batch = await asyncio.wait_for(consumer.next_batch(_LIMITS), _QUIET_S)
        except TimeoutError:
            break
        await _take(consumer, batch, identities, places)
    return asyncio.create_task(_go_on(consumer, identities, places), name="identities")


async def _go_on(consumer: Consumer, identities: Identities, places: Places) -> None:
    try:
        while True:
            try:
                await _take(consumer, await consumer.next_batch(BatchLimits(age_s=1.0)), identities, places)
            except Exception as error:  # noqa: BLE001 - who stopped here would keep every segment until the spool is full
                log.warning("ids and places cannot be kept, trying again", extra={"reason": repr(error)})
                await asyncio.sleep(_AGAIN_S)
    finally:
        await consumer.close()


async def _take(consumer: Consumer, batch: Batch, identities: Identities, places: Places) -> None:
    """Frames without ids and places are passed over by their kind. Applying one again changes nothing."""
    frames = []
    notes: list[bytes] = []
    for piece in batch.pieces:
        try:
            if piece.frame.kind == WITH_IDS:
                frames.append((piece.frame.seq, settled(decode_frame(piece.frame.payload), piece.frame.seq)))
            elif piece.frame.kind == FOLLOWED and (note := note_of(piece.frame.payload)) is not None:
                notes.append(note)
        except ValueError:
            continue  # the loader puts it into quarantine, with the reason
    await asyncio.to_thread(places.apply, notes)
    await asyncio.to_thread(identities.apply, frames, batch.to_seq)
    await consumer.commit(batch)
