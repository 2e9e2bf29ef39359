"""Media types by file name, else by the first bytes, for content that anyone may have published."""

from __future__ import annotations

from typing import Final

from dxops.wire.mime import type_of

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"), (b"PK\x03\x04", "application/zip"), (b"\x1f\x8b", "application/gzip"),
    (b"\0asm", "application/wasm"), (b"wOF2", "font/woff2"), (b"ID3", "audio/mpeg"), (b"OggS", "application/ogg"),
)  # fmt: skip


def media_type(name: str, head: bytes = b"") -> str:
    """The type of a file called `name` that begins with `head` (512 bytes are plenty), with its charset for text."""
    kind = type_of(name) or _sniff(head)
    return f"{kind}; charset=utf-8" if kind in ("text/html", "text/plain", "image/svg+xml") else kind


def _sniff(head: bytes) -> str:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    start = head.lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in head):
        return "image/svg+xml"
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character may be cut by the end of the sample
            return "application/octet-stream"
        text = head[: error.start].decode()
    return "text/plain" if all(c.isprintable() or c in "\r\n\t" for c in text) else "application/octet-stream"
