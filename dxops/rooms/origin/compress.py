"""Compressed forms of one file. Pure, and slow: call it in a thread (all three libraries release the GIL)."""

from __future__ import annotations

import zlib
from typing import Final

import brotli
import zstandard

MIN_BYTES: Final = 256
MAX_BYTES: Final = 8 * 1024 * 1024

# Brotli 5 and zstd 10 are where a release of 20 MB takes about a second of two cores; the best levels take ten times
# that for 5 to 8 % fewer bytes.
_BROTLI: Final = 5
_ZSTD: Final = 10
_GZIP: Final = 6
_WORTH: Final = 0.95
_SAVES_BYTES: Final = 64


def variants_of(data: bytes) -> list[tuple[str, bytes]]:
    """(coding, bytes) of each form that is worth it: 5 % and 64 bytes smaller. The same data gives the same bytes."""
    if not MIN_BYTES <= len(data) <= MAX_BYTES:
        return []
    limit = min(len(data) * _WORTH, len(data) - _SAVES_BYTES)
    made = [("br", _brotli(data)), ("zstd", _zstd(data)), ("gzip", _gzip(data))]
    return [(coding, body) for coding, body in made if len(body) <= limit]


def _brotli(data: bytes) -> bytes:
    return bytes(brotli.compress(data, quality=_BROTLI))


def _zstd(data: bytes) -> bytes:
    # Browsers refuse windows over 8 MiB (RFC 9659); level 10 stays below.
    return zstandard.ZstdCompressor(level=_ZSTD, write_checksum=False).compress(data)


def _gzip(data: bytes) -> bytes:
    # No file name and no time: deterministic, unlike gzip.compress before Python 3.11.
    packer = zlib.compressobj(_GZIP, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()
