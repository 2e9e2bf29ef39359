"""Progress of long work on a terminal's stderr; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Bars:
    """One bar per part. Used as a context."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int | None, note: str = "") -> None:
        """Where a part is; any unit, `total` None while it is unknown. `note` stands behind the bar."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, note=note)
        self._progress.update(self._tasks[what], completed=done, total=total, note=note)

    def counted(self, what: str, pieces: Iterable[bytes], total: int) -> Iterator[bytes]:
        """The same pieces, shown as they pass."""
        done = 0
        for piece in pieces:
            yield piece
            done += len(piece)
            self.show(what, done, total)
