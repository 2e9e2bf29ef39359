"""Multipart: whatever the chunking, the same events; every bound and cut is named."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.multipart import MAX_PREAMBLE_BYTES, MultipartFault, MultipartReader, Part, PartEnd, boundary_of

BOUNDARY = "----form-a1b2"


def body(*parts: tuple[str, str, bytes], close: bool = True) -> bytes:
    out = b""
    for filename, content_type, data in parts:
        out += (
            (
                f"--{BOUNDARY}\r\n"
                f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\n'
                f"Content-Type: {content_type}\r\n\r\n"
            ).encode()
            + data
            + b"\r\n"
        )
    return out + (f"--{BOUNDARY}--\r\n".encode() if close else b"")


def read(data: bytes, sizes: int = 65536, **bounds: int) -> list[tuple[str | None, str, bytes]]:
    reader = MultipartReader(BOUNDARY, **bounds)
    done: list[tuple[str | None, str, bytes]] = []
    current: Part | None = None
    content = b""
    for start in range(0, len(data), sizes):
        for event in reader.feed(data[start : start + sizes]):
            if isinstance(event, Part):
                current, content = event, b""
            elif isinstance(event, PartEnd):
                assert current is not None
                done.append((current.filename, current.content_type, content))
            else:
                assert event
                content += event
    reader.finish()
    return done


@given(
    contents=st.lists(st.binary(max_size=300) | st.just(b"\r\n--" + BOUNDARY.encode()[:-1] + b"x\r"), max_size=5),
    sizes=st.integers(1, 400),
)
def test_events_do_not_depend_on_the_chunking(contents: list[bytes], sizes: int) -> None:
    parts = [(f"f{index}", "application/octet-stream", content) for index, content in enumerate(contents)]
    assert read(body(*parts), sizes) == parts


def test_names_are_decoded_as_kubo_clients_encode_them() -> None:
    names = ["%2Fimg%2Fmy%20logo.svg", "a+b", "a%2Bb", "%C3%A4%22.txt", "%252C", "plain"]
    assert [name for name, _, _ in read(body(*((name, "text/plain", b"") for name in names)))] == [
        "/img/my logo.svg", "a b", "a+b", "ä\".txt", "%2C", "plain",
    ]  # fmt: skip


def test_no_part_at_all_is_an_empty_upload() -> None:
    assert read(body()) == []


@pytest.mark.parametrize("cut", [1, 20, 90, 130, 140, 150])
def test_a_cut_upload_is_refused(cut: int) -> None:
    whole = body(("a", "text/plain", b"x" * 50))
    with pytest.raises(MultipartFault, match="cut") as fault:
        read(whole[:cut])
    assert fault.value.code == "upload_cut"


def test_nothing_at_all_is_a_cut_upload() -> None:
    with pytest.raises(MultipartFault, match="cut"):
        read(b"")


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(MultipartFault, match="at most 3 parts"):
        read(body(*[("a", "text/plain", b"")] * 4), max_parts=3)


def test_an_endless_header_and_too_many_headers_are_refused() -> None:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=x\r\n".encode()
    with pytest.raises(MultipartFault, match="header length"):
        read(head + b"X-A: " + b"a" * 100_000, 5000)
    with pytest.raises(MultipartFault, match="header count"):
        read(head + b"".join(b"X-%d: a\r\n" % index for index in range(100)))


def test_an_endless_preamble_is_refused() -> None:
    with pytest.raises(MultipartFault, match="no part within"):
        read(b"x" * (MAX_PREAMBLE_BYTES * 3), 8192)


def test_names_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(MultipartFault, match="not UTF-8"):
        read(body(("%FF%FE", "text/plain", b"")))


def test_boundary() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"') == "a b"
    assert boundary_of("Multipart/Form-Data; charset=utf-8; boundary=----x") == "----x"
    for bad in (
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
    ):
        with pytest.raises(MultipartFault):
            boundary_of(bad)
    with pytest.raises(MultipartFault, match="printable"):
        boundary_of("multipart/form-data; boundary=" + "a" * 500)


@given(st.binary(max_size=2000))
def test_hostile_bytes_only_ever_raise_our_fault(data: bytes) -> None:
    with contextlib.suppress(MultipartFault):
        read(f"--{BOUNDARY}\r\n".encode() + data, 100)
