"""How far long work on the store is: written by the thread that works, read by those who watch."""

from __future__ import annotations

from dxops.rooms.content.model import Progress, Step


class Stopped(Exception):
    """The work is to end before it is done; what it did so far is sound."""


class Meter:
    """One piece of work. Its figures may be read from any thread while one thread moves them."""

    def __init__(self) -> None:
        self._step = Step.WAITING
        self._done = self._total = self._blocks = self._bytes = self._faults = 0
        self._stopped = False

    def begin(self, step: Step, total: int = 0) -> None:
        """The next step, of `total` blocks or roots (0: unknown)."""
        self._step, self._done, self._total, self._blocks, self._bytes = step, 0, total, 0, 0

    def saw(self, size_bytes: int = 0) -> None:
        """One more block. Raises `Stopped`: every loop over blocks ends here."""
        self._blocks += 1
        self._bytes += size_bytes
        if self._stopped:
            raise Stopped

    def did(self, count: int = 1) -> None:
        """That much of the step's total."""
        self._done += count

    def found_fault(self, count: int = 1) -> None:
        """Damage, or something that is missing."""
        self._faults += count

    def stop(self) -> None:
        """Make the work end at its next block."""
        self._stopped = True

    @property
    def progress(self) -> Progress:
        return Progress(
            step=self._step,
            done=self._done,
            total=self._total,
            blocks=self._blocks,
            bytes=self._bytes,
            faults=self._faults,
        )
