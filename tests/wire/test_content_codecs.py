"""Round trips and hostile bytes for CIDs, dag-pb, UnixFS messages, dag-cbor, CARs and trees."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import libipld
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dxops.base.errors import Refused
from dxops.wire import car, dagcbor, dagpb, hamt, unixfs, varint
from dxops.wire.cid import DAG_CBOR, DAG_PB, RAW, Cid
from dxops.wire.unixfs import V0_2015, V1_256K, Data, Profile
from dxops.wire.unixfs_build import FileBuilder, build_file
from dxops.wire.unixfs_tree import TreeBuilder

SMALL = Profile(name="small", cid_version=1, raw_leaves=False, chunk_bytes=7, max_links=3)

cids = st.builds(
    lambda data, codec, version: Cid.for_block(data, DAG_PB if version == 0 else codec, version),
    st.binary(max_size=20),
    st.sampled_from([RAW, DAG_PB, DAG_CBOR, 0x0129]),
    st.sampled_from([0, 1]),
)
links = st.builds(dagpb.PBLink, cids, st.none() | st.binary(max_size=9), st.none() | st.integers(0, 2**64 - 1))
nodes = st.builds(dagpb.PBNode, st.lists(links, max_size=4).map(tuple), st.none() | st.binary(max_size=20))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.binary(max_size=30)
    | cids,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def refusal(call: Callable[[], object]) -> str | None:
    """The code of the `Refused` that `call` raises, if it does; any other exception fails the test."""
    try:
        call()
    except Refused as error:
        return error.code
    return None


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_varints(value: int, rest: bytes) -> None:
    assert varint.decode(varint.encode(value) + rest, minimal=True) == (value, len(varint.encode(value)))


@given(cids)
def test_cids_in_every_base(cid: Cid) -> None:
    assert Cid.parse(str(cid)) == cid
    assert Cid.from_bytes(bytes(cid)) == cid
    for base in "bBkzfu":
        assert Cid.parse(cid.encode(base)) == cid.to_v1()
    assert libipld.decode_cid(str(cid))["hash"]["digest"] == cid.digest


@given(st.text(max_size=60) | st.text("Qmbafyz123456789", max_size=60))
def test_texts_that_are_no_cids_are_refused_or_read(text: str) -> None:
    assert refusal(lambda: Cid.parse(text)) in (None, "bad_cid")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Qm",
        "hello",
        "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf35",
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn0",
        "zQmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
        "b" * 2000,
    ],
)
def test_bad_cids(text: str) -> None:
    with pytest.raises(Refused):
        Cid.parse(text)


def test_identity_cids() -> None:
    assert str(Cid.for_identity(b"")) == "bafkqaaa"
    assert Cid.for_identity(bytes(128)).digest == bytes(128)
    with pytest.raises(Refused, match="128"):
        Cid.for_identity(bytes(129))
    with pytest.raises(Refused, match="128"):
        Cid.from_bytes(b"\x01\x55\x00\x81\x01" + bytes(129))


def test_hash_functions() -> None:
    for code, name in ((0x13, "sha512"), (0x16, "sha3_256"), (0xB220, "blake2b")):
        digest = (
            hashlib.new(name, b"x", digest_size=32).digest() if code == 0xB220 else hashlib.new(name, b"x").digest()
        )
        cid = Cid(1, RAW, varint.encode(code) + varint.encode(len(digest)) + digest)
        assert cid.verifies(b"x")
        assert not cid.verifies(b"y")
    with pytest.raises(Refused, match="not supported"):
        Cid(1, RAW, b"\x11\x14" + bytes(20)).verifies(b"")


@given(nodes)
def test_dag_pb(node: dagpb.PBNode) -> None:
    assert dagpb.decode(dagpb.encode(node)) == node


@given(st.binary(max_size=200))
def test_hostile_blocks(data: bytes) -> None:
    for read in (dagpb.decode, unixfs.decode_data, dagcbor.decode, dagcbor.links, car.CarDecoder().feed):
        assert refusal(lambda read=read: read(data)) != ""


@given(nodes, st.integers(0, 300), st.integers(0, 255))
def test_damaged_dag_pb(node: dagpb.PBNode, place: int, value: int) -> None:
    block = bytearray(dagpb.encode(node))
    if block:
        block[place % len(block)] = value
    assert refusal(lambda: dagpb.decode(bytes(block))) in (None, "bad_dag_pb")


@given(st.lists(st.integers(0, 2**63), max_size=5), st.none() | st.binary(max_size=9))
def test_unixfs_messages(sizes: list[int], data: bytes | None) -> None:
    value = Data(type=unixfs.FILE, data=data, filesize=7, blocksizes=tuple(sizes), hash_type=0x22, fanout=256)
    assert unixfs.decode_data(unixfs.encode_data(value)) == value


@pytest.mark.parametrize("fanout", [0, 1, 4, 12, 255, 2048, 2**40])
def test_fanouts_that_eat_memory_are_refused(fanout: int) -> None:
    with pytest.raises(Refused, match="fanout"):
        unixfs.decode_data(unixfs.encode_data(Data(type=unixfs.HAMT_SHARD, hash_type=0x22, fanout=fanout)))


def test_block_sizes_and_links_must_agree() -> None:
    data = unixfs.encode_data(Data(type=unixfs.FILE, blocksizes=(1, 2)))
    block = dagpb.encode(dagpb.PBNode((dagpb.PBLink(Cid.for_block(b"")),), data))
    with pytest.raises(Refused, match="1 links but 2"):
        unixfs.decode_node(Cid.for_block(block, DAG_PB), block)


@given(values)
@example(-0.0)
def test_dag_cbor(value: object) -> None:
    block = dagcbor.encode(value)
    assert dagcbor.decode(block) == value
    libipld.decode_dag_cbor(block)


def links_in(value: object) -> list[Cid]:
    if isinstance(value, Cid):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [cid for item in inner for cid in links_in(item)]


@given(values, st.integers(0, 300), st.integers(0, 255))
def test_links_of_dag_cbor_are_those_of_its_value(value: object, place: int, other: int) -> None:
    block = bytearray(dagcbor.encode(value))
    assert dagcbor.links(bytes(block)) == links_in(dagcbor.decode(bytes(block)))
    block[place % len(block)] = other
    try:
        damaged = dagcbor.decode(bytes(block))
    except Refused as error:
        if "UTF-8" not in error.message:  # texts are not read for their links
            with pytest.raises(Refused):
                dagcbor.links(bytes(block))
    else:
        assert dagcbor.links(bytes(block)) == links_in(damaged)


@pytest.mark.parametrize("depth", [dagcbor.MAX_DEPTH - 1, dagcbor.MAX_DEPTH, dagcbor.MAX_DEPTH + 1])
@pytest.mark.parametrize("end", ["01", "80", "a0"])
def test_how_deep_dag_cbor_may_be(depth: int, end: str) -> None:
    block = b"\x81" * depth + bytes.fromhex(end)
    told = {refusal(lambda read=read: read(block)) for read in (dagcbor.decode, dagcbor.links)}
    assert told == {"bad_dag_cbor" if depth > dagcbor.MAX_DEPTH else None}


@given(st.dictionaries(st.text(max_size=6), st.integers(0, 2**64 - 1) | st.text() | st.floats(0, 1)))
def test_dag_cbor_as_the_library_writes_it(value: dict[str, object]) -> None:
    assert dagcbor.encode(value) == libipld.encode_dag_cbor(value)


@pytest.mark.parametrize(
    "block",
    [
        "a2616201616102",
        "a2616101616102",
        "1801",
        "bfff",
        "f7",
        "0101",
        "fa3fc00000",
        "d82b01",
        "fb7ff8000000000000",
        "81" * 2000 + "01",
        "9b000000ffffffffff",
        "5b000000ffffffffff",
        "a10102",
        "d82a4101",
        "61ff",
        "",
    ],
)
def test_dag_cbor_that_is_not_deterministic_is_refused(block: str) -> None:
    with pytest.raises(Refused):
        dagcbor.decode(bytes.fromhex(block))
    if block != "61ff":  # a text that is not UTF-8
        with pytest.raises(Refused):
            dagcbor.links(bytes.fromhex(block))


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 50))
def test_cars_in_pieces(items: list[bytes], step: int) -> None:
    blocks = [(Cid.for_block(data), data) for data in items]
    roots = [cid for cid, _ in blocks[:2]]
    whole = b"".join(car.encode(roots, blocks))
    decoder = car.CarDecoder()
    found = [pair for at in range(0, len(whole), step) for pair in decoder.feed(whole[at : at + step])]
    assert found == blocks
    assert decoder.finish() == tuple(roots)
    cut = car.CarDecoder()
    cut.feed(whole[:-1])
    with pytest.raises(Refused, match="cut off"):
        cut.finish()


def test_bad_cars() -> None:
    good = b"".join(car.encode([], [(Cid.for_block(b"x"), b"x")]))
    with pytest.raises(Refused, match="do not match"):
        car.CarDecoder().feed(good[:-1] + b"y")
    with pytest.raises(Refused, match="limit"):
        car.CarDecoder().feed(car.header([]) + varint.encode(3 << 20))
    with pytest.raises(Refused, match="limit"):
        car.CarDecoder().feed(varint.encode(1 << 30))
    with pytest.raises(Refused, match="version 2"):
        car.CarDecoder().feed(b"\x0a\xa1gversion\x02")
    with pytest.raises(Refused, match="empty section"):
        car.CarDecoder().feed(car.header([]) + b"\0")


@given(st.binary(max_size=300), st.integers(1, 60), st.sampled_from([SMALL, V0_2015, V1_256K]))
def test_files_do_not_depend_on_how_they_are_fed(data: bytes, step: int, profile: Profile) -> None:
    builder = FileBuilder(profile)
    blocks = [block for at in range(0, len(data), step) for block in builder.feed(data[at : at + step])]
    link, rest = builder.finish()
    assert (link, blocks + rest) == build_file(data, profile)
    assert all(cid.verifies(block) for cid, block in blocks + rest)
    assert link.cid == (blocks + rest)[-1][0]
    assert link.size == len(data)


@pytest.mark.parametrize("path", [b"/etc/passwd", b"a//b", b"a/", b"../a", b"a/../b", b".", b"a/./b", b"a\0b", b""])
def test_paths_no_tree_can_have(path: bytes) -> None:
    with pytest.raises(Refused) as raised:
        TreeBuilder(V0_2015).add_file(path, build_file(b"", V0_2015)[0])
    assert raised.value.code == "bad_path"


def test_clashes_in_a_tree() -> None:
    link = build_file(b"", V0_2015)[0]
    for first, second in ((b"a", b"a"), (b"a", b"a/b"), (b"a/b", b"a"), (b"a/b", b"a/b")):
        tree = TreeBuilder(V0_2015)
        tree.add_file(first, link)
        with pytest.raises(Refused) as raised:
            tree.add_file(second, link)
        assert raised.value.code == "duplicate_name"
    tree.add_directory(b"a")
    tree.add_directory(b"a")
    with pytest.raises(Refused):
        tree.add_directory(b"a/b")


@given(st.lists(st.sampled_from([b"a", b"a/b/c", b"d", b"e/f", b"e/g", b"h"]), unique=True), st.randoms())
def test_the_order_of_entries_does_not_matter(paths: list[bytes], chance: object) -> None:
    def root(names: list[bytes]) -> Cid:
        tree = TreeBuilder(V1_256K)
        for name in names:
            tree.add_file(b"x/" + name + b".txt", build_file(name, V1_256K)[0])
        built = list(tree.finish())
        assert built[-1].path == b""
        return built[-1].link.cid

    chance.shuffle(shuffled := list(paths))  # type: ignore[attr-defined]
    assert root(paths) == root(shuffled)


def test_names_with_equal_hashes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamt, "name_hash", lambda name: bytes(8))
    entries = [hamt.Entry(name, Cid.for_block(b""), 0) for name in (b"one", b"two")]
    with pytest.raises(Refused, match="hashes are equal"):
        hamt.build(entries, 1)


def test_the_switch_at_exactly_the_limit() -> None:
    for at_limit, sharded in ((False, False), (True, True)):
        profile = Profile(name="x", cid_version=1, raw_leaves=True, shard_bytes=37, shard_at_limit=at_limit)
        tree = TreeBuilder(profile)
        tree.add_file(b"n", build_file(b"", profile)[0])
        built = list(tree.finish())[-1]
        assert (unixfs.decode_node(*built.blocks[-1]).data.type == unixfs.HAMT_SHARD) is sharded
