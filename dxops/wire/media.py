"""Media types by file name, the same on every machine, with a look at the first bytes where the name says nothing."""

from __future__ import annotations

from mimetypes import MimeTypes
from typing import Final

_OURS: Final = {
    ".avif": "image/avif", ".car": "application/vnd.ipld.car", ".cjs": "text/javascript", ".css": "text/css",
    ".htm": "text/html", ".html": "text/html", ".ico": "image/x-icon", ".js": "text/javascript",
    ".json": "application/json", ".jsonld": "application/ld+json", ".map": "application/json", ".md": "text/markdown",
    ".mjs": "text/javascript", ".otf": "font/otf", ".svg": "image/svg+xml", ".toml": "text/plain", ".ts": "text/plain",
    ".ttf": "font/ttf", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json",
    ".webm": "video/webm", ".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2",
    ".xml": "application/xml", ".yaml": "text/plain", ".yml": "text/plain",
}  # fmt: skip
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"), (b"PK\x03\x04", "application/zip"), (b"\x1f\x8b", "application/gzip"),
    (b"\0asm", "application/wasm"), (b"wOF2", "font/woff2"), (b"ID3", "audio/mpeg"), (b"OggS", "application/ogg"),
)  # fmt: skip
_TEXTUAL: Final = frozenset({"application/json", "application/xml", "application/manifest+json", "image/svg+xml"})
_table = MimeTypes(filenames=())
for _suffix, _type in _OURS.items():
    _table.add_type(_type, _suffix)


def media_type(name: str, head: bytes = b"") -> str:
    """The type of a file called `name` that begins with `head` (512 bytes are plenty), with its charset for text."""
    guessed, encoding = _table.guess_type("x/" + name.rpartition("/")[2].lower(), strict=False)
    if encoding:  # `x.tar.gz` is a gzip file, not a tar that the browser should unpack
        guessed = "application/gzip" if encoding == "gzip" else "application/octet-stream"
    kind = guessed or _sniff(head)
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind in _TEXTUAL else kind


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
