"""CIDs: what names a block (multiformats CID v0 and v1, multihash, multibase)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Protocol

import libipld
import msgspec

from dxops.base.errors import Refused
from dxops.wire import varint

RAW = 0x55
CBOR = 0x51
DAG_PB = 0x70
DAG_CBOR = 0x71
LIBP2P_KEY = 0x72
JSON = 0x0200
DAG_JSON = 0x0129

IDENTITY = 0x00
SHA2_256 = 0x12

_USUAL = {bytes((1, codec, SHA2_256, 32)): codec for codec in (RAW, DAG_PB, DAG_CBOR)}

MAX_DIGEST_BYTES = 128
_MAX_TEXT = 1200  # base2 of the largest CID is about 1100 characters


class _Digest(Protocol):
    def digest(self) -> bytes: ...


Buffer = bytes | bytearray | memoryview

_HASHES: dict[int, Callable[[Buffer], _Digest]] = {
    SHA2_256: hashlib.sha256,
    0x13: hashlib.sha512,
    0x14: hashlib.sha3_512,
    0x15: hashlib.sha3_384,
    0x16: hashlib.sha3_256,
    0x17: hashlib.sha3_224,
    0x20: hashlib.sha384,
    **{0xB200 + size: partial(hashlib.blake2b, digest_size=size) for size in range(20, 65)},
    **{0xB240 + size: partial(hashlib.blake2s, digest_size=size) for size in range(20, 33)},
}


class Cid(msgspec.Struct, frozen=True, order=True):
    """`multihash` is function varint, length varint, digest. Version 0 is always dag-pb and sha2-256.

    Two CIDs that differ only in version or codec name the same bytes: compare `multihash` where bytes count.
    """

    version: int
    codec: int
    multihash: bytes

    @classmethod
    def parse(cls, text: str) -> Cid:
        """A CID as people write it: `Qm…`, or multibase (base32, base36, base58btc, base16, base64url, …).

        Raises `Refused` (code `bad_cid`) that says what is wrong.
        """
        if not text:
            raise _bad("an empty text is not a CID")
        if len(text) > _MAX_TEXT:
            raise _bad(f"a text of {len(text)} characters is too long for a CID")
        is_v0 = len(text) == 46 and text.startswith("Qm")
        try:
            _, data = libipld.decode_multibase("z" + text if is_v0 else text)
        except ValueError:
            raise _bad(f"{_shown(text)} is not a CID: its characters are not of a known base") from None
        cid = cls.from_bytes(data, shown=text)
        if (cid.version == 0) is not is_v0:
            raise _bad(f"{_shown(text)} is not a CID: version 0 is plain base58 (Qm…), without multibase prefix")
        return cid

    @classmethod
    def from_bytes(cls, data: bytes, *, shown: str | None = None) -> Cid:
        """A binary CID, all of `data`. Raises `Refused` (`bad_cid`)."""
        cid, end = cls.read(data, shown=shown)
        if end != len(data):
            raise _bad(f"{_shown(shown or data.hex())} is not a CID: {len(data) - end} bytes too many")
        return cid

    @classmethod
    def read(cls, data: bytes | memoryview, offset: int = 0, *, shown: str | None = None) -> tuple[Cid, int]:
        """The binary CID at `offset` and the offset behind it. Raises `Refused` (`bad_cid`)."""
        usual = _USUAL.get(bytes(data[offset : offset + 4]))
        if usual is not None and len(data) >= offset + 36:  # nearly all; a third of the time of what follows
            return cls(1, usual, bytes(data[offset + 2 : offset + 36])), offset + 36
        name = _shown(shown or bytes(data[offset : offset + 40]).hex())
        try:
            if data[offset : offset + 2] == b"\x12\x20":
                end = offset + 34
                if len(data) < end:
                    raise _bad(f"{name} is not a CID: its digest is cut off")
                return cls(0, DAG_PB, bytes(data[offset:end])), end
            version, offset = varint.decode(data, offset, minimal=True)
            if version != 1:
                raise _bad(f"{name} is not a CID: version {version} does not exist")
            codec, offset = varint.decode(data, offset, minimal=True)
            function, position = varint.decode(data, offset, minimal=True)
            size, position = varint.decode(data, position, minimal=True)
        except Refused as error:
            if error.code == "bad_cid":
                raise
            raise _bad(f"{name} is not a CID: {error.message}") from None
        if size > MAX_DIGEST_BYTES:
            kind = "an identity CID" if function == IDENTITY else "a CID's digest"
            raise _bad(f"{name}: {kind} holds at most {MAX_DIGEST_BYTES} bytes, not {size}")
        end = position + size
        if end > len(data):
            raise _bad(f"{name} is not a CID: its digest is cut off")
        return cls(1, codec, bytes(data[offset:end])), end

    @classmethod
    def for_block(cls, data: Buffer, codec: int = RAW, version: int = 1) -> Cid:
        """The sha2-256 CID of a block. Version 0 is for dag-pb only."""
        return cls.for_sha256(hashlib.sha256(data).digest(), codec, version)

    @classmethod
    def for_sha256(cls, digest: bytes, codec: int = RAW, version: int = 1) -> Cid:
        """The CID of a block whose sha2-256 is known."""
        assert version == 1 or codec == DAG_PB
        return cls(version, codec, b"\x12\x20" + digest)

    @classmethod
    def for_identity(cls, data: bytes, codec: int = RAW) -> Cid:
        """A CID that holds the block itself, at most 128 bytes."""
        if len(data) > MAX_DIGEST_BYTES:
            raise _bad(f"an identity CID holds at most {MAX_DIGEST_BYTES} bytes, not {len(data)}")
        return cls(1, codec, b"\x00" + varint.encode(len(data)) + data)

    @property
    def hash_function(self) -> int:
        """The multicodec of the hash."""
        return varint.decode(self.multihash)[0]

    @property
    def digest(self) -> bytes:
        """The hash, or the block itself for identity."""
        _, offset = varint.decode(self.multihash)
        _, offset = varint.decode(self.multihash, offset)
        return self.multihash[offset:]

    @property
    def is_identity(self) -> bool:
        """Whether the block is inside the CID: never stored, never sent."""
        return self.multihash[0] == IDENTITY

    def to_v1(self) -> Cid:
        """The same block and codec as version 1."""
        return self if self.version == 1 else Cid(1, self.codec, self.multihash)

    def verifies(self, data: Buffer) -> bool:
        """Whether `data` is the named block. Raises `Refused` (`bad_cid`) for a hash function we do not check."""
        if self.multihash[:2] == b"\x12\x20":
            return hashlib.sha256(data).digest() == self.multihash[2:]
        if self.is_identity:
            return self.digest == data
        known = _HASHES.get(self.hash_function)
        if known is None:
            raise _bad(f"{self}: hash function 0x{self.hash_function:x} is not supported", hint="use sha2-256")
        return known(data).digest() == self.digest

    def encode(self, base: str) -> str:
        """The text in multibase `base` (`b` base32, `k` base36, `z` base58btc, …); version 1 form."""
        return libipld.encode_multibase(base, bytes(self.to_v1()))

    def __bytes__(self) -> bytes:
        if self.version == 0:
            return self.multihash
        return b"\x01" + varint.encode(self.codec) + self.multihash

    def __str__(self) -> str:
        if self.version == 0:
            return libipld.encode_multibase("z", self.multihash)[1:]
        return libipld.encode_multibase("b", bytes(self))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _bad(message: str, hint: str | None = None) -> Refused:
    return Refused(message, code="bad_cid", hint=hint)
