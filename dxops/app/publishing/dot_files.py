"""Which files whose name starts with a dot are published: `.well-known` always, others where somebody chose them.

A build's output often holds what nobody means to publish. What is left out is said, so that nobody looks for it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

ALWAYS: Final = ".well-known"  # RFC 8615: app links, security.txt, passkeys
NEVER: Final = (
    ".git",
    ".git-credentials",
    ".hg",
    ".svn",
    ".env*",
    ".dev.vars*",
    ".npmrc",
    ".yarnrc*",
    ".netrc",
    ".pypirc",
    ".htpasswd",
    ".ssh",
    ".aws",
)
"""History and credentials."""
_JUNK: Final = frozenset({".DS_Store", ".gitkeep"})  # not worth a word at each publish
_SHOWN: Final = 8


class DotFiles:
    """Decides for one upload and remembers what it left out. `wanted` is True for all, or patterns of names
    (`.nojekyll`, `.config*`) or of paths below the output (`docs/.meta/*`)."""

    def __init__(self, wanted: bool | Sequence[str] = False) -> None:
        self._wanted = wanted
        self._left_out: set[str] = set()
        self._refused: set[str] = set()

    def __call__(self, path: bytes) -> bool:
        """Whether to publish the entry at this path, whose name starts with a dot."""
        text = os.fsdecode(path)
        name = text.rpartition("/")[2]
        if name in _JUNK:
            return False
        if any(fnmatchcase(name, pattern) for pattern in NEVER):
            self._refused.add(text)
            return False
        if name == ALWAYS or self._chosen(name, text):
            return True
        self._left_out.add(text)
        return False

    def warnings(self) -> list[str]:
        """What was left out, for people."""
        found = []
        if self._left_out:
            found.append(
                f"left out: {_list(self._left_out)}; to publish dot-files besides {ALWAYS}, name them in "
                "build.dotfiles of dx.yml, or pass --dotfiles"
            )
        if self._refused:
            found.append(f"left out, as history and credentials always are: {_list(self._refused)}")
        return found

    def _chosen(self, name: str, path: str) -> bool:
        if isinstance(self._wanted, bool):
            return self._wanted
        return any(fnmatchcase(name, pattern) or fnmatchcase(path, pattern) for pattern in self._wanted)


def _list(paths: set[str]) -> str:
    shown = sorted(paths)
    text = ", ".join(path.encode("utf-8", "backslashreplace").decode() for path in shown[:_SHOWN])
    return f"{text} and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else text
