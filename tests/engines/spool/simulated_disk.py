"""A disk that keeps apart what is written and what is durable, and that crashes, tears and fails as a seed says.

What a power loss may do: of the bytes written since the last sync of a file any sectors of 512 bytes may survive; of
the names changed since the last sync of a directory the first few. What a failed sync does: any of the sectors may be
durable, the others stay readable for a while and are never written again.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Sequence

from tests.engines.spool.simulated_time import Killed, Process, pause

_SECTOR = 512


class Inode:
    """A file's bytes as programs see them, as the platter has them, and the changes in between."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []
        self.doubtful = False

    def write(self, offset: int, data: bytes) -> None:
        _put(self.data, offset, data)
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        _cut(self.data, size)
        self.pending.append((size, None))

    def sync(self) -> None:
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending.clear()

    def survive_in_part(self, rng: random.Random) -> None:
        """Some of what was not synced becomes durable, the rest is forgotten."""
        way = rng.choice(("none", "all", "prefix", "some"))
        for offset, data in self.pending:
            if way == "all" or data is None:
                if way == "all" or rng.random() < 0.5:
                    _apply(self.durable, offset, data)
                continue
            if way == "none":
                continue
            for start, sector in _sectors(offset, data):
                if way == "some" and rng.random() < 0.5:
                    continue
                _put(self.durable, start, sector)
                if way == "prefix" and rng.random() < 0.3:
                    way = "none"
                    break
        self.pending.clear()

    def reload(self) -> None:
        """Programs see the platter again."""
        self.data = bytearray(self.durable)
        for offset, data in self.pending:
            _apply(self.data, offset, data)
        self.doubtful = False


class Faults:
    """How often what goes wrong. All zero on a good day."""

    def __init__(self) -> None:
        self.short = self.full = self.broken = self.sync = self.directory = self.read = 0.0

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]


class SimulatedDisk:
    """The one disk of a world; `seen_by` gives a process its view."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.faults = Faults()
        self.capacity = 1 << 30
        self.others = 0
        self.skips_sync: Callable[[str], bool] = lambda path: False
        self.skips_directories = False
        self.entries: dict[str, Inode] = {}
        self.locks: dict[str, Process] = {}
        self._durable_entries: dict[str, Inode] = {}
        self._pending: dict[str, list[tuple[str, str, Inode | None]]] = {}
        self._directories: dict[str, None] = {}

    def seen_by(self, process: Process) -> DiskView:
        return DiskView(self, process)

    def place(self, path: str, data: bytes) -> None:
        """A durable file."""
        inode = self.entries[path] = self._durable_entries[path] = Inode()
        inode.write(0, data)
        inode.sync()

    def lose_power(self) -> None:
        for names in self._pending.values():
            for change in names[: self.rng.randint(0, len(names))]:
                _rename(self._durable_entries, *change)
        self._pending.clear()
        self.entries = dict(self._durable_entries)
        for inode in {id(inode): inode for inode in self.entries.values()}.values():
            inode.survive_in_part(self.rng)
            inode.reload()
        self.locks.clear()

    def evict(self) -> None:
        """The kernel drops clean pages: what a failed sync lost is now seen to be lost."""
        for inode in self.entries.values():
            if inode.doubtful:
                inode.reload()

    def used(self) -> int:
        return self.others + sum(len(inode.data) for inode in self.entries.values())

    def change(self, kind: str, path: str, inode: Inode | None) -> None:
        _rename(self.entries, kind, path, inode)
        self._pending.setdefault(os.path.dirname(path), []).append((kind, path, inode))

    def sync_directory(self, path: str) -> None:
        for change in self._pending.pop(path, ()):
            _rename(self._durable_entries, *change)


class DiskView:
    """The port, for one process. Every call is a step at which the process may end."""

    def __init__(self, disk: SimulatedDisk, process: Process) -> None:
        self.disk = disk
        self.process = process

    def step(self) -> bool:
        """One step; whether the process dies in it: then do a part of it and call `end`."""
        if self.process.dead:
            raise Killed
        rng = self.disk.rng
        if rng.random() < 0.3:
            pause(rng.random() * 0.002)
        self.process.steps += 1
        if self.process.steps == self.process.dies_at_step:
            if rng.random() < 0.5:
                self.end()
            return True
        return False

    def end(self) -> None:
        self.process.die()
        raise Killed

    def fails(self, rate: float, code: int) -> None:
        if rate and self.disk.rng.random() < rate:
            raise OSError(code, os.strerror(code))

    def make_directory(self, path: str) -> None:
        dies = self.step()
        while len(path) > 1:
            self.disk._directories[path] = None
            path = os.path.dirname(path)
        if dies:
            self.end()

    def names(self, path: str) -> list[str]:
        if self.process.dead:
            raise Killed
        start = len(path) + 1
        inside = [name[start:] for name in (*self.disk.entries, *self.disk._directories) if name.startswith(f"{path}/")]
        return [name for name in inside if "/" not in name]

    def open(self, path: str, mode: str) -> SimulatedFile:
        if mode != "create":
            if self.process.dead:
                raise Killed
            if path not in self.disk.entries:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            return SimulatedFile(self, path, self.disk.entries[path])
        dies = self.step()
        if path in self.disk.entries:
            raise FileExistsError(errno.EEXIST, "file exists", path)
        self.fails(self.disk.faults.full, errno.ENOSPC)
        inode = Inode()
        self.disk.change("set", path, inode)
        if dies:
            self.end()
        return SimulatedFile(self, path, inode)

    def replace(self, old: str, new: str) -> None:
        dies = self.step()
        self.fails(self.disk.faults.broken, errno.EIO)
        if old not in self.disk.entries:
            raise FileNotFoundError(errno.ENOENT, "no such file", old)
        self.disk.change(f"move {old}", new, self.disk.entries[old])
        if dies:
            self.end()

    def remove(self, path: str) -> None:
        dies = self.step()
        if path in self.disk.entries:
            self.disk.change("gone", path, None)
        if dies:
            self.end()

    def sync_directory(self, path: str) -> None:
        dies = self.step()
        self.fails(self.disk.faults.directory, errno.EIO)
        if not self.disk.skips_directories:
            self.disk.sync_directory(path)
        if dies:
            self.end()

    def space(self, path: str) -> tuple[int, int]:
        return max(0, self.disk.capacity - self.disk.used()), self.disk.capacity

    def lock(self, path: str) -> SimulatedLock | None:
        if self.process.dead:
            raise Killed
        holder = self.disk.locks.get(path)
        if holder is not None and not holder.dead:
            return None
        self.disk.locks[path] = self.process
        return SimulatedLock(self, path)


class SimulatedLock:
    def __init__(self, view: DiskView, path: str) -> None:
        self._view = view
        self._path = path

    def close(self) -> None:
        if not self._view.process.dead and self._view.disk.locks.get(self._path) is self._view.process:
            del self._view.disk.locks[self._path]


class SimulatedFile:
    def __init__(self, view: DiskView, path: str, inode: Inode) -> None:
        self._view = view
        self._path = path
        self._inode = inode

    def write(self, parts: Sequence[bytes], offset: int) -> int:
        view, rng, faults = self._view, self._view.disk.rng, self._view.disk.faults
        dies = view.step()
        data = b"".join(parts)
        if dies:
            self._inode.write(offset, data[: rng.randint(0, len(data))])
            view.end()
        grows = max(0, offset + len(data) - len(self._inode.data))
        if (faults.full and rng.random() < faults.full) or view.disk.used() + grows > view.disk.capacity:
            self._inode.write(offset, data[: rng.randint(0, len(data) // 2)])
            raise OSError(errno.ENOSPC, "no space left on device")
        view.fails(faults.broken, errno.EIO)
        if faults.short and rng.random() < faults.short:
            data = data[: rng.randint(1, len(data))]
        self._inode.write(offset, data)
        return len(data)

    def read(self, offset: int, length: int) -> bytes:
        if self._view.process.dead:
            raise Killed
        self._view.fails(self._view.disk.faults.read, errno.EIO)
        return bytes(self._inode.data[offset : offset + length])

    def size(self) -> int:
        return len(self._inode.data)

    def truncate(self, size: int) -> None:
        dies = self._view.step()
        self._view.fails(self._view.disk.faults.broken, errno.EIO)
        self._inode.truncate(size)
        if dies:
            self._view.end()

    def sync(self) -> None:
        view = self._view
        dies = view.step()
        if view.disk.faults.sync and view.disk.rng.random() < view.disk.faults.sync:
            self._inode.survive_in_part(view.disk.rng)
            self._inode.doubtful = True
            raise OSError(errno.EIO, "input/output error")
        if not view.disk.skips_sync(self._path):
            self._inode.sync()
        if dies:
            view.end()

    def close(self) -> None: ...


def _rename(entries: dict[str, Inode], kind: str, path: str, inode: Inode | None) -> None:
    if kind.startswith("move "):
        entries.pop(kind[5:], None)
    if inode is None:
        entries.pop(path, None)
    else:
        entries[path] = inode


def _apply(target: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        _cut(target, offset)
    else:
        _put(target, offset, data)


def _put(target: bytearray, offset: int, data: bytes) -> None:
    if len(target) < offset:
        target.extend(bytes(offset - len(target)))
    target[offset : offset + len(data)] = data


def _cut(target: bytearray, size: int) -> None:
    if size < len(target):
        del target[size:]
    else:
        target.extend(bytes(size - len(target)))


def _sectors(offset: int, data: bytes) -> list[tuple[int, bytes]]:
    found = []
    start = offset
    while start < offset + len(data):
        end = min((start // _SECTOR + 1) * _SECTOR, offset + len(data))
        found.append((start, data[start - offset : end - offset]))
        start = end
    return found
