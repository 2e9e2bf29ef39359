"""Kubo's flags: honoured, or refused by name."""

from __future__ import annotations

import orjson
import pytest

from dxops.base.errors import Forbidden, Missing, Refused, Unavailable
from dxops.wire.kubo import Query, add_flags, error_body


def test_what_the_2023_cli_sends() -> None:
    flags = add_flags(Query("stream-channels=true&progress=false&pin=true&wrap-with-directory=true"))
    assert (flags.cid_version, flags.raw_leaves, flags.wrap, flags.pin, flags.progress) == (0, False, True, True, False)
    assert flags.chunk_bytes is None
    assert not flags.only_hash


def test_defaults_and_versions() -> None:
    assert add_flags(Query("")).pin
    assert add_flags(Query("cid-version=1")).raw_leaves
    assert not add_flags(Query("cid-version=1&raw-leaves=false")).raw_leaves
    assert add_flags(Query("raw-leaves=true")).cid_version == 0
    assert add_flags(Query("chunker=size-1048576")).chunk_bytes == 1048576


@pytest.mark.parametrize(
    "flag",
    ["trickle=true", "nocopy=true", "fscache=1", "inline=true", "hash=blake2b-256", "to-files=/x", "chunker=rabin",
     "chunker=buzhash",
     "chunker=size-0", "chunker=size-9999999", "preserve-mode=true", "mtime=5", "cid-version=2", "cid-version=x",
     "pin=maybe",
     "max-directory-links=3", "frobnicate=1", "cid-base=base36", "upgrade-cidv0-in-output=true"],
)  # fmt: skip
def test_what_is_not_supported_is_refused_by_name(flag: str) -> None:
    with pytest.raises(Refused) as refusal:
        add_flags(Query(flag))
    assert flag.split("=")[0] in str(refusal.value)
    assert refusal.value.field == flag.split("=")[0]


def test_arguments() -> None:
    query = Query("arg=a&arg=b%2Fc&offset=5&length=")
    assert query.args == ["a", "b/c"]
    assert query.number("offset") == 5
    assert query.number("length") is None
    with pytest.raises(Refused, match='argument "ipfs-path" is required'):
        Query("x=1").arg()
    for bad in ("-1", "1e3", "٣", "9" * 30):
        with pytest.raises(Refused, match="offset"):
            Query(f"offset={bad}").number("offset")


def test_error_bodies() -> None:
    def of(error: Exception) -> tuple[int, dict[str, object]]:
        status, body = error_body(error)
        return status, orjson.loads(body)

    assert of(Refused("bad", hint="do it")) == (400, {"Message": "bad (do it)", "Code": 1, "Type": "error"})
    assert of(Missing("gone")) == (500, {"Message": "gone", "Code": 0, "Type": "error"})
    assert of(Forbidden("no"))[0] == 403
    assert of(Unavailable("later"))[0] == 503
