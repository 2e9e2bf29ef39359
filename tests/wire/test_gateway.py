"""Gateway rules: every line of the specification's table that needs no blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.base.errors import Refused
from dxops.wire.gateway import (
    Format,
    NotAcceptable,
    Unsatisfiable,
    byte_range,
    car_wish,
    disposition,
    escape,
    etag_matches,
    header_text,
    negotiate,
    subdomain_of,
    target_of,
    uri_redirect,
)
from dxops.wire.media import media_type


def test_targets() -> None:
    target = target_of(b"/ipfs/bafy/a%20b/%252C/c%C3%A4/")
    assert target is not None
    assert (target.namespace, target.name, target.segments, target.slash) == (
        "ipfs",
        "bafy",
        ("a b", "%2C", "cä"),
        True,
    )
    assert target.path == "/ipfs/bafy/a%20b/%252C/c%C3%A4"
    root = target_of(b"/ipfs/bafy")
    assert root is not None
    assert not root.slash
    assert target_of(b"/api/v0/id") is None
    assert target_of(b"/") is None
    for bad in (b"/ipfs/", b"/ipfs", b"/ipfs//", b"/ipfs/x/a%2Fb", b"/ipfs/x/%00", b"/ipfs/" + b"a" * 20_000):
        with pytest.raises(Refused):
            target_of(bad)


@given(st.text(min_size=1).filter(lambda text: "/" not in text and "\0" not in text and text.isprintable()))
def test_any_name_survives_its_url(name: str) -> None:
    target = target_of(f"/ipfs/x/{escape(name)}".encode())
    assert target is not None
    assert target.segments == (name,)


def test_subdomains() -> None:
    found = subdomain_of("BAFYabc.ipfs.LocalHost:8888")
    assert found is not None
    assert (found.label, found.namespace, found.base) == ("bafyabc", "ipfs", "localhost:8888")
    assert subdomain_of("localhost:8888") is None
    assert subdomain_of("a.b.ipfs.localhost") is None
    with pytest.raises(Refused, match="63"):
        subdomain_of("a" * 64 + ".ipfs.localhost")


def test_uri() -> None:
    assert uri_redirect("uri=ipfs%3A%2F%2Fbafy%2Fa%20b%3Fx%3D1") == "/ipfs/bafy/a%20b?x=1"
    assert uri_redirect("x=1") is None
    for bad in ("uri=http%3A%2F%2Fevil", "uri=ipfs%3A%2F%2F%2Fevil", "uri="):
        if bad == "uri=":
            assert uri_redirect(bad) is None
        else:
            with pytest.raises(Refused):
                uri_redirect(bad)


def test_formats() -> None:
    assert negotiate({}, "text/html,*/*").format is Format.UNIXFS
    assert negotiate({}, "application/vnd.ipld.raw").format is Format.RAW
    wish = negotiate({}, "text/html, application/vnd.ipld.car; version=1; order=dfs; dups=y")
    assert (wish.format, wish.parameters["dups"], wish.by_query) == (Format.CAR, "y", False)
    assert negotiate({"format": "raw"}, "application/vnd.ipld.car").format is Format.RAW
    with pytest.raises(Refused, match="not known"):
        negotiate({"format": "exe"}, "")


def test_car_parameters() -> None:
    assert car_wish({}, {}).scope == "all"
    assert car_wish({"dag-scope": "block"}, {}).tag == "car.block"
    assert car_wish({"entity-bytes": "0:*"}, {}).scope == "entity"
    assert car_wish({"car-dups": "n"}, {"dups": "y"}).dups is False
    tags = {
        car_wish(query, {}).tag for query in ({}, {"dag-scope": "entity"}, {"entity-bytes": "0:5"}, {"car-dups": "y"})
    }
    assert len(tags) == 4
    for query in (
        {"dag-scope": "x"},
        {"entity-bytes": "5"},
        {"entity-bytes": "9:3"},
        {"entity-bytes": "a:b"},
        {"car-dups": "z"},
    ):
        with pytest.raises(Refused):
            car_wish(query, {})
    for query in ({"car-version": "2"}, {"car-order": "bfs"}):
        with pytest.raises(NotAcceptable):
            car_wish(query, {})


def test_ranges() -> None:
    assert byte_range(None, 10) is None
    assert byte_range("bytes=0-0", 10) == (0, 1)
    assert byte_range("bytes=-3", 10) == (7, 10)
    assert byte_range("bytes=4-", 10) == (4, 10)
    assert byte_range("bytes=4-99", 10) == (4, 10)
    assert byte_range("bytes=0-1,3-4", 10) is None
    assert byte_range("bytes=5-2", 10) is None
    assert byte_range("bytes=-", 10) is None
    assert byte_range("items=0-1", 10) is None
    for outside in ("bytes=10-", "bytes=-0"):
        with pytest.raises(Unsatisfiable):
            byte_range(outside, 10)


def test_validators_and_headers() -> None:
    assert etag_matches('W/"a", "b"', '"b"')
    assert etag_matches("*", '"b"')
    assert not etag_matches('"c"', '"b"')
    assert not etag_matches(None, '"b"')
    assert disposition("a.txt", attachment=True) == 'attachment; filename="a.txt"'
    assert disposition("ä.txt", attachment=False) == "inline; filename=\"_.txt\"; filename*=UTF-8''%C3%A4.txt"
    assert "\r" not in disposition('x"\r\nSet-Cookie: a', attachment=True)
    assert header_text("/ipfs/x/ä\r\n") == "/ipfs/x/%C3%A4%0D%0A"


def test_media_types() -> None:
    assert media_type("x.svg") == "image/svg+xml; charset=utf-8"
    assert media_type("x.js") == "text/javascript; charset=utf-8"
    assert media_type("x.wasm") == "application/wasm"
    assert media_type("x.tar.gz") == "application/gzip"
    assert media_type("x", b"<!DOCTYPE html>") == "text/html; charset=utf-8"
    assert media_type("x", b"\x89PNG\r\n\x1a\n") == "image/png"
    assert media_type("x", "grüße".encode()[:-1]) == "text/plain; charset=utf-8"
    assert media_type("x", b"\x00\xff") == "application/octet-stream"
    assert media_type("data:text/html,x", b"") == "text/plain; charset=utf-8"
