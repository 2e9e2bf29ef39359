"""Preparation: the same tree gives the same manifest, whose parts are all linked, stored and right."""

from __future__ import annotations

import gzip
import os

import brotli
import pytest
import zstandard

from dxops.base.errors import Missing, Refused
from dxops.rooms.origin import compress
from dxops.rooms.origin.manifest import load_manifest
from dxops.rooms.origin.prepare import Preparation
from tests.twins import MemoryContent

PAGE = b"<p>the same words again</p>\n" * 100


async def test_a_manifest_has_every_file_its_type_and_its_variants() -> None:
    content = MemoryContent()
    noise = os.urandom(5000)
    root = content.add_tree(
        {
            "index.html": PAGE,
            "copy/index.html": PAGE,
            "noise.js": noise,
            "tiny.js": b"1",
            "pic.png": PAGE,
            "empty.txt": b"",
            "README": b"plain words",
            "ü/日本.txt": b"x",
        }
    )
    prepared = await Preparation(content).prepare(root)
    loaded = await load_manifest(content, prepared.manifest)
    assert (loaded.root, prepared.files, prepared.warnings) == (root, 8, ())
    assert prepared.size_bytes == sum(file.size_bytes for file in loaded.files.values())
    index = loaded.files["index.html"]
    assert loaded.files["copy/index.html"].variants == index.variants
    bodies = {variant.coding: content.blocks[variant.cid] for variant in index.variants}
    assert {coding: len(body) for coding, body in bodies.items()} == {
        variant.coding: variant.size_bytes for variant in index.variants
    }
    assert brotli.decompress(bodies["br"]) == gzip.decompress(bodies["gzip"]) == PAGE
    assert zstandard.ZstdDecompressor().decompress(bodies["zstd"]) == PAGE
    for path in ("noise.js", "tiny.js", "pic.png", "empty.txt"):
        assert loaded.files[path].variants == (), path
    assert loaded.files["README"].content_type == "text/plain; charset=utf-8"
    listed = await Preparation(content).files(prepared.manifest)
    assert [file.path for file in listed] == sorted(loaded.files)


async def test_one_hold_on_the_manifest_reaches_everything() -> None:
    content = MemoryContent()
    root = content.add_tree({f"{number}.js": PAGE + str(number).encode() for number in range(2500)})
    prepared = await Preparation(content).prepare(root)
    _, links = await content.read_node(prepared.manifest)
    assert links[0] == root
    assert len(links) == 1 + 3
    reached = {cid for page in links[1:] for cid in (await content.read_node(page))[1]}
    loaded = await load_manifest(content, prepared.manifest)
    for file in loaded.files.values():
        assert {file.cid, *(variant.cid for variant in file.variants)} <= reached
    assert max(len(block) for block in content.blocks.values()) < 1024 * 1024


async def test_the_same_tree_gives_the_same_manifest() -> None:
    content = MemoryContent()
    root = content.add_tree({f"d{number % 7}/f{number}.css": PAGE * (number % 9 + 1) for number in range(300)})
    first = await Preparation(content, workers=1).prepare(root)
    again = await Preparation(content, workers=5).prepare(root)
    assert first == again


async def test_publishers_are_told_what_will_not_work() -> None:
    content = MemoryContent()
    root = content.add_tree(
        {"app.js": b"1", "_redirects": b"/a /b 999\n", "_headers": b"/*\n  Set-Cookie: a=b\n"},
        {
            "inside.js": "app.js",
            "dir/up.js": "../app.js",
            "out": "../../etc/passwd",
            "abs": "/etc/passwd",
            "loop": "loop",
        },
    )
    prepared = await Preparation(content).prepare(root)
    told = "\n".join(prepared.warnings)
    for part in (
        "line 1: status 999",
        "500 until",
        "set-cookie may not",
        "out: a symlink",
        "abs: ",
        "loop: ",
        "no index",
    ):
        assert part in told
    loaded = await load_manifest(content, prepared.manifest)
    assert loaded.files["inside.js"].cid == loaded.files["dir/up.js"].cid == loaded.files["app.js"].cid
    assert loaded.broken
    assert not {"out", "abs", "loop"} & loaded.files.keys()


async def test_an_oversize_redirects_file_is_broken_not_read() -> None:
    content = MemoryContent()
    root = content.add_tree({"index.html": b"x", "_redirects": b"#" * 200_000})
    loaded = await load_manifest(content, (await Preparation(content).prepare(root)).manifest)
    assert loaded.broken == "_redirects: is longer than 65536 bytes"


async def test_absent_trees_blocks_and_nodes_that_are_no_manifests() -> None:
    content = MemoryContent()
    with pytest.raises(Missing):
        await Preparation(content).prepare("nothing")
    root = content.add_tree({"index.html": PAGE})
    content.lose(next(entry.cid for entry in content.trees[root] if entry.kind == "file"))
    with pytest.raises(Missing):
        await Preparation(content).prepare(root)
    with pytest.raises(Refused):
        await load_manifest(content, await content.store_node({"kind": "else"}, []))


def test_variants_are_the_same_each_time_and_only_when_worth_it() -> None:
    assert compress.variants_of(PAGE) == compress.variants_of(PAGE)
    assert compress.variants_of(os.urandom(10_000)) == []
    assert compress.variants_of(b"a" * (compress.MIN_BYTES - 1)) == []
    assert compress.variants_of(b"a" * (compress.MAX_BYTES + 1)) == []
