"""What people see of a publish: a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Screen:
    """`line` prints above the bar; `stage` names what is under way; `progress` moves the bar."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr, highlight=False, markup=False, soft_wrap=True)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                DownloadColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Screen:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def line(self, text: str) -> None:
        """One line for people."""
        self._console.print(text.rstrip("\n"))

    def stage(self, text: str) -> None:
        """Begin something of unknown length."""
        if self._bar:
            self._bar.reset(self._task, description=text, total=None)
        else:
            self.line(text)

    def progress(self, done: int, total: int) -> None:
        """Bytes done of the present stage."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)
