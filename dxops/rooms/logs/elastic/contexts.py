"""Ids of scrolls and points in time. They hold their own state, signed: the server keeps nothing of them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from typing import Any, Final

import msgspec

from dxops.wire.elastic.errors import ElasticRefused, Fault

MAX_KEEP_MS: Final = 86_400_000
_MAX_ID: Final = 1 << 20
_MAX_STATE: Final = 4 << 20
_SIGNATURE_BYTES: Final = 16


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """`indices` is the expression as asked for, `upper_seq` the last document that belongs to it.

    A scroll also has its search and where its last page ended.
    """

    kind: str
    indices: str
    upper_seq: int
    expires_ms: int
    options: dict[str, str] = {}
    body: bytes = b""
    after: tuple[Any, ...] = ()


class Contexts:
    """Makes and reads ids with the installation's `key`."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(b"contexts", key=key[:64]).digest()

    def id_of(self, context: Context) -> str:
        packed = zlib.compress(msgspec.msgpack.encode(context), 6)
        return base64.urlsafe_b64encode(self._signed(packed) + packed).decode().rstrip("=")

    def read(self, id_: str, kind: str, now_ms: int) -> Context:
        """Raises `ElasticRefused`: 404 for a context that has ended, 400 for what is no id."""
        try:
            if len(id_) > _MAX_ID:
                raise ValueError("too long")
            raw = base64.urlsafe_b64decode(id_ + "=" * (-len(id_) % 4))
            signature, packed = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._signed(packed)):
                raise ValueError("not ours")
            inflater = zlib.decompressobj()
            context = msgspec.msgpack.decode(inflater.decompress(packed, _MAX_STATE), type=Context)
            if context.kind != kind:
                raise ValueError("of another kind")
        except (ValueError, binascii.Error, zlib.error, msgspec.MsgspecError) as error:
            named = {"scroll": "scroll", "pit": "point in time", "sql": "cursor"}[kind]
            reason = f"Cannot parse {named} id"
            raise ElasticRefused(Fault(type="illegal_argument_exception", reason=reason)) from error
        if context.expires_ms < now_ms:
            missing = Fault(type="search_context_missing_exception", reason="No search context found", status=404)
            raise ElasticRefused(
                Fault(type="search_phase_execution_exception", reason="all shards failed", status=404, root=missing)
            )
        return context

    def _signed(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, "sha256")[:_SIGNATURE_BYTES]


def expiry(now_ms: int, keep_ms: int) -> int:
    """When a context ends that is to be kept so long. Raises `ElasticRefused` beyond a day."""
    if not 0 < keep_ms <= MAX_KEEP_MS:
        reason = (
            f"Keep alive for request is too large or not positive; it must be at most ({MAX_KEEP_MS // 3_600_000}h)"
        )
        raise ElasticRefused(Fault(type="illegal_argument_exception", reason=reason))
    return now_ms + keep_ms
