"""Types by name."""

from __future__ import annotations

import pytest

from dxops.wire.mime import is_compressible, is_known_asset, type_of, type_of_content


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/index.HTML", "text/html; charset=utf-8"),
        ("x.mjs", "text/javascript; charset=utf-8"),
        ("x.js.map", "application/json"),
        ("x.wasm", "application/wasm"),
        ("x.webmanifest", "application/manifest+json"),
        ("x.woff2", "font/woff2"),
        ("x.svg", "image/svg+xml"),
        (".well-known/apple-app-site-association", "application/json"),
        ("x.tar.gz", "application/gzip"),
        ("LICENSE", None),
        (".html", None),
        ("a.html/b", None),
        ("x.unknown", None),
    ],
)
def test_types(name: str, kind: str | None) -> None:
    assert type_of(name) == kind


def test_what_a_name_does_not_tell_is_never_active_content() -> None:
    assert type_of_content(b"<!doctype html><script>") == "text/plain; charset=utf-8"
    assert type_of_content("grüße".encode()[:3]) == "text/plain; charset=utf-8"  # cut inside a character
    assert type_of_content(b"\x7fELF\0") == "application/octet-stream"
    assert type_of_content(b"") == "application/octet-stream"
    assert type_of_content(b"\xff\xfe" + b"a" * 100) == "application/octet-stream"


def test_routes_are_told_from_assets() -> None:
    assert all(map(is_known_asset, ("/a.js", "/b/c.png", "/x.tar.gz")))
    assert not any(map(is_known_asset, ("/a", "/john.doe", "/v1.2", "/x.html", "/.js")))


def test_compressible() -> None:
    assert all(
        map(is_compressible, ("text/html; charset=utf-8", "application/json", "image/svg+xml", "application/wasm"))
    )
    assert not any(map(is_compressible, ("image/png", "font/woff2", "video/mp4", "application/gzip")))
