"""Blocks as files: `<root>/blocks/<last byte>/<multihash in hex>`, written aside, synced, renamed into place.

How several processes share a root: a put of a held block touches its file and then looks whether it is still there; a
collector renames a file to `trash/`, looks at its time again and puts it back when it was touched meanwhile. So
whichever comes first, a block that was put after the collector looked is there afterwards. Readers look into `trash/`
too, and what a killed collector left there is put back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dxops.base.clock import Clock, SystemClock
from dxops.base.files import fsync_directory
from dxops.engines.blocks.files_batch import FileBatch
from dxops.engines.blocks.memory import check_block
from dxops.engines.blocks.port import CorruptBlock, MissingBlock, StoredBlock
from dxops.engines.blocks.scratch import Scratch, disk_errors
from dxops.wire.cid import RAW, Buffer, Cid

log = logging.getLogger(__name__)

_SYNC_DOUBT_S = 600.0


class FileBlocks:
    """A block store in a directory. Cheap to make; writes nothing before the first put. Safe for several threads."""

    def __init__(self, root: Path, clock: Clock | None = None) -> None:
        self.root = root
        self._clock = clock or SystemClock()
        self._blocks = f"{root}/blocks"
        self._trash = f"{root}/trash"
        self._corrupt = f"{root}/corrupt"
        self._lock = threading.Lock()
        self._scratch: Scratch | None = None

    # --- reading ----------------------------------------------------------------------------------------------

    def has(self, cid: Cid) -> bool:
        return cid.is_identity or self._stat(cid) is not None

    def has_many(self, cids: Iterable[Cid]) -> list[bool]:
        return [self.has(cid) for cid in cids]

    def size(self, cid: Cid) -> int:
        if cid.is_identity:
            return len(cid.digest)
        found = self._stat(cid)
        if found is None:
            raise MissingBlock(cid)
        return found.st_size

    def get(self, cid: Cid) -> bytes:
        if cid.is_identity:
            return cid.digest
        with disk_errors(self.root):
            data = self._read(cid)
            if cid.verifies(data):
                return data
            data = self._read(cid)  # once more: a bad transfer is not a bad disk
            if cid.verifies(data):
                return data
            self._put_aside(cid)
        raise CorruptBlock(cid)

    def all(self) -> Iterator[StoredBlock]:
        for bucket in _BUCKETS:
            try:
                entries = list(os.scandir(f"{self._blocks}/{bucket}"))
            except FileNotFoundError:
                continue
            for entry in entries:
                with contextlib.suppress(FileNotFoundError, ValueError):
                    found = entry.stat()
                    yield StoredBlock(Cid(1, RAW, bytes.fromhex(entry.name)), found.st_size, found.st_mtime)

    def path(self, cid: Cid) -> Path | None:
        return None if cid.is_identity else Path(self.place(cid))

    # --- writing ----------------------------------------------------------------------------------------------

    def put_many(self, blocks: Iterable[tuple[Cid, Buffer]], *, verify: bool = False) -> None:
        with self.batch() as batch:
            for cid, data in blocks:
                if verify:
                    check_block(cid, data)
                batch.put(cid, data)

    def batch(self) -> FileBatch:
        with disk_errors(self.root):
            return FileBatch(self, self._prepared())

    def touch_many(self, cids: Iterable[Cid]) -> list[Cid]:
        now = self.now_ns()
        return [cid for cid in cids if not cid.is_identity and not self._touch(self.place(cid), now)]

    def delete_if_older(self, cids: Iterable[Cid], before: float) -> int:
        with disk_errors(self.root):
            self._prepared()
            return sum(self._collect(cid, before) for cid in cids if not cid.is_identity)

    def close(self) -> None:
        """Remove what this process has in `tmp/`. The store may be used again afterwards."""
        with self._lock:
            if self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    # --- for the batch ----------------------------------------------------------------------------------------

    def place(self, cid: Cid) -> str:
        """Where a block's file is or would be."""
        name = cid.multihash.hex()
        return f"{self._blocks}/{name[-2:]}/{name}"

    def now_ns(self) -> int:
        """The clock, as file times count."""
        return int(self._clock.now().timestamp() * 1e9)

    def freshen(self, cid: Cid, size: int) -> tuple[bool, bool]:
        """Touch a block of `size` bytes: whether it is held, and whether its name may not be durable yet.

        A file of another size is damaged, so it counts as not held and is written again.
        """
        place = self.place(cid)
        try:
            before = os.stat(place)
        except FileNotFoundError:
            return False, False
        if before.st_size != size or not self._touch(place, self.now_ns()):
            return False, False
        # Another process may have renamed it a moment ago and not synced its directory yet; renaming sets the ctime.
        young = before.st_ctime > time.time() - _SYNC_DOUBT_S  # the file system's clock, not ours
        return True, young

    # --- inside -----------------------------------------------------------------------------------------------

    def _prepared(self) -> Scratch:
        with self._lock:
            if self._scratch is None:
                for name in (*(f"{self._blocks}/{bucket}" for bucket in _BUCKETS), self._trash, self._corrupt):
                    Path(name).mkdir(parents=True, exist_ok=True)
                fsync_directory(Path(self._blocks))
                fsync_directory(self.root)
                self._scratch = Scratch(self.root / "tmp")
                self._restore_trash()
            return self._scratch

    def _restore_trash(self) -> None:
        for entry in list(os.scandir(self._trash)):
            with contextlib.suppress(FileNotFoundError):
                Path(entry.path).rename(f"{self._blocks}/{entry.name[-2:]}/{entry.name}")

    def _collect(self, cid: Cid, before: float) -> bool:
        place = self.place(cid)
        trash = f"{self._trash}/{cid.multihash.hex()}"
        try:
            if os.stat(place).st_mtime >= before:
                return False
            os.rename(place, trash)
            if os.stat(trash).st_mtime >= before:
                os.rename(trash, place)
                return False
            os.unlink(trash)
        except FileNotFoundError:
            return False  # another collector or a start took it
        return True

    def _touch(self, place: str, now_ns: int) -> bool:
        try:
            os.utime(place, ns=(now_ns, now_ns))
            os.stat(place)
        except FileNotFoundError:
            return False
        return True

    def _stat(self, cid: Cid) -> os.stat_result | None:
        place = self.place(cid)
        try:
            return os.stat(place)
        except FileNotFoundError:
            pass
        for elsewhere in (f"{self._trash}/{cid.multihash.hex()}", place):
            with contextlib.suppress(FileNotFoundError):
                return os.stat(elsewhere)
        return None

    def _read(self, cid: Cid) -> bytes:
        for place in self._places(cid):
            with contextlib.suppress(FileNotFoundError), open(place, "rb", buffering=0) as file:
                return file.read()
        raise MissingBlock(cid)

    def _places(self, cid: Cid) -> tuple[str, str, str]:
        place = self.place(cid)
        return place, f"{self._trash}/{cid.multihash.hex()}", place

    def _put_aside(self, cid: Cid) -> None:
        """Move a damaged block out of the way, unless a put has replaced it meanwhile."""
        place, aside = self.place(cid), f"{self._corrupt}/{cid.multihash.hex()}"
        Path(self._corrupt).mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.rename(place, aside)
            if cid.verifies(Path(aside).read_bytes()):
                os.rename(aside, place)
                return
        log.error("a damaged block was put aside", extra={"cid": str(cid), "file": aside})


_BUCKETS = tuple(f"{value:02x}" for value in range(256))
