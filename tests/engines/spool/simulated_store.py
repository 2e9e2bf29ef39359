"""A store that is late, loses answers, is away, answers twice, and knows the last tokens, like ClickHouse."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from dxops.base.errors import Unavailable
from dxops.engines.spool.consumer import Batch
from dxops.engines.spool.doubt import Doubtful
from dxops.engines.spool.loading import BadRecord, LoadResult, PoisonBatch
from dxops.engines.spool.reader import Frame

_TOKENS = 100


def lines(payload: bytes) -> list[bytes]:
    """The records of a payload."""
    return payload.split(b"\n")[:-1]


class SimulatedStore:
    """Poison records make it refuse the whole batch, odd ones it leaves out and reports. Of strange ones it
    does not say whether they are to blame, and while it is `sick` it says the same of all."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.rows: list[tuple[int, bytes]] = []
        self.faults: list[str] = []
        self.away = False
        self.sick = False
        self.trouble = 0.0
        self.windows: deque[str] = deque(maxlen=_TOKENS)

    async def load(self, batch: Batch) -> LoadResult:
        await asyncio.sleep(self.rng.random() * 0.02)
        if self.away:
            raise Unavailable("the store is away")
        luck = self.rng.random()
        if luck < self.trouble * 0.3:
            raise Unavailable("overloaded")
        rows = [
            (piece.frame.seq + index, record)
            for piece in batch.pieces
            for index, record in enumerate(lines(piece.frame.payload))
            if piece.start <= index < piece.stop
        ]
        if any(len(lines(piece.frame.payload)) != piece.frame.records for piece in batch.pieces):
            self.faults.append("half a frame")
        if any(b"poison" in record for _, record in rows):
            raise PoisonBatch("cannot parse a poison record")
        if self.sick or any(b"strange" in record for _, record in rows):
            raise Doubtful("something is wrong", code="strange")
        if luck < self.trouble * 0.6:  # on its way, but the client does not hear of it
            asyncio.get_running_loop().call_later(self.rng.random() * 0.5, self._apply, batch.token, rows)
            raise Unavailable("timed out")
        self._apply(batch.token, rows)
        if luck < self.trouble:
            raise Unavailable("the connection broke")
        return LoadResult(tuple(BadRecord(seq, "odd") for seq, record in rows if b"odd" in record))

    async def vouches(self) -> bool:
        await asyncio.sleep(self.rng.random() * 0.01)
        return not self.away and not self.sick

    def extract(self, frame: Frame, index: int) -> bytes:
        return lines(frame.payload)[index] + b"\n"

    def _apply(self, token: str, rows: list[tuple[int, bytes]]) -> None:
        if token not in self.windows:
            self.windows.append(token)
            self.rows += [row for row in rows if b"odd" not in row[1]]
