"""Which of the store's refusals are about the documents, which about the store, and which may be about either."""

from __future__ import annotations

from typing import Final, Literal

from dxops.base.errors import Refused

Blame = Literal["data", "memory", "store", "unknown"]

_MEMORY: Final = 241
_ABOUT_THE_DATA: Final = frozenset((6, 26, 27, 33, 53, 72, 117, 128, 131, 190, 307, 321))
"""Values that do not parse or are too large."""

_ABOUT_THE_STORE: Final = frozenset((
    16, 46, 47, 50, 56, 60, 62, 78, 80, 81, 115, 218, 342, 371, 663, 701, 733, 741, 772,  # its tables are other ones
    23, 24, 74, 75, 76, 77, 79, 83, 84, 86, 87, 88, 95, 96, 107, 172, 204, 214, 243, 246, 294, 362, 363, 400, 458, 504,
    531, 566, 586, 641, 662, 740,  # its disk
    164, 242, 472, 473, 481, 495, 497, 514, 711, 774,  # it is read-only, or so are we
    158, 159, 160, 201, 202, 203, 209, 210, 236, 252, 290, 341, 364, 394, 396, 574, 667, 668, 673, 677, 692, 700, 718,
    724, 725, 734, 735, 745, 749, 762, 776,  # it has too much to do, or stops
    173, 411, 777, 778,  # it has no memory
    216, 224, 225, *range(226, 236), 244, 251, 253, 254, 255, 265, 279, 285, 286, 289, 297, 319, 369, 384, 410, 415,
    416, 425, 499, 500, 519, 529, 555, 571, 573, 587, 588, 589, 590, 593, 659, 738,  # its replicas and peers
    1000, 1002,  # it does not say
))  # fmt: skip
_DISK_WORDS: Final = (
    "no space left", "read-only file system", "disk quota", "input/output error", "too many open files",
    "cannot allocate memory",
)  # fmt: skip


def blame(error: Refused) -> Blame:
    """Who is at fault. `memory`: less of it may be taken; `unknown`: time tells."""
    kind, _, number = error.code.partition("_")
    if kind != "clickhouse" or not number.isdecimal():
        return "store"
    code, message = int(number), error.message.lower()
    if code in _ABOUT_THE_STORE or any(words in message for words in _DISK_WORDS):
        return "store"
    if code == _MEMORY:
        return "memory"
    return "data" if code in _ABOUT_THE_DATA else "unknown"
