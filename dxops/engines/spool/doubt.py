"""Refusals of a sink that may be at fault itself: how long they are borne, and what is told of them meanwhile."""

from __future__ import annotations

import contextlib

import msgspec

from dxops.base.errors import Unavailable
from dxops.engines.spool.disk import Disk, Machine, read_whole, run_to_end, write_whole
from dxops.engines.spool.model import SpoolPaths


class Doubtful(Unavailable):
    """The sink refused a batch and nothing of it is stored, but whether the batch or the sink is at fault is not clear.

    `code` names the kind of refusal. While it is borne the same batch comes again; see `Patience`.
    """

    default_code = "doubtful"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """When a doubtful refusal is taken to be about the data: after this many tries over this long, none of which failed
    in another way, while the sink vouches that it takes other data.

    From then on the same refusal takes batches apart at once, and a record goes into quarantine after `alone_tries` by
    itself. After `most` such records without one between them that was stored, the sink is in doubt again.
    """

    tries: int = 12
    for_s: float = 180.0
    alone_tries: int = 3
    most: int = 100


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream waits for: its next batch was refused `tries` times in a row. For people to read, as last told.

    Times in milliseconds since 1970; `decided_at_ms` is when, at the earliest, the batch is taken apart.
    """

    code: str
    reason: str
    records: int
    from_seq: int
    tries: int
    since_ms: int
    next_try_ms: int
    decided_at_ms: int


class Doubts:
    """What a loader remembers of doubtful refusals. Time is the event loop's, in seconds."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._code = ""
        self._since_s = 0.0
        self._tries = 0
        self._settled = False
        self._span = (0, 0)
        self._span_tries = 0
        self._aside = 0

    @property
    def tries(self) -> int:
        """How often the batch that was refused last was refused."""
        return self._span_tries

    @property
    def since_s(self) -> float:
        """When the first of these refusals was."""
        return self._since_s

    def refused(self, span: tuple[int, int], code: str, now_s: float) -> None:
        """A batch with the records of `span`, from one number to before another, was refused."""
        if code != self._code:
            self.cleared()
            self._code, self._since_s = code, now_s
        if span != self._span:
            self._span, self._span_tries = span, 0
        self._tries += 1
        self._span_tries += 1

    def over(self, records: int, now_s: float) -> bool:
        """Whether the patience with the batch that was refused last is at its end, if the sink vouches for itself."""
        patience = self._patience
        if not self._settled:
            return self._tries >= patience.tries and now_s - self._since_s >= patience.for_s
        return records > 1 or self._span_tries >= patience.alone_tries

    def settled(self, records: int, now_s: float) -> None:
        """The batch is taken apart, or, being one record, put aside."""
        self._settled = True
        self._aside += records == 1
        if self._aside >= self._patience.most:
            self._settled, self._since_s, self._tries, self._aside = False, now_s, 0, 0

    def stored(self, span: tuple[int, int]) -> None:
        """A batch is in. What was refused before and is taken now shows that the sink was at fault."""
        if not self._settled or span == self._span:
            self.cleared()
        self._aside = 0

    def cleared(self) -> None:
        """Something else went wrong, or nothing does any more: patience begins anew."""
        self._code, self._span = "", (0, 0)
        self._tries = self._span_tries = self._aside = 0
        self._settled = False


class Board:
    """The file in which a consumer's refusal is told. Telling is not worth an error."""

    def __init__(self, machine: Machine, paths: SpoolPaths, consumer: str) -> None:
        self._machine = machine
        self._path = refusal_path(paths, consumer)
        self._told = True  # an earlier process may have left one

    async def tell(self, refusal: Refusal) -> None:
        data = msgspec.json.encode(refusal)
        self._told = True
        with contextlib.suppress(OSError):
            await run_to_end(
                self._machine.runner, lambda: write_whole(self._machine.disk, self._path, data, durable=False)
            )

    async def clear(self) -> None:
        if self._told:
            with contextlib.suppress(OSError):
                await run_to_end(self._machine.runner, lambda: self._machine.disk.remove(self._path))
                self._told = False


def refusal_path(paths: SpoolPaths, consumer: str) -> str:
    return f"{paths.consumers}/{consumer}.refusal"


def read_refusal(disk: Disk, paths: SpoolPaths, consumer: str) -> Refusal | None:
    """What the consumer told last; None while nothing is refused."""
    data = read_whole(disk, refusal_path(paths, consumer))
    try:
        return msgspec.json.decode(data, type=Refusal) if data else None
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
