"""Small state that is rewritten often and read by other processes: a file of two slots, written in turn.

A write touches only the older slot, so a torn one leaves the other; a reader takes the newest slot that is whole.
Each slot holds the whole state: `CRC u32, length u32, generation u64, payload`, within one sector of 512 bytes.

Written with `pwrite`, not through a memory map: a map of a file on a full or failing disk ends the process (SIGBUS).
"""

from __future__ import annotations

import struct
import zlib

from dxops.engines.spool.disk import FULL, Disk, File, Mode, write_all, write_whole

_SLOT_BYTES = 512
_HEAD = struct.Struct("<IIQ")
EMPTY = bytes(2 * _SLOT_BYTES)
"""As large as a file of slots."""


class Slots:
    """One writer, any number of readers, in any processes. Blocks; raises `OSError`."""

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._file: File | None = None
        self._mode: Mode = "read"
        self._generation = 0

    def read(self) -> bytes | None:
        """The newest whole payload, or None when the file is missing or neither slot is whole.

        The file stays open: where the other side may `renew` it, use `read_slots`."""
        try:
            file = self._opened("read")
        except FileNotFoundError:
            return None
        newest = _newest(file.read(0, 2 * _SLOT_BYTES))
        if newest is None:
            return None
        self._generation = max(self._generation, newest[0])
        return newest[1]

    def write(self, payload: bytes, *, sync: bool) -> None:
        """Overwrite the older slot. After an error the old or the new state is on disk: call `renew`."""
        generation = self._generation + 1
        file = self._opened("write")
        write_all(file, [_slot(generation, payload)], (generation % 2) * _SLOT_BYTES)
        self._generation = generation
        if sync:
            file.sync()

    def renew(self, payload: bytes, *, spare: str = "") -> None:
        """The state in a new file, durable together with its name, whatever became of the old one. Where there is no
        room for one, the file `spare`, if there is one (`EMPTY` is in it), becomes it."""
        self.close()
        generation = self._generation + 2
        slot = _slot(generation, payload)
        try:
            write_whole(self._disk, self._path, slot + slot)
        except OSError as error:
            if error.errno not in FULL or not self._took(spare, slot + slot):
                raise
        self._generation = generation

    def _took(self, spare: str, data: bytes) -> bool:
        try:
            file = self._disk.open(spare, "write")
        except FileNotFoundError:
            return False
        try:
            write_all(file, [data], 0)
            file.sync()
        finally:
            file.close()
        self._disk.replace(spare, self._path)
        self._disk.sync_directory(self._path.rpartition("/")[0])
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self, mode: Mode) -> File:
        if self._file is None or (mode == "write" and self._mode == "read"):
            self.close()
            self._file = self._disk.open(self._path, mode)
            self._mode = mode
        return self._file


def read_slots(disk: Disk, path: str) -> bytes | None:
    """The newest whole payload of the file that has this name now; None when there is none."""
    slots = Slots(disk, path)
    try:
        return slots.read()
    finally:
        slots.close()


def _slot(generation: int, payload: bytes) -> bytes:
    assert len(payload) <= _SLOT_BYTES - _HEAD.size
    body = _HEAD.pack(0, len(payload), generation)[4:] + payload
    return (struct.pack("<I", zlib.crc32(body)) + body).ljust(_SLOT_BYTES, b"\0")


def _newest(data: bytes) -> tuple[int, bytes] | None:
    found: tuple[int, bytes] | None = None
    for start in (0, _SLOT_BYTES):
        slot = data[start : start + _SLOT_BYTES]
        if len(slot) < _HEAD.size:
            continue
        crc, length, generation = _HEAD.unpack_from(slot)
        end = _HEAD.size + length
        if end > len(slot) or zlib.crc32(slot[4:end]) != crc:
            continue
        if found is None or generation > found[0]:
            found = generation, slot[_HEAD.size : end]
    return found
