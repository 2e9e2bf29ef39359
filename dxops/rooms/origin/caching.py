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

_EXTENSION: Final = re.compile(r"[a-z][a-z0-9]{0,7}")
_MAX_EXTENSIONS: Final = 3  # main.3f2a9c1b.chunk.js.map
_HEX: Final = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,64}")
_BARE_HEX_LENGTH: Final = 16
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]{8}")
_BASE32: Final = re.compile(r"[A-Z2-7]{8}")
_SIZE_OR_DATE: Final = re.compile(r"[0-9_-]+(x[0-9]+)?")
_WORD_AND_NUMBER: Final = re.compile(r"[A-Za-z]{3,}[0-9]+")

_NO, _LIKELY, _SURE = 0, 1, 2


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
        if certainty == _SURE:
            folders.add((folder, separator))
        if certainty == _SURE or _RESERVED.search(path) or (certainty == _LIKELY and _ENTRY.search(path)):
            sure.add(path)
        elif certainty == _LIKELY:
            likely.append((path, (folder, separator)))
    return frozenset(sure | {path for path, place in likely if place in folders})


def _certainty(name: str) -> tuple[int, str]:
    """How sure it is that a hash ends the name, before its extensions; and the separator before that hash."""
    best = (_NO, "")
    stem = name
    for _ in range(_MAX_EXTENSIONS):
        stem, dot, extension = stem.rpartition(".")
        if not dot or not _EXTENSION.fullmatch(extension):
            break
        best = max(best, _stem_certainty(stem, is_script=extension_of(name) in _SCRIPTS))
    return best


def _stem_certainty(stem: str, *, is_script: bool) -> tuple[int, str]:
    if len(stem) >= _BARE_HEX_LENGTH and _HEX.fullmatch(stem):
        return _SURE, ""
    cut = max(stem.rfind("-"), stem.rfind("."))
    if cut > 0 and _HEX.fullmatch(stem[cut + 1 :]):
        return _SURE, stem[cut]
    # base64url may hold the separator itself, so the last eight characters count, not the last part.
    if len(stem) > 9 and stem[-9] in "-." and _BASE64.fullmatch(stem[-8:]):
        return _token_certainty(stem[-8:], is_script=is_script), stem[-9]
    return _NO, ""


def _token_certainty(token: str, *, is_script: bool) -> int:
    """Of eight characters of base64url: what else they might be."""
    digits = sum(character.isdigit() for character in token)
    mixed_case = token.lower() != token != token.upper()
    if _SIZE_OR_DATE.fullmatch(token) or (token.islower() and ("-" in token or not digits)):
        return _NO  # 20231231, 1024x768, my-words, settings
    if _BASE32.fullmatch(token):
        return _SURE if is_script or digits else _NO  # esbuild; but README-IMPORTAN.txt
    if not digits:
        return _LIKELY if mixed_case else _NO  # DiwrgTda; but also DataGrid
    if _WORD_AND_NUMBER.fullmatch(token):
        return _LIKELY if mixed_case else _NO  # Ayuvusp4; but also iPhone14
    return _SURE if mixed_case or len(re.findall(r"[0-9]+", token)) > 1 else _LIKELY


def is_service_worker(path: str) -> bool:
    """True for the usual names of service worker scripts, which browsers must always revalidate."""
    return _SERVICE_WORKER.search(path) is not None


def outlives_release(path: str, *, is_document: bool) -> bool:
    """True if a file of an earlier release may still answer: an open page asks for its chunks, but must not get an old
    page, nor keep a service worker or a web manifest that the new release has dropped."""
    return not (is_document or is_service_worker(path) or _MANIFEST.search(path))
