"""Many files by patterns: which there are, which name leads to which file now, and what each has to give.

A file is its inode. Renamed, it goes on where it was; a copy that was made before its original was truncated
(`copytruncate`) goes on where the original was; truncated or written anew, it begins again. What a rotated file still
gets is read until it is quiet.
"""

from __future__ import annotations

import glob
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Concatenate, Final, ParamSpec, TypeVar

from dxops.base.clock import Clock
from dxops.rooms.logs.tail.beside import (
    BREAK,
    at_end,
    copy_beside,
    is_binary,
    is_copy,
    is_still,
    is_wanted,
    moved_to,
    name_of,
    regular,
)
from dxops.rooms.logs.tail.places import Key, Place, digest
from dxops.rooms.logs.tail.reading import Chunk, Reading, Rewritten
from dxops.wire.logs.splitting import Splitter

QUIET_S: Final = 30.0
"""How long a file that lost its name must be quiet before it is let go, and a copy may wait for a truncation."""
KEPT_S: Final = 7 * 86_400
"""How long the place of a file that is gone is kept."""

_DISCOVER_S: Final = 1.0
_MAX_OPEN: Final = 256
_OPEN_S: Final = 60.0

Say = Callable[[str, str], None]
"""(what happened, which file)"""


P = ParamSpec("P")
R = TypeVar("R")


def _in_turn(method: Callable[Concatenate[Tail, P], R]) -> Callable[Concatenate[Tail, P], R]:
    """One thread at a time."""

    def taken(tail: Tail, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with tail.turns:
            return method(tail, *args, **kwargs)

    return taken


class _File:
    """`gone_s`: since when it has no watched name. `copy_of`: it is a copy that waits for its original's truncation."""

    __slots__ = ("active_s", "copy_of", "due_s", "gone_s", "ignored", "reading")

    def __init__(self, reading: Reading, now_s: float) -> None:
        self.reading = reading
        self.active_s = now_s
        self.due_s = 0.0
        self.gone_s: float | None = None
        self.copy_of: Key | None = None
        self.ignored = False

    @property
    def key(self) -> Key:
        return self.reading.place.key


class Tail:
    """Blocks on the disk; several threads take turns.

    `places` are those of the last run. A file without one is read from its start, unless it is there at the very first
    look and `from_start` says no. `adopted` counts new places: keep them before what they give is sent. `say` is told
    what a person should know; it may be called often.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        places: Iterable[Place],
        clock: Clock,
        *,
        splitter: Callable[[], Splitter],
        from_start: Callable[[str], bool] = lambda path: True,
        say: Say = lambda what, path: None,
    ) -> None:
        self._patterns = list(patterns)
        self._places = {place.key: place for place in places}
        self._clock = clock
        self._splitter = splitter
        self._from_start = from_start
        self._say = say
        self._files: dict[Key, _File] = {}
        self._at: dict[str, Key] = {}
        self._discover_s = 0.0
        self._looked = False
        self._turn = 0
        self._open = 0
        self.turns = threading.RLock()
        self._given = 0
        self._acknowledged = 0
        self.adopted = 0
        self._taken_over: list[tuple[int, Place]] = []  # safe once so many chunks are
        self._moved: list[Place] = []

    @_in_turn
    def poll(self, budget_bytes: int) -> list[Chunk]:
        """What the files have now, about so many bytes at most. Empty when there is nothing new."""
        now_s = self._clock.monotonic()
        if now_s >= self._discover_s:
            self._discover(now_s)
        seen = int(self._clock.now().timestamp())
        due = [file for file in self._files.values() if file.due_s <= now_s]
        self._turn = (self._turn + 1) % max(1, len(due))
        self._open = sum(file.reading.is_open for file in self._files.values())
        found: list[Chunk] = []
        for file in [*due[self._turn :], *due[: self._turn]]:
            if budget_bytes <= 0:
                break
            self._open += not file.reading.is_open
            for chunk in self._look(file, now_s, seen):
                found.append(chunk)
                self._given += 1
                budget_bytes -= chunk.place.offset - chunk.start
                if budget_bytes <= 0:
                    break
        return found

    @_in_turn
    def done(self, chunk: Chunk) -> None:
        """The chunk is safe. Call it in the order in which chunks were given out."""
        self._places[chunk.place.key] = chunk.place
        self._acknowledged += 1
        self._settle()

    @_in_turn
    def places(self) -> list[Place]:
        """To begin from the next time; without files that are long gone."""
        oldest = int(self._clock.now().timestamp()) - KEPT_S
        return [place for key, place in self._places.items() if key in self._files or place.seen >= oldest]

    def moved(self) -> list[Place]:
        """Places that copies took over since the last call: for who keeps each chunk's place with the chunk."""
        moved, self._moved = self._moved, []
        return moved

    @_in_turn
    def finish(self) -> list[Chunk]:
        """The last records, which might have gone on. A line without an end only where the file is quiet for long."""
        seen = int(self._clock.now().timestamp())
        found = []
        for file in self._files.values():
            if file.reading.is_open and file.reading.pending:
                status = regular(file.reading.path)
                chunk = file.reading.finish(seen, whole=status is None or seen - status.st_mtime >= QUIET_S)
                if chunk is not None:
                    found.append(chunk)
                    self._given += 1
        return found

    @_in_turn
    def close(self) -> None:
        for file in self._files.values():
            file.reading.close()

    # --- which files there are ----------------------------------------------------------------------------------

    def _discover(self, now_s: float) -> None:
        started_s = self._clock.monotonic()
        for path in self._paths():
            found = regular(path)
            if found is None:
                continue
            key = (found.st_dev, found.st_ino)
            file = self._files.get(key)
            if file is None:
                self._adopt(path, found, now_s)
            elif file.gone_s is not None or (file.reading.path != path and not is_still(file.reading.path, key)):
                file.reading.path = path
                file.gone_s = None
                self._at[path] = key
        if not self._looked:
            self._looked = True
            self._adopt_orphans(now_s)
        cost_s = self._clock.monotonic() - started_s
        self._discover_s = now_s + max(_DISCOVER_S, 50 * cost_s)

    def _paths(self) -> Iterator[str]:
        for pattern in self._patterns:
            if glob.has_magic(pattern):
                yield from (path for path in sorted(glob.iglob(pattern, recursive=True)) if is_wanted(path))
            else:
                yield pattern

    def _adopt(self, path: str, found: os.stat_result, now_s: float) -> _File:
        key = (found.st_dev, found.st_ino)
        place = self._places.get(key)
        seen = int(self._clock.now().timestamp())
        if place is None:
            place = Place(*key, born=secrets.token_hex(8), path=path, seen=seen)
            original = self._original_of(path, place)
            if original is not None:
                place = moved_to(original.reading.place, place)
            elif not self._looked and not self._from_start(path):
                place = at_end(path, place)
            if original is None:
                self._places[key] = place
                self.adopted += 1
            file = self._files[key] = _File(Reading(path, place, self._splitter), now_s)
            file.copy_of = None if original is None else original.key
        else:
            file = self._files[key] = _File(Reading(path, place, self._splitter), now_s)
        self._at[path] = key
        return file

    def _adopt_orphans(self, now_s: float) -> None:
        """Files of the last run that were renamed since, to names that no pattern fits."""
        for place in list(self._places.values()):
            if place.key not in self._files and place.path and is_wanted(place.path):
                path = name_of(place.path, place.key)
                if path is not None:
                    file = self._files[place.key] = _File(Reading(path, place, self._splitter), now_s)
                    file.gone_s = now_s

    def _original_of(self, path: str, place: Place) -> _File | None:
        """The watched file of which this new one is a copy, as far as that was read."""
        directory, name = os.path.split(path)
        suffix = os.path.splitext(name)[1]
        for match in reversed(list(BREAK.finditer(name))):
            prefix = name[: match.start()]
            for candidate in (prefix, prefix + suffix):
                file = self._files.get(self._at.get(os.path.join(directory, candidate), (0, 0)))
                if file is not None and file.key != place.key and is_copy(path, file.reading.place):
                    return file
        return None

    # --- one file -----------------------------------------------------------------------------------------------

    def _look(self, file: _File, now_s: float, seen: int) -> Iterator[Chunk]:
        try:
            if file.copy_of is not None and not self._released(file, now_s):
                return
            if file.gone_s is None and not self._still_named(file, now_s):
                return
            more = not file.ignored and (file.reading.is_open or self._grew(file))  # open files are just read
            moved = False
            while more:
                chunk, more = file.reading.read(now_s, seen)
                moved = moved or more or chunk is not None
                if chunk is not None:
                    yield chunk
            if moved:
                file.active_s = now_s
            yield from self._rested(file, now_s, seen, moved)
        except Rewritten:
            yield from self._rewritten(file, now_s, seen)
            yield from self._look(file, now_s, seen)
        except FileNotFoundError:
            self._lost_name(file, now_s)
        except OSError as error:
            file.due_s = now_s + 5.0
            self._say(f"cannot be read: {error.strerror}", file.reading.path)

    def _still_named(self, file: _File, now_s: float) -> bool:
        """False when its name is gone or another file's; then it is looked for and read to its end."""
        found = os.stat(file.reading.path)
        if (found.st_dev, found.st_ino) == file.key:
            return True
        path = file.reading.path
        self._lost_name(file, now_s)
        if (found.st_dev, found.st_ino) not in self._files and stat.S_ISREG(found.st_mode):
            self._adopt(path, found, now_s)
        return False

    def _lost_name(self, file: _File, now_s: float) -> None:
        if self._at.get(file.reading.path) == file.key:
            del self._at[file.reading.path]
        path = name_of(file.reading.path, file.key)
        if path is not None:
            file.reading.path = path
        elif not file.reading.is_open:
            self._drop(file)
            return
        if file.gone_s is None:
            file.gone_s = file.active_s = now_s

    def _grew(self, file: _File) -> bool:
        size = os.stat(file.reading.path).st_size
        if size == file.reading.read_offset:
            return file.reading.pending
        if size < file.reading.read_offset:
            raise Rewritten
        if file.reading.place.offset == 0 and is_binary(file.reading.path):
            file.ignored = True
            self._say("is not text: left out", file.reading.path)
            return False
        return True

    def _rested(self, file: _File, now_s: float, seen: int, moved: bool) -> Iterator[Chunk]:
        """When to look again, and whether to keep it open."""
        idle_s = now_s - file.active_s
        if file.gone_s is not None and idle_s >= QUIET_S:
            chunk = file.reading.finish(seen, whole=True) if file.reading.is_open else None
            self._drop(file)
            if chunk is not None:
                yield chunk
            return
        file.due_s = 0.0 if moved or idle_s < 10.0 else now_s + (1.0 if idle_s < 600.0 else 2.0)
        if not file.reading.is_open:
            return
        if self._open > _MAX_OPEN:  # lines that might have gone on do not wait for that
            chunk = file.reading.finish(seen, whole=False)
            file.reading.close()
            if chunk is not None:
                yield chunk
        elif not file.reading.pending and idle_s > _OPEN_S:
            file.reading.close()

    def _rewritten(self, file: _File, now_s: float, seen: int) -> Iterator[Chunk]:
        """What was read and not given out comes from the copy, if there is one, else from memory."""
        before = file.reading.place
        path = file.reading.path
        if not self._went_on_in_copy(file, now_s, seen) and file.reading.is_open:
            chunk = file.reading.finish(seen, whole=True)
            if chunk is not None:
                yield chunk
        file.reading.close()
        place = Place(*file.key, born=digest(before.born.encode()), path=path, seen=seen)
        file.reading = Reading(path, place, self._splitter)
        file.active_s = now_s
        file.ignored = False
        self._say("was truncated or written anew: read from its start", path)

    def _went_on_in_copy(self, file: _File, now_s: float, seen: int) -> bool:
        before = file.reading.place
        copy = next((each for each in self._files.values() if each.copy_of == file.key), None)
        if copy is not None:
            self._take_over(copy, before)
            return True
        path = copy_beside(file.reading.path, before, self._files) if before.offset else None
        found = regular(path) if path is not None else None
        if path is None or found is None:
            return False
        place = moved_to(before, Place(found.st_dev, found.st_ino, path=path, seen=seen))
        made = self._files[place.key] = _File(Reading(path, place, self._splitter), now_s)
        made.gone_s = now_s
        self._remember(place)
        return True

    def _released(self, copy: _File, now_s: float) -> bool:
        """Whether a copy that waits may be read: its original is gone, or was not truncated for long."""
        assert copy.copy_of is not None
        original = self._files.get(copy.copy_of)
        if original is not None and now_s - copy.active_s < QUIET_S:
            return False
        before = original.reading.place if original is not None else self._places.get(copy.copy_of)
        self._take_over(copy, before or copy.reading.place)
        return True

    def _take_over(self, copy: _File, before: Place) -> None:
        """The copy goes on where its original was; behind its own end if the original went on after it was made."""
        copy.copy_of = None
        path, place = copy.reading.path, copy.reading.place
        place = moved_to(before, place) if is_copy(path, before) else at_end(path, place)
        copy.reading = Reading(path, place, self._splitter)
        self._remember(place)

    def _remember(self, place: Place) -> None:
        """The place of a file that gave nothing itself yet; safe once what was given before is."""
        self._taken_over.append((self._given, place))
        self._moved.append(place)
        self._settle()

    def _settle(self) -> None:
        while self._taken_over and self._taken_over[0][0] <= self._acknowledged:
            place = self._taken_over.pop(0)[1]
            self._places[place.key] = place

    def _drop(self, file: _File) -> None:
        file.reading.close()
        self._files.pop(file.key, None)
