"""Which files may be cached for ever: those whose name a bundler made from their content.

A wrong "for ever" leaves people on an old file for a year, a missed one costs a revalidation. So a name must show a
hash that no word, version, date or size looks like; a less certain one (eight letters, as Vite makes one time in five)
counts only beside files that leave no doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from dxops.wire.mime import extension_of

IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"

# Folders that a framework reserves for hashed output.
_RESERVED: Final = re.compile(r"(^|/)(_app/immutable|_next/static)/")
# What a bundler calls its entry points, in the folders that it writes to.
_ENTRY: Final = re.compile(
    r"(^|/)(assets|_astro|_nuxt|build|chunks|static/(js|css))/(index|main|app|entry|vendor|style)[-.]"
)
_NEVER: Final = frozenset({"html", "htm", "xhtml", "webmanifest"})
_SCRIPTS: Final = frozenset({"js", "mjs", "css", "map"})
_SERVICE_WORKER: Final = re.compile(
    r"(^|/)(sw|service[-_.]?worker|firebase-messaging-sw|ngsw-worker|onesignalsdkworker|registersw)([-.][a-z]+)*\.m?js$",
    re.IGNORECASE,
)
_MANIFEST: Final = re.compile(r"(^|/)(site\.|app\.)?manifest\.json$|\.webmanifest$", re.IGNORECASE)

# name, separator, token, then what may follow a hash: .js, .chunk.js, .min.css, .js.map, .module.js
_TOKEN: Final = re.compile(r"(?:^|.*?[^.-])([.-])([A-Za-z0-9_-]+)((?:\.[a-z][a-z0-9]{0,7}){1,3})")
_BARE: Final = re.compile(r"([0-9a-f]{16,64})((?:\.[a-z][a-z0-9]{0,7}){1,3})")
_HEX: Final = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,64}")
_ROLLUP: Final = re.compile(r"[A-Za-z0-9_-]{8}")
_BASE32: Final = re.compile(r"[A-Z2-7]{8}")
_WORD: Final = re.compile(r"[A-Za-z]?[a-z]*[0-9]*|[A-Z]+[0-9]*|[0-9]+x[0-9]+")


def hashed_files(paths: Iterable[str]) -> frozenset[str]:
    """Those of one release's `paths` that carry a content hash."""
    sure: set[str] = set()
    likely: list[tuple[str, tuple[str, str]]] = []
    folders: set[tuple[str, str]] = set()
    for path in paths:
        if extension_of(path) in _NEVER:
            continue
        folder, _, name = path.rpartition("/")
        certainty, separator = _certainty(name)
        if certainty == 2 or _RESERVED.search(path):
            sure.add(path)
            if certainty == 2:
                folders.add((folder, separator))
        elif certainty == 1 and _ENTRY.search(path):
            sure.add(path)
        elif certainty == 1:
            likely.append((path, (folder, separator)))
    return frozenset(sure | {path for path, place in likely if place in folders})


def _certainty(name: str) -> tuple[int, str]:
    """(2 sure, 1 likely, 0 no; the separator before the hash)."""
    if match := _BARE.fullmatch(name):
        return (2 if _HEX.fullmatch(match[1]) else 0), ""
    # A base64url hash may hold the separator itself, so the last eight characters count before the first word does.
    stem, dot, suffixes = name.partition(".")
    if dot and len(stem) > 9 and stem[-9] in "-." and _ROLLUP.fullmatch(stem[-8:]):
        return _rollup_certainty(stem[-8:], suffixes), stem[-9]
    best = (0, "")
    for start in (index for index, character in enumerate(name) if character in ".-"):
        match = _TOKEN.fullmatch(name[max(0, start - 1) :])
        if match is None or start == 0:
            continue
        if _HEX.fullmatch(match[2]):
            return 2, match[1]
        if match[1] == "." and _ROLLUP.fullmatch(match[2]):
            best = max(best, (_rollup_certainty(match[2], match[3]), match[1]))
    return best


def _rollup_certainty(token: str, suffixes: str) -> int:
    if _HEX.fullmatch(token):
        return 2
    letters = sum(character.isalpha() for character in token)
    if letters == 0 or ("-" in token.strip("-") and token.islower()):
        return 0  # 20231231, 2023-12-; `my-words`
    if _BASE32.fullmatch(token):
        return 2 if extension_of("x." + suffixes.lstrip(".")) in _SCRIPTS or letters < 8 else 0
    kinds = sum((token.lower() != token, token.upper() != token, letters < 8))
    if _WORD.fullmatch(token):
        return 0 if token.islower() or not suffixes else 1 if kinds >= 2 and letters == 8 else 0
    if letters == 8:
        return 1 if kinds >= 2 else 0  # DiwrgTda, but also DataGrid
    trailing = token.rstrip("0123456789")
    if trailing.isalpha() and len(trailing) >= 3:
        return 1 if kinds == 3 else 0  # iPhone14
    runs = len(re.findall(r"[0-9]+", token))
    return 2 if kinds == 3 or runs >= 2 else 1


def is_service_worker(path: str) -> bool:
    """True for the usual names of service worker scripts, which browsers must always revalidate."""
    return _SERVICE_WORKER.search(path) is not None


def outlives_release(path: str, *, is_document: bool) -> bool:
    """True if a file of an earlier release may still answer: an open page asks for its chunks, but must not get an old
    page, nor keep a service worker or a web manifest that the new release has dropped."""
    return not (is_document or is_service_worker(path) or _MANIFEST.search(path))
