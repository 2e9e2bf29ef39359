"""Which apps a directory holds."""

from __future__ import annotations

import os
from pathlib import Path

from dxops.base.errors import Missing, Refused
from dxops.wire.dxyml import DxYml, Module, parse_dxyml

NAMES = ("dx.yml", "dx.yaml")
_SKIPPED = frozenset({"node_modules", "dist", "out", "build", "target", "vendor", "__pycache__"})
_MAX_DEPTH = 6


def find_files(directory: Path) -> list[Path]:
    """The `dx.yml` of `directory`, else every one below it, by path: not inside one another's directory, not in
    hidden or generated directories. Raises `Missing` where there is none."""
    if directory.is_file():
        return [directory]
    if not directory.is_dir():
        raise Missing(f"no directory {directory}")
    if here := _in(directory):
        return [here]
    found: list[Path] = []
    for root, folders, _ in os.walk(directory):
        place = Path(root)
        if place != directory and (file := _in(place)):
            found.append(file)
            folders.clear()
            continue
        deep = len(place.relative_to(directory).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
    if not found:
        raise Missing(f"no dx.yml in {directory} or below it", hint="write one, see `docs/operate/publish.md`")
    return sorted(found)


def read_file(path: Path) -> DxYml:
    """Parse it. Raises `DxYmlFaults`, `Refused` for a file that cannot be read."""
    try:
        return parse_dxyml(path.read_bytes(), str(path))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error


def output_directory(place: Path, module: Module) -> Path:
    """Where a build left its result: `build.outdir`, else `out/<name, ":" as "/">` if that exists, else `out`. Raises
    `Refused` where it does not exist."""
    if module.build.outdir:
        chosen = place / module.build.outdir
    else:
        own = place / "out" / module.name.replace(":", "/")
        chosen = own if own.exists() else place / "out"
    if not chosen.exists():
        raise Refused(
            f"{module.name}: the output {chosen} does not exist",
            code="no_output",
            hint="did the build write elsewhere? Set build.outdir in dx.yml",
        )
    return chosen


def _in(place: Path) -> Path | None:
    return next((place / name for name in NAMES if (place / name).is_file()), None)
