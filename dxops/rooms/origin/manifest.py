"""Manifests as they are stored: a head node and pages of files, each a dag-cbor block with real links.

A page keeps at most 1,000 files so that no block nears the 1 MiB that other nodes accept. Holding the head keeps the
tree, every variant and the pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dxops.base.errors import Refused
from dxops.base.ports import Content
from dxops.rooms.origin.caching import hashed_files
from dxops.rooms.origin.model import File, Manifest, Variant
from dxops.wire.headers_file import parse_headers
from dxops.wire.redirects import parse_redirects

KIND: Final = "dxops/manifest"
VERSION: Final = 1
PAGE_FILES: Final = 1000
_READERS: Final = 8


class _Head(msgspec.Struct):
    kind: str
    version: int
    redirects: bytes | None = None
    headers: bytes | None = None
    warnings: list[str] = []


class _Page(msgspec.Struct):
    """`files`: (path, link of the content, size, index in `types`, [(coding, link, size)])."""

    types: list[str]
    files: list[tuple[str, int, int, int, list[tuple[str, int, int]]]]


async def store_manifest(
    content: Content,
    root: str,
    files: Sequence[File],
    *,
    redirects: bytes | None,
    headers: bytes | None,
    warnings: Sequence[str],
) -> str:
    """Store the manifest of the tree `root`; `files` sorted by path. Returns its CID, the same for the same input."""
    pages = [
        await _store_page(content, files[start : start + PAGE_FILES]) for start in range(0, len(files), PAGE_FILES)
    ]
    head: dict[str, object] = {
        "kind": KIND,
        "version": VERSION,
        "redirects": redirects,
        "headers": headers,
        "warnings": list(warnings),
    }
    return await content.store_node(head, [root, *pages])


async def _store_page(content: Content, files: Sequence[File]) -> str:
    links: dict[str, int] = {}
    types: dict[str, int] = {}

    def link(cid: str) -> int:
        return links.setdefault(cid, len(links))

    rows: list[object] = [
        [
            file.path,
            link(file.cid),
            file.size_bytes,
            types.setdefault(file.content_type, len(types)),
            [[variant.coding, link(variant.cid), variant.size_bytes] for variant in file.variants],
        ]
        for file in files
    ]
    return await content.store_node({"types": list(types), "files": rows}, list(links))


async def load_manifest(content: Content, cid: str) -> Manifest:
    """Read a manifest. Raises `Missing` for an absent block, `Refused` for a node that is not one."""
    node, links = await content.read_node(cid)
    head = _convert(node, _Head, cid)
    if head.kind != KIND or head.version != VERSION or not links:
        raise Refused(f"{cid} is not a manifest that this version reads")
    limit = asyncio.Semaphore(_READERS)

    async def page(one: str) -> list[File]:
        async with limit:
            return _files_of(*await content.read_node(one), one)

    pages = await asyncio.gather(*(page(one) for one in links[1:]))
    # Thousands of names take tens of milliseconds: not on the loop, which serves meanwhile.
    return await asyncio.to_thread(
        assemble,
        cid,
        links[0],
        [file for each in pages for file in each],
        redirects=head.redirects,
        headers=head.headers,
        warnings=head.warnings,
    )


def _files_of(node: dict[str, object], links: list[str], cid: str) -> list[File]:
    page = _convert(node, _Page, cid)
    try:
        return [
            File(
                path=path,
                cid=links[link],
                size_bytes=size,
                content_type=page.types[kind],
                variants=tuple(Variant(coding, links[at], length) for coding, at, length in variants),
            )
            for path, link, size, kind, variants in page.files
        ]
    except IndexError as error:
        raise Refused(f"{cid} is not a manifest page") from error


def assemble(
    cid: str,
    root: str,
    files: Sequence[File],
    *,
    redirects: bytes | None = None,
    headers: bytes | None = None,
    warnings: Sequence[str] = (),
) -> Manifest:
    """A manifest ready to decide by: rules parsed, hashed names found. Rules that cannot be used never raise."""
    hashed = hashed_files(file.path for file in files)
    rules = parse_redirects(redirects) if redirects is not None else None
    return Manifest(
        cid=cid,
        root=root,
        files={file.path: msgspec.structs.replace(file, immutable=file.path in hashed) for file in files},
        redirects=rules.rules if rules else (),
        broken=str(rules.faults[0]) if rules and rules.faults else None,
        headers=parse_headers(headers).rules if headers is not None else (),
        warnings=tuple(warnings),
    )


def _convert(node: dict[str, object], kind: type[Any], cid: str) -> Any:  # Any: `kind`'s instance, mypy cannot tell
    try:
        return msgspec.convert(node, kind)
    except msgspec.ValidationError as error:
        raise Refused(f"{cid} is not a manifest: {error}") from error
