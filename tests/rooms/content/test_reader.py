"""Reading trees, files and DAGs from a store."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from dxops.base.errors import Missing, Refused
from dxops.engines.blocks.memory import MemoryBlocks
from dxops.engines.blocks.port import MissingBlock
from dxops.rooms.content.dags import EntityBytes, car_blocks, completeness, walk
from dxops.rooms.content.meter import Meter
from dxops.rooms.content.paths import resolve
from dxops.rooms.content.reader import Reader
from dxops.rooms.content.verification import check_blocks
from dxops.wire import dagcbor
from dxops.wire.cid import DAG_CBOR, Cid
from dxops.wire.unixfs import V0_2015, V1_256K, Profile, kubo_profile
from dxops.wire.unixfs_build import build_file
from dxops.wire.unixfs_tree import TreeBuilder

SMALL = Profile(name="small", cid_version=1, raw_leaves=True, chunk_bytes=10, max_links=3)


@pytest.fixture
def blocks() -> MemoryBlocks:
    return MemoryBlocks()


def tree(blocks: MemoryBlocks, profile: Profile, files: dict[bytes, bytes], links: dict[bytes, bytes]) -> Cid:
    builder = TreeBuilder(profile)
    for path, data in files.items():
        if path.endswith(b"/"):
            builder.add_directory(path[:-1])
            continue
        link, made = build_file(data, profile)
        blocks.put_many(made)
        builder.add_file(path, link)
    for path, target in links.items():
        blocks.put_many([builder.add_symlink(path, target)[1]])
    for directory in builder.finish():
        blocks.put_many(directory.blocks)
    return directory.link.cid


@pytest.fixture(params=[V0_2015, V1_256K, SMALL], ids=lambda profile: profile.name)
def root(request: pytest.FixtureRequest, blocks: MemoryBlocks) -> Cid:
    files = {
        b"index.html": b"<p>",
        b"a/b/deep.txt": b"deep" * 100,
        b"a/b.txt": b"b",
        b"empty/": b"",
        b"void": b"",
        "ünï/😀".encode(): b"smile",
        b"not-utf8/\xff": b"bytes",
    }
    return tree(blocks, request.param, files, {b"a/link": b"../index.html"})


def test_the_tree_names_every_entry_parents_first(blocks: MemoryBlocks, root: Cid) -> None:
    entries = list(Reader(blocks).tree(root))
    assert [(entry.path, entry.kind, entry.size_bytes, entry.target) for entry in entries] == [
        ("", "directory", 0, None),
        ("a", "directory", 0, None),
        ("a/b", "directory", 0, None),
        ("a/b/deep.txt", "file", 400, None),
        ("a/b.txt", "file", 1, None),
        ("a/link", "symlink", 0, "../index.html"),
        ("empty", "directory", 0, None),
        ("index.html", "file", 3, None),
        ("not-utf8", "directory", 0, None),
        ("not-utf8/\udcff", "file", 5, None),
        ("void", "file", 0, None),
        ("ünï", "directory", 0, None),
        ("ünï/😀", "file", 5, None),
    ]


def text_of(blocks: MemoryBlocks, file: Cid) -> bytes:
    return b"".join(Reader(blocks).read(file))


def test_paths_resolve_to_one_cid_a_segment(blocks: MemoryBlocks, root: Cid) -> None:
    found = resolve(blocks, root, ["a", "b", "deep.txt"])
    assert len(found.roots) == 4
    assert len(found.proof) == 3
    assert text_of(blocks, found.cid) == b"deep" * 100
    assert text_of(blocks, resolve(blocks, root, ["not-utf8", "\udcff"]).cid) == b"bytes"
    for path in (["no"], ["a", "no"], ["index.html", "behind"]):
        with pytest.raises(Missing):
            resolve(blocks, root, path)


def test_every_range_of_a_deep_file(blocks: MemoryBlocks) -> None:
    data = random.Random(1).randbytes(333)
    for profile in (SMALL, Profile(name="pb", cid_version=0, raw_leaves=False, chunk_bytes=7, max_links=4)):
        link, made = build_file(data, profile)
        blocks.put_many(made)
        reader = Reader(blocks)
        assert reader.size(link.cid) == 333
        for offset in range(0, 340, 13):
            for length in (0, 1, 9, 50, 400, None):
                end = None if length is None else offset + length
                assert b"".join(reader.read(link.cid, offset, length)) == data[offset:end]


def test_a_range_reads_only_what_it_needs(blocks: MemoryBlocks) -> None:
    data = random.Random(2).randbytes(100)
    link, made = build_file(data, SMALL)
    needed = Cid.for_block(data[50:60])
    blocks.put_many([(cid, block) for cid, block in made if cid.codec != 0x55 or cid == needed])
    assert b"".join(Reader(blocks).read(link.cid, 52, 5)) == data[52:57]
    with pytest.raises(MissingBlock):
        list(Reader(blocks).read(link.cid, 58, 5))


def test_a_sharded_directory(blocks: MemoryBlocks) -> None:
    names = [b"file-%05d.txt" % index for index in range(6000)]
    root = tree(blocks, V1_256K, {name: name for name in names}, {})
    reader = Reader(blocks)
    assert [entry.name.encode() for entry in reader.entries(root)] == names
    assert text_of(blocks, resolve(blocks, root, ["file-04711.txt"]).cid) == b"file-04711.txt"
    assert len(resolve(blocks, root, ["file-04711.txt"]).proof) >= 2
    with pytest.raises(Missing):
        resolve(blocks, root, ["file-99999.txt"])
    with pytest.raises(Missing):
        resolve(blocks, root, ["00"])
    shards = {str(cid) for cid in reader.directory_blocks(root)}
    assert {str(cid) for cid, _ in car_blocks(blocks, root, scope="entity")} == shards
    assert 256 < len(shards) < 600


def test_completeness_names_what_is_missing(blocks: MemoryBlocks, root: Cid) -> None:
    whole = completeness(blocks, root)
    assert whole.ok
    assert whole.blocks == len(list(walk(blocks, root)))
    assert whole.dag_bytes == sum(len(block) for _, block in walk(blocks, root))
    gone = resolve(blocks, root, ["index.html"]).cid
    blocks.delete_if_older([gone], 1e12)
    assert completeness(blocks, root).missing == (str(gone),)
    with pytest.raises(MissingBlock):
        list(walk(blocks, root))


def test_walks_go_through_dag_cbor_and_skip_identity(blocks: MemoryBlocks, root: Cid) -> None:
    node = dagcbor.encode({"links": [root, root, Cid.for_identity(b"x")]})
    cid = Cid.for_block(node, DAG_CBOR)
    blocks.put_many([(cid, node)])
    seen = [found for found, _ in walk(blocks, cid)]
    assert seen[:2] == [cid, root]
    assert len(seen) == len(set(seen)) == completeness(blocks, root).blocks + 1
    assert completeness(blocks, cid).ok
    assert len(list(walk(blocks, cid, duplicates=True))) > len(seen)


def test_car_scopes(blocks: MemoryBlocks) -> None:
    data = random.Random(3).randbytes(95)
    root = tree(blocks, SMALL, {b"f": data}, {})
    found = resolve(blocks, root, ["f"])

    def cids(**options: object) -> list[Cid]:
        return [cid for cid, _ in car_blocks(blocks, found.cid, proof=found.proof, **options)]  # type: ignore[arg-type]

    assert cids(scope="block") == [root, found.cid]
    assert cids() == cids(scope="entity") == [root, *(cid for cid, _ in walk(blocks, found.cid))]
    assert len(cids(entity_bytes=EntityBytes.parse("-5:*"))) < len(cids())
    assert cids(entity_bytes=EntityBytes.parse("-5:*"))[-1] == Cid.for_block(data[90:])
    assert cids(entity_bytes=EntityBytes.parse("500:600")) == [root, found.cid]
    with pytest.raises(Refused):
        cids(scope="everything")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:*", (0, 1000)),
        ("-10:*", (990, 10)),
        ("5:9", (5, 5)),
        ("499:-1000", None),
        ("0:-1", (0, 1000)),
        ("0:-2", (0, 999)),
        ("-5000:3", (0, 4)),
        ("998:5000", (998, 2)),
        ("1000:*", None),
    ],
)
def test_entity_bytes(text: str, expected: tuple[int, int] | None) -> None:
    assert EntityBytes.parse(text).of(1000) == expected


@pytest.mark.parametrize("text", ["", "5", "a:b", "*:5", "1:2:3"])
def test_bad_entity_bytes(text: str) -> None:
    with pytest.raises(Refused):
        EntityBytes.parse(text)


def test_every_stored_block_is_read(blocks: MemoryBlocks, root: Cid) -> None:
    assert check_blocks(blocks, Meter()).damaged == ()
    cid = resolve(blocks, root, ["index.html"]).cid
    blocks.keep({cid.multihash: b"other"})
    assert check_blocks(blocks, Meter()).damaged == (str(Cid(1, 0x55, cid.multihash)),)


def test_sizes_that_lie_are_refused(blocks: MemoryBlocks) -> None:
    from dxops.wire import dagpb
    from dxops.wire.unixfs import FILE, Data, encode_data

    leaf = Cid.for_block(b"12345")
    data = encode_data(Data(type=FILE, filesize=6, blocksizes=(6,)))
    block = dagpb.encode(dagpb.PBNode((dagpb.PBLink(leaf, b"", 5),), data))
    blocks.put_many([(leaf, b"12345"), (Cid.for_block(block, 0x70), block)])
    with pytest.raises(Refused, match="broken"):
        list(Reader(blocks).read(Cid.for_block(block, 0x70)))


def hostile_names() -> Iterator[bytes]:
    yield from (b"..", b".", b"", b"a/b", b"a\0b")


@pytest.mark.parametrize("name", list(hostile_names()))
def test_names_that_leave_the_tree_are_refused(blocks: MemoryBlocks, name: bytes) -> None:
    from dxops.wire import dagpb
    from dxops.wire.unixfs import DIRECTORY_DATA

    link, made = build_file(b"x", kubo_profile(cid_version=1))
    block = dagpb.encode(dagpb.PBNode((dagpb.PBLink(link.cid, name, 1),), DIRECTORY_DATA))
    root = Cid.for_block(block, 0x70)
    blocks.put_many([*made, (root, block)])
    with pytest.raises(Refused):
        list(Reader(blocks).tree(root))
