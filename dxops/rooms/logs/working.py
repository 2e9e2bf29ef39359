"""Work of Python's own on what the store answered: hits, highlights, tables.

In threads of its own, because the process that searches also takes documents in: ten thousand highlighted hits are
seconds in which nobody else would be answered. Bounded in time like the statements.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from dxops.base.errors import TooLarge

T = TypeVar("T")

LATE: Final = "late"
"""The code of the refusal of work that took too long."""
_SECONDS: Final = 30.0

Check = Callable[[], None]


class Workers:
    """A few threads. Others than the event loop's own, which writing needs."""

    def __init__(self, *, threads: int = 2, seconds: float = _SECONDS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="hits")
        self._seconds = seconds

    async def run(self, work: Callable[[Check], T]) -> T:
        """What `work` gives. It calls its argument now and then, which ends it when it takes too long or nobody waits
        any more. Raises `TooLarge` (`late`)."""
        left = threading.Event()

        def bounded() -> T:
            ends = time.monotonic() + self._seconds

            def check() -> None:
                if left.is_set() or time.monotonic() > ends:
                    reason = f"making the answer takes longer than {self._seconds:g} s"
                    raise TooLarge(reason, code=LATE, hint="ask for fewer documents, fields or highlights")

            check()
            return work(check)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, bounded)
        except asyncio.CancelledError:
            left.set()
            raise
