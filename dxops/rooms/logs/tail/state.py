"""What `dxops tail-files` remembers between two runs, in one file that is replaced as a whole."""

from __future__ import annotations

import fcntl
import os
from typing import Final

import msgspec

from dxops.base.errors import Conflict, Refused
from dxops.rooms.logs.tail.places import Place

_VERSION: Final = 1


class State(msgspec.Struct, frozen=True):
    """`patterns` were followed; `cursor` is the journal's."""

    version: int = _VERSION
    patterns: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    cursor: str = ""


class StateFile:
    """Held by one process at a time. Blocks. Raises `Conflict` when another one has it, `Refused` for a bad one."""

    def __init__(self, path: str) -> None:
        self._path = path
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Conflict(f"another tail-files uses {path}", hint="give each its own with --state FILE") from None

    def read(self) -> State | None:
        """None before the first run."""
        try:
            with open(self._path, "rb") as file:
                found = msgspec.json.decode(file.read(), type=State)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise Refused(
                f"{self._path} is not a state of tail-files: {error}", hint="remove it to begin anew"
            ) from error
        if found.version != _VERSION:
            raise Refused(f"{self._path} is of version {found.version}", hint="a newer dxops wrote it")
        return found

    def write(self, state: State) -> None:
        """Durable on return. Raises `OSError`."""
        with open(f"{self._path}.new", "wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{self._path}.new", self._path)

    def close(self) -> None:
        os.close(self._lock)
