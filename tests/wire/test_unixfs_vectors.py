"""The CIDs that `ipfs-unixfs-importer` 17 and Kubo gave for the same content."""

from __future__ import annotations

import pytest

from dxops.wire.unixfs import V0_2015, V1_256K, V1_2025, Profile
from dxops.wire.unixfs_build import FileBuilder, build_file
from dxops.wire.unixfs_tree import TreeBuilder

VECTORS = {
    "empty": (b"", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"),
    "hello": (b"hello world", "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"),
    "one chunk": (bytes(262144), "QmRk1rduJvo5DfEYAaLobS2za9tDszk35hzaNSDCJ74DA7"),
    "two chunks": (bytes(262145), "QmbVuw4C4vcmVKqxoWtgDVobvcHrSn51qsmQmyxjk4sB2Q"),
    "full node": (bytes(174 * 262144), "QmY4HSz1oVGdUzb8poVYPLsoqBZjH6LZrtgnme9wWn2Qko"),
    "over a node": (bytes(174 * 262144 + 1), "QmehMASWcBsX7VcEQqs6rpR5AHoBfKyBVEgmkJHjpPg8jq"),
}
RAW_LEAVES = {
    "empty": "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    "hello": "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
    "one chunk": "bafkreiekhhjkxu4ztk3tyng3er3ijhg56mb44oe3gwbgquhzu4afrg2ksa",
    "two chunks": "bafybeigllfqgfpqydppr6cmv56g7ax4wyhruzswvcefv6j5kj77nzttfki",
    "full node": "bafybeibxsa3ioclowpaq7b6gxl65gzqneopfr3fnhedak6sqr4bjz5lnyq",
    "over a node": "bafybeihqwzd3o6q6v3pmwhzjy22vokhr767burokmqemg63hptx2nqd7ym",
}


@pytest.mark.parametrize("name", VECTORS)
def test_files(name: str) -> None:
    data, v0 = VECTORS[name]
    assert str(build_file(data, V0_2015)[0].cid) == v0
    assert str(build_file(data, V1_256K)[0].cid) == RAW_LEAVES[name]


def test_large_chunks() -> None:
    link, _ = build_file(bytes(1048577), V1_2025)
    assert str(link.cid) == "bafybeihd4yzq7n5umhjngdum4r6k2to7egxfkf2jz6thvwzf6djus22cmq"


@pytest.mark.slow
def test_a_gibibyte_and_one_byte() -> None:
    builder = FileBuilder(V1_2025)
    zeros = bytes(1 << 20)
    for _ in range(1024):
        for _block in builder.feed(zeros):
            pass
    for _block in builder.feed(b"\0"):
        pass
    assert str(builder.finish()[0].cid) == "bafybeigx4uyebjbq65346xh6cjrt6yshbdudzudhnqecwbzvymslxj7gje"


@pytest.mark.parametrize(
    ("profile", "count", "cid"),
    [
        (V0_2015, 0, "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"),
        (V1_256K, 0, "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"),
        (V0_2015, 3, "QmbogrchH9h6FqhHLxyBhAVJ5ALuC6HuiV4eq41TvPKMVG"),
        (V1_256K, 3, "bafybeichxfiwnmwrmj4nojrpknedhmmu64ctpkn6prebrkueiweihia55a"),
        (V0_2015, 6000, "QmbvbKYV8jggZpQu6wrwpfvV4wVEEE2seDYg6J7mi8Rdkd"),
        (V1_256K, 6000, "bafybeidlecd2q5hh3jiqlc6hnnrarklkgkj3pgkrlpcx5w4ohevjeejbb4"),
    ],
)
def test_directories(profile: Profile, count: int, cid: str) -> None:
    tree = TreeBuilder(profile)
    for index in reversed(range(count)):
        tree.add_file(b"file-%05d.txt" % index, build_file(b"%d" % index, profile)[0])
    built = list(tree.finish())
    assert [str(directory.link.cid) for directory in built] == [cid]
