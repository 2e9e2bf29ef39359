"""What every log line has under one of many names, as columns of their own: level, service, host, environment.

They serve histograms, facets and ready-made views whatever the sender called them; queries on names ask `attrs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from dxops.wire.clickhouse_native import Dictionary

LEVELS: Final = ("trace", "debug", "info", "notice", "warn", "error", "fatal")

_NAMES: Final[dict[str, tuple[bytes, ...]]] = {
    "level": (
        b"log.level", b"level", b"severity", b"severity_text", b"loglevel", b"lvl", b"levelname", b"priority",
        b"syslog.severity.name", b"log.syslog.severity.name", b"log.syslog.severity.code", b"syslog_severity",
        b"PRIORITY", b"level_name", b"@level",
    ),
    "service": (
        b"service.name", b"service", b"app", b"application", b"app.name", b"role", b"program", b"programname",
        b"syslogtag", b"process.name", b"appname", b"kubernetes.container.name", b"container.name",
        b"SYSLOG_IDENTIFIER", b"fileset.name",
    ),
    "host": (
        b"host.name", b"host.hostname", b"host", b"hostname", b"HOST", b"agent.hostname", b"beat.hostname",
        b"kubernetes.node.name", b"_HOSTNAME", b"source_host",
    ),
    "environment": (
        b"service.environment", b"environment", b"env", b"deployment.environment", b"dx.environment", b"labels.env",
    ),
}  # fmt: skip
COLUMNS: Final = tuple(_NAMES)


def names_of(column: str) -> list[str]:
    """The names of fields that a column is taken from."""
    return [name.decode() for name in _NAMES[column]]


_LEVEL_OF: Final = {
    **{name: name for name in LEVELS},
    "trc": "trace", "verbose": "trace", "silly": "trace", "finest": "trace", "finer": "trace", "fine": "debug",
    "dbg": "debug", "d": "debug", "config": "debug", "i": "info", "inf": "info", "information": "info",
    "informational": "info", "log": "info", "default": "info", "w": "warn", "wrn": "warn", "warning": "warn",
    "e": "error", "err": "error", "eror": "error", "severe": "error", "failure": "error", "f": "fatal",
    "crit": "fatal", "critical": "fatal", "alert": "fatal", "emerg": "fatal", "emergency": "fatal", "panic": "fatal",
    # syslog's severities
    "0": "fatal", "1": "fatal", "2": "fatal", "3": "error", "4": "warn", "5": "notice", "6": "info", "7": "debug",
    # pino and bunyan
    "10": "trace", "20": "debug", "30": "info", "40": "warn", "50": "error", "60": "fatal",
}  # fmt: skip

_MAX_BYTES: Final = 128
_JSON: Final = b"[{"


def level_of(text: str) -> str:
    """One of `LEVELS`, or the text itself in lower case: `WARNING` is `warn`."""
    text = text.strip().lower()
    return _LEVEL_OF.get(text, text)


class Hot:
    """Finds the four columns' values. Remembers where they stand in each row of names it has seen (bounded)."""

    def __init__(self) -> None:
        self._places: dict[tuple[bytes, ...], tuple[tuple[int, ...], ...]] = {}
        self._levels: dict[bytes, bytes] = {}
        self._meant = tuple(self._level if column == "level" else _best for column in COLUMNS)

    def add(
        self, columns: Sequence[Dictionary], names: tuple[bytes, ...], values: Sequence[bytes], documents: int
    ) -> None:
        """The next rows of `COLUMNS`: documents that have these names, and `values` in that order one after another."""
        for column, places, meant in zip(columns, self._places_of(names), self._meant, strict=True):
            found = [values[place :: len(names)] for place in places]
            if not found:
                column.add_same(b"", documents)
            elif len(found) == 1:
                column.add_meant(found[0], partial(_of_one, meant))
            else:
                column.add_meant(list(zip(*found, strict=True)), meant)

    def _places_of(self, names: tuple[bytes, ...]) -> tuple[tuple[int, ...], ...]:
        """For each of `COLUMNS`: the indices of its candidates in `names`, best first."""
        known = self._places.get(names)
        if known is None:
            where = {name: index for index, name in enumerate(names)}
            known = tuple(tuple(where[name] for name in _NAMES[column] if name in where) for column in COLUMNS)
            if len(self._places) > 8192:
                self._places.clear()
            self._places[names] = known
        return known

    def _level(self, values: tuple[bytes, ...]) -> bytes:
        """One of `LEVELS`, or the value itself in lower case where it is none of the names we know."""
        value = _best(values)
        known = self._levels.get(value)
        if known is None:
            known = level_of(value[:_MAX_BYTES].decode("utf-8", "ignore")).encode()
            if len(self._levels) > 4096:
                self._levels.clear()
            self._levels[value] = known
        return known


def _of_one(meant: Callable[[tuple[bytes, ...]], bytes], value: bytes) -> bytes:
    return meant((value,))


def _best(values: tuple[bytes, ...]) -> bytes:
    """The first that may stand in a column of few values: nothing long, no JSON."""
    for value in values:
        if value and len(value) <= _MAX_BYTES and value[0] not in _JSON:
            return value
    return b""
