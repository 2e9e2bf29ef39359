"""The built front end: hashed files, their names by source, and the drawings of the icons.

`make build` fills `static/built/`. Where that has not run, pages still render, without style: `missing` says so.
"""

from __future__ import annotations

import mimetypes
from functools import cached_property
from pathlib import Path
from typing import Final

import brotli
import msgspec

from dxops.base.errors import Missing

BUILT: Final = Path(__file__).parent / "static" / "built"
_COMPRESSIBLE: Final = (".js", ".css", ".svg", ".json")


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One built file. `compressed` is its brotli form where that is worth sending."""

    body: bytes
    content_type: str
    compressed: bytes | None


class _Entry(msgspec.Struct, frozen=True):
    file: str
    css: tuple[str, ...] = ()


class Assets:
    """Reads `directory` once, at the first use; what is built later needs a restart."""

    def __init__(self, directory: Path = BUILT) -> None:
        self._directory = directory
        self._served: dict[str, Asset] = {}

    @cached_property
    def _entries(self) -> dict[str, _Entry]:
        path = self._directory / "manifest.json"
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Entry]) if path.is_file() else {}

    @cached_property
    def _icons(self) -> dict[str, str]:
        path = self._directory / "icons.json"
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.is_file() else {}

    @property
    def missing(self) -> bool:
        """True where the front end has not been built."""
        return not self._entries

    def url(self, source: str) -> str:
        """The address of a source (`src/main.ts`), hashed."""
        entry = self._entries.get(source)
        return f"/assets/{entry.file}" if entry else f"/assets/unbuilt/{source}"

    def drawing(self, icon: str) -> str:
        """What goes inside an icon's `<svg>`: our own build's output, safe to inline. Raises `Missing`."""
        if self.missing:
            return ""
        if icon not in self._icons:
            raise Missing(f"no icon '{icon}'", hint="add it to frontend/icons.json and build")
        return self._icons[icon]

    def open(self, name: str) -> Asset:
        """A built file by its path below `/assets/`. Raises `Missing`, also for anything outside the built tree."""
        known = self._served.get(name)
        if known is not None:
            return known
        path = (self._directory / name.replace("\0", "")).resolve()
        if not path.is_relative_to(self._directory.resolve()) or not path.is_file() or path.name.startswith("."):
            raise Missing(f"no asset '{name}'", hint="reload the page: it was made for another build")
        body = path.read_bytes()
        compressed = brotli.compress(body, quality=9) if path.suffix in _COMPRESSIBLE else None
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if content_type.startswith("text/") or path.suffix == ".js":
            content_type = f"{content_type}; charset=utf-8"
        made = Asset(body=body, content_type=content_type, compressed=compressed)
        self._served[name] = made
        return made
