"""Who may append now: bounds of memory and disk, per tenant and for all. Lives on the event loop; no I/O."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque

import msgspec

from dxops.base.errors import DxopsError, Throttled
from dxops.engines.spool.config import Limits
from dxops.engines.spool.model import SpoolFull

_MB = 1 << 20


class Request(msgspec.Struct, frozen=True):
    """Room that is asked for."""

    stream: str
    tenant: str
    size: int


class _Held:
    __slots__ = ("future", "request")

    def __init__(self, request: Request, future: asyncio.Future[None]) -> None:
        self.request = request
        self.future = future


class Gate:
    """Counts what waits in memory and lies on disk. `enter` takes room in memory, `leave` gives it back."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tenant_disk_bytes = int(limits.spool_bytes * limits.tenant_share)
        self._tenant_memory_bytes = int(limits.memory_bytes * limits.tenant_share)
        self._waiting = 0
        self._waiting_by_tenant: defaultdict[str, int] = defaultdict(int)
        self._waiting_by_stream: defaultdict[str, int] = defaultdict(int)
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._held_by_tenant: defaultdict[str, int] = defaultdict(int)
        self._disk_by_stream: defaultdict[str, int] = defaultdict(int)
        self._disk_by_tenant: defaultdict[str, int] = defaultdict(int)
        self._disk = 0
        self._free: int | None = None
        self._least_free = 0
        self.closed: DxopsError | None = None
        """Why nothing is taken in, for a reason outside of the spool; None when there is none."""
        self.refused: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.held: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By stream and tenant, how many requests, since whoever counts them took them out."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes in memory that are let in and not durable yet."""
        return self._waiting

    @property
    def holding(self) -> bool:
        """Whether somebody waits for room."""
        return bool(self._held)

    def disk_bytes(self, stream: str) -> int:
        return self._disk_by_stream[stream]

    # --- what happens -------------------------------------------------------------------------------------------

    def stored(self, stream: str, tenant: str, size: int) -> None:
        """Bytes came to the disk; negative when they went."""
        self._disk += size
        if self._free is not None:
            self._free -= size
        self._disk_by_stream[stream] += size
        self._disk_by_tenant[tenant] += size

    def set_space(self, free: int, total: int) -> None:
        """What the file system says."""
        self._free = free
        self._least_free = min(self._limits.min_free_bytes, total // 20)

    def check(self, request: Request) -> None:
        """Raise what `enter` would raise at once, or after holding; counts as a refusal then."""
        refusal = self.refusal(request)
        if refusal is not None:
            self.refused[request.stream, request.tenant] += 1
            raise refusal

    def try_enter(self, request: Request) -> bool:
        """Take room in memory if there is some and nobody waits for it."""
        if self._held or not self._fits(request):
            return False
        self._take(request)
        return True

    async def enter(self, request: Request) -> None:
        """Take room in memory; held while there is none. Raises `SpoolFull` or `Throttled`."""
        refusal = self.refusal(request)
        if refusal is None and not any(held.request.tenant == request.tenant for held in self._held):
            self._take(request)
            return
        await self._hold(request, refusal)

    async def admit(self, request: Request) -> None:
        """Be held while there is no room, as `enter` does, and take none. Raises as `enter` does."""
        if not self.try_enter(request):
            await self.enter(request)
        self.leave(request)

    def leave(self, request: Request) -> None:
        """The bytes are out of memory."""
        self._waiting -= request.size
        self._waiting_by_tenant[request.tenant] -= request.size
        self._waiting_by_stream[request.stream] -= request.size

    def let_in(self) -> None:
        """There may be room: let in whoever fits, first come first, each tenant in order."""
        if not self._held:
            return
        stuck: set[str] = set()
        for held in list(self._held):
            request = held.request
            if request.tenant in stuck or held.future.done():
                continue
            if self.refusal(request) is not None:
                stuck.add(request.tenant)
                continue
            self._take(request)
            held.future.set_result(None)

    # --- decisions ----------------------------------------------------------------------------------------------

    def _fits(self, request: Request) -> bool:
        """Whether `refusal` is None, without a word: this is asked for every append."""
        limits, size, waiting = self._limits, request.size, self._waiting
        stream, tenant = request.stream, request.tenant
        mine = self._waiting_by_tenant[tenant]
        return (
            self.closed is None
            and (self._free is None or self._free - waiting - size >= self._least_free)
            and self._disk + waiting + size <= limits.spool_bytes
            and self._disk_by_stream[stream] + self._waiting_by_stream[stream] + size <= limits.stream_bytes
            and self._disk_by_tenant[tenant] + mine + size <= self._tenant_disk_bytes
            and (not waiting or waiting + size <= limits.memory_bytes)
            and (not mine or mine + size <= self._tenant_memory_bytes)
        )

    def refusal(self, request: Request) -> DxopsError | None:
        """Why there is no room for it now; None when there is."""
        if self._fits(request):
            return None
        if self.closed is not None:
            return self.closed
        limits, size = self._limits, request.size
        if self._free is not None and self._free - self._waiting - size < self._least_free:
            return SpoolFull(
                f"the disk of the spool is nearly full: {self._free // _MB} MB are free and "
                f"{self._least_free // _MB} MB are kept free",
                hint="free disk space, or see why the loader does not empty the spool",
                retry_after_s=10.0,
            )
        for what, used, most in (
            ("the spool", self._disk + self._waiting, limits.spool_bytes),
            (
                f"stream '{request.stream}'",
                self._disk_by_stream[request.stream] + self._waiting_by_stream[request.stream],
                limits.stream_bytes,
            ),
        ):
            if used + size > most:
                return SpoolFull(
                    f"{what} is full: {used // _MB} of {most // _MB} MB wait to be loaded",
                    hint="send it again later; the operator sees in the console why the loader is behind",
                    retry_after_s=5.0,
                )
        own = self._disk_by_tenant[request.tenant] + self._waiting_by_tenant[request.tenant]
        share = self._tenant_disk_bytes
        if own + size > share:
            return Throttled(
                f"{own // _MB} MB of yours wait to be loaded; one sender may have {share // _MB} MB",
                retry_after_s=5.0,
                hint="send less or later",
            )
        if self._waiting and self._waiting + size > limits.memory_bytes:
            return SpoolFull(
                "more arrives than the disk can write", hint="send it again in a moment", retry_after_s=1.0
            )
        return Throttled(
            "more of yours arrives than one sender may have in memory", retry_after_s=1.0, hint="send it again"
        )

    # --- inside -------------------------------------------------------------------------------------------------

    def _take(self, request: Request) -> None:
        self._waiting += request.size
        self._waiting_by_tenant[request.tenant] += request.size
        self._waiting_by_stream[request.stream] += request.size

    async def _hold(self, request: Request, refusal: DxopsError | None) -> None:
        limits = self._limits
        own = self._held_by_tenant[request.tenant] + request.size
        full = self._held_bytes + request.size > limits.memory_bytes or own > self._tenant_memory_bytes
        if (full and self._held) or limits.hold_s <= 0:
            self.refused[request.stream, request.tenant] += 1
            raise refusal or SpoolFull("many wait for room in the spool", hint="send it again", retry_after_s=1.0)
        self.held[request.stream, request.tenant] += 1
        held = _Held(request, asyncio.get_running_loop().create_future())
        self._held.append(held)
        self._held_bytes += request.size
        self._held_by_tenant[request.tenant] += request.size
        try:
            async with asyncio.timeout(limits.hold_s):
                await held.future
        except TimeoutError:
            if held.future.done() and not held.future.cancelled():
                return  # let in at the last moment
            self.refused[request.stream, request.tenant] += 1
            raise (
                self.refusal(request)
                or refusal
                or SpoolFull("many wait for room in the spool", hint="send it again", retry_after_s=1.0)
            ) from None
        except asyncio.CancelledError:
            if held.future.done() and not held.future.cancelled():
                self.leave(request)  # let in and gone at the same moment
            raise
        finally:
            self._held.remove(held)
            self._held_bytes -= request.size
            self._held_by_tenant[request.tenant] -= request.size
