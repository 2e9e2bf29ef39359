"""Media types by file name, and which of them compress.

The table is ours, not the machine's `/etc/mime.types`: the same release has the same types everywhere.
"""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "application/octet-stream"

_UTF8: Final = "; charset=utf-8"

_TEXT: Final = {
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "application/xhtml+xml",
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "cjs": "text/javascript",
    "txt": "text/plain",
    "text": "text/plain",
    "log": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "ics": "text/calendar",
    "vcf": "text/vcard",
    "vtt": "text/vtt",
    "xml": "application/xml",
    "xsl": "application/xslt+xml",
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "toml": "application/toml",
    "proto": "text/plain",
    "ts": "text/plain",
    "tsx": "text/plain",
    "jsx": "text/plain",
}

_OTHER: Final = {
    # JSON is UTF-8 by its own standard; a charset parameter would be meaningless.
    "json": "application/json",
    "json5": "application/json5",
    "jsonld": "application/ld+json",
    "geojson": "application/geo+json",
    "map": "application/json",
    "webmanifest": "application/manifest+json",
    "ndjson": "application/x-ndjson",
    "wasm": "application/wasm",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "gz": "application/gzip",
    "tgz": "application/gzip",
    "br": "application/x-brotli",
    "zst": "application/zstd",
    "tar": "application/x-tar",
    "7z": "application/x-7z-compressed",
    "car": "application/vnd.ipld.car",
    "bin": UNKNOWN,
    "sqlite": "application/vnd.sqlite3",
    "svg": "image/svg+xml",
    "png": "image/png",
    "apng": "image/apng",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "jxl": "image/jxl",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "ico": "image/x-icon",
    "cur": "image/x-icon",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "weba": "audio/webm",
    "mid": "audio/midi",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "webm": "video/webm",
    "ogv": "video/ogg",
    "mov": "video/quicktime",
    "m3u8": "application/vnd.apple.mpegurl",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "eot": "application/vnd.ms-fontobject",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "onnx": UNKNOWN,
    "crx": "application/x-chrome-extension",
}

_BY_NAME: Final = {
    "apple-app-site-association": "application/json",
    "robots.txt": "text/plain" + _UTF8,
}

_TYPES: Final = {**{extension: kind + _UTF8 for extension, kind in _TEXT.items()}, **_OTHER}

_COMPRESSIBLE: Final = frozenset(
    {
        "application/wasm",
        "application/pdf",
        "application/x-tar",
        "application/vnd.ms-fontobject",
        "application/vnd.sqlite3",
        "application/yaml",
        "application/toml",
        "application/json5",
        "application/x-ndjson",
        "application/vnd.apple.mpegurl",
        "font/ttf",
        "font/otf",
        "image/bmp",
        "image/x-icon",
        "image/tiff",
        "model/gltf-binary",
    }
)


def extension_of(name: str) -> str:
    """The extension of a path's last segment in lower case, without the dot; "" for none and for `.hidden`."""
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    return extension.lower() if dot and stem else ""


def type_of(name: str) -> str | None:
    """The `Content-Type` for a path, with its charset; None when the name does not tell."""
    last = name.rpartition("/")[2].lower()
    return _BY_NAME.get(last) or _TYPES.get(extension_of(last))


def type_of_content(start: bytes) -> str:
    """A type for a name that does not tell, from the first bytes: text that is UTF-8, else unknown.

    Never HTML or a script: what its name does not declare as active content is not run.
    """
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # not just a character cut at the end
            return UNKNOWN
    return UNKNOWN if not start or b"\0" in start else "text/plain" + _UTF8


def is_known_asset(path: str) -> bool:
    """True if the name declares a file (`/a/b.js`), which is never a route of a single-page app."""
    extension = extension_of(path)
    return extension in _TYPES and extension not in ("html", "htm", "xhtml")


def is_html(content_type: str) -> bool:
    """True for documents."""
    return essence(content_type) in ("text/html", "application/xhtml+xml")


def is_compressible(content_type: str) -> bool:
    """True where br, zstd or gzip usually help."""
    kind = essence(content_type)
    return kind.startswith("text/") or kind.endswith(("+json", "+xml", "/json", "/xml")) or kind in _COMPRESSIBLE


def essence(content_type: str) -> str:
    """The type without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
