"""Ids for documents that came without one: 20 URL-safe characters, made from the record's sequence number.

The store keeps the number (8 bytes that compress to almost nothing) and derives the id. Layout, base64url:

    10 characters  keyed check over the number's upper 48 bits
     8 characters  these 48 bits, masked by a hash of the check
     2 characters  the lower 12 bits, permuted within each run of 4096

The key belongs to one installation. Then a client's own id is read as one of ours with probability 2^-60, and ids that
another installation made (a dump that is loaded here) are not; ids of this installation read back as what they are.
Sequence numbers must be unique in the whole installation, not per stream, or the same id would name two documents.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, overload

LENGTH: Final = 20
MAX_SEQ: Final = (1 << 60) - 1

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES: Final = {character: number for number, character in enumerate(_ALPHABET)}
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_MASK48: Final = (1 << 48) - 1


class IdRange(Sequence[str]):
    """The ids of consecutive numbers, made when one of them is looked at: most shippers want none in their answers."""

    __slots__ = ("_count", "_first", "_ids", "_made")

    def __init__(self, ids: AutoIds, first: int, count: int) -> None:
        self._ids = ids
        self._first = first
        self._count = count
        self._made: list[str] | None = None

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        return self._all()[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def _all(self) -> list[str]:
        if self._made is None:
            self._made = self._ids.ids_of(self._first, self._count)
        return self._made


class AutoIds:
    """`id_of` and `seq_of` are inverse to each other. Safe to share between threads."""

    def __init__(self, key: bytes) -> None:
        """`key`: 16 to 64 bytes, secret as little as the ids are, the same for ever."""
        if not 16 <= len(key) <= 64:
            raise ValueError("the key of automatic ids must be 16 to 64 bytes")
        self._key = key
        self._head = lru_cache(maxsize=1024)(self._make_head)

    def id_of(self, seq: int) -> str:
        """Raises `ValueError` outside 0 to MAX_SEQ."""
        if not 0 <= seq <= MAX_SEQ:
            raise ValueError(f"sequence number {seq} is outside 0 to 2^60-1")
        head, step = self._head(seq >> 12)
        return head + _PAIRS[((seq & 4095) * step + (step >> 12)) & 4095]

    def ids_of(self, first: int, count: int) -> list[str]:
        """The ids of `count` numbers from `first` on; what a batch uses."""
        if count and not 0 <= first <= first + count - 1 <= MAX_SEQ:
            raise ValueError(f"sequence numbers {first} + {count} are outside 0 to 2^60-1")
        ids: list[str] = []
        seq, end = first, first + count
        while seq < end:
            head, step = self._head(seq >> 12)
            stop = min(end, (seq | 4095) + 1)
            low, odd, shift = seq & 4095, step & 4095, step >> 12
            ids += [
                head + _PAIRS[place & 4095] for place in range(low * odd + shift, (low + stop - seq) * odd + shift, odd)
            ]
            seq = stop
        return ids

    def ids_later(self, first: int, count: int) -> IdRange:
        """As `ids_of`, made later or never."""
        return IdRange(self, first, count)

    def seq_of(self, id_: str) -> int | None:
        """None for an id that is not one of ours."""
        if len(id_) != LENGTH:
            return None
        number = 0
        for character in id_:
            value = _VALUES.get(character)
            if value is None:
                return None
            number = number << 6 | value
        check, masked, pair = number >> 60, number >> 12 & _MASK48, number & 4095
        upper = masked ^ self._mask_of(check)
        head, step = self._make_head(upper)
        if head != id_[:18]:
            return None
        return upper << 12 | ((pair - (step >> 12)) * pow(step & 4095, -1, 4096)) & 4095

    def seqs_of(self, ids: list[str]) -> array[int]:
        """As `seq_of`, -1 for None."""
        return array("q", [-1 if seq is None else seq for seq in map(self.seq_of, ids)])

    def _make_head(self, upper: int) -> tuple[str, int]:
        """(18 characters, step): step's lower 12 bits are odd, its upper 12 the shift."""
        digest = hashlib.blake2b(upper.to_bytes(6, "big"), key=self._key, digest_size=11).digest()
        mixed = int.from_bytes(digest, "big")
        check, step = mixed >> 28, (mixed & 0xFFFFFF) | 1
        number = check << 48 | (upper ^ self._mask_of(check))
        return "".join(_ALPHABET[number >> shift & 63] for shift in range(102, -6, -6)), step

    def _mask_of(self, check: int) -> int:
        digest = hashlib.blake2b(check.to_bytes(8, "big"), key=self._key, digest_size=6, person=b"mask").digest()
        return int.from_bytes(digest, "big")
