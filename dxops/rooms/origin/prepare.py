"""Preparation: from a tree to a manifest, with types and compressed variants. Implements the port `Preparer`."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

from dxops.base.ports import Content, Prepared, ReleasedFile, TreeEntry
from dxops.rooms.origin import compress
from dxops.rooms.origin.manifest import load_manifest, store_manifest
from dxops.rooms.origin.model import File, Variant
from dxops.wire import headers_file, redirects
from dxops.wire.mime import is_compressible, type_of, type_of_content

_BATCH_FILES: Final = 64
_BATCH_BYTES: Final = 1024 * 1024
_SNIFF_BYTES: Final = 512
_LINK_HOPS: Final = 32
_MAX_WARNINGS: Final = 50
_HOSTS_OWN: Final = ".well-known/dx"

_NO_VARIANTS: Final[tuple[Variant, ...]] = ()


class Preparation:
    """Makes trees servable. Holds a few batches of about 1 MB in memory, whatever the size of the tree."""

    def __init__(self, content: Content, *, workers: int | None = None) -> None:
        self._content = content
        self._workers = workers or (os.cpu_count() or 1) + 1

    async def prepare(self, root: str) -> Prepared:
        """See the port. Raises `Missing` for an absent block, `Refused` for a root that is not a UnixFS tree."""
        entries, warnings = await self._entries(root)
        typed = [(entry, await self._type(entry)) for entry in entries]
        variants = await self._variants(typed)
        files = [
            File(
                path=entry.path,
                cid=entry.cid,
                size_bytes=entry.size_bytes,
                content_type=content_type,
                variants=variants.get(entry.cid, _NO_VARIANTS) if is_compressible(content_type) else _NO_VARIANTS,
            )
            for entry, content_type in typed
        ]
        names = {file.path: file for file in files}
        redirects_text = await self._settings(names.get(redirects.FILE), redirects.MAX_BYTES)
        headers_text = await self._settings(names.get(headers_file.FILE), headers_file.MAX_BYTES)
        warnings += _file_warnings(redirects_text, headers_text)
        if hidden := [name for name in names if name == _HOSTS_OWN or name.startswith(f"{_HOSTS_OWN}/")]:
            warnings.append(
                f"{hidden[0]}: below /{_HOSTS_OWN} the host itself answers; {len(hidden)} file(s) not served"
            )
        if "index.html" not in names:
            warnings.append("no index.html at the top: the app's own address answers 404")
        manifest = await store_manifest(
            self._content,
            root,
            files,
            redirects=redirects_text,
            headers=headers_text,
            warnings=warnings[:_MAX_WARNINGS],
        )
        return Prepared(
            manifest=manifest,
            files=len(files),
            size_bytes=sum(file.size_bytes for file in files),
            prepared_bytes=sum(variant.size_bytes for each in variants.values() for variant in each),
            warnings=tuple(warnings[:_MAX_WARNINGS]),
        )

    async def files(self, manifest: str) -> list[ReleasedFile]:
        """See the port. Raises `Missing` or `Refused` for what is not a manifest."""
        loaded = await load_manifest(self._content, manifest)
        return [
            ReleasedFile(path=each.path, cid=each.cid, size_bytes=each.size_bytes, content_type=each.content_type)
            for _, each in sorted(loaded.files.items())
        ]

    async def _entries(self, root: str) -> tuple[list[TreeEntry], list[str]]:
        """The files below `root` by path, symlinks to files replaced by what they point to."""
        entries = [entry async for entry in self._content.tree(root)]
        files = {entry.path: entry for entry in entries if entry.kind == "file" and entry.path}
        links = {entry.path: entry.target or "" for entry in entries if entry.kind == "symlink"}
        warnings = []
        for path in links:
            target = _follow(path, links)
            if target is None or target not in files:
                warnings.append(f"{path}: a symlink to '{links[path]}', which is not a file of this release; left out")
            else:
                end = files[target]
                files[path] = TreeEntry(path=path, kind="file", cid=end.cid, size_bytes=end.size_bytes)
        return [files[path] for path in sorted(files)], warnings

    async def _type(self, entry: TreeEntry) -> str:
        known = type_of(entry.path)
        if known is not None:
            return known
        return type_of_content(await _first(self._content.read(entry.cid, 0, _SNIFF_BYTES)))

    async def _variants(self, typed: Iterable[tuple[TreeEntry, str]]) -> dict[str, tuple[Variant, ...]]:
        """Variants by content CID. Equal content is compressed once."""
        wanted = {
            entry.cid: entry.size_bytes
            for entry, content_type in typed
            if is_compressible(content_type) and compress.MIN_BYTES <= entry.size_bytes <= compress.MAX_BYTES
        }
        batches = _batches(wanted)
        found: dict[str, tuple[Variant, ...]] = {}

        async def work() -> None:
            for batch in batches:  # shared: each batch goes to one worker
                found.update(await self._compress(batch))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(work())
        except ExceptionGroup as failed:  # callers know `Missing`, not a group of them
            raise failed.exceptions[0] from None
        return found

    async def _compress(self, cids: list[str]) -> dict[str, tuple[Variant, ...]]:
        bodies = [await self._content.read_bytes(cid, compress.MAX_BYTES) for cid in cids]
        made = await asyncio.to_thread(lambda: [compress.variants_of(body) for body in bodies])
        stored = iter(await self._content.store_many([body for each in made for _, body in each]))
        return {
            cid: tuple(Variant(coding, next(stored), len(body)) for coding, body in each)
            for cid, each in zip(cids, made, strict=True)
        }

    async def _settings(self, file: File | None, limit: int) -> bytes | None:
        """A `_redirects` or `_headers` file. One that is too long is cut just past its limit, which is its fault."""
        if file is None:
            return None
        return b"".join([chunk async for chunk in self._content.read(file.cid, 0, limit + 1)])


def _file_warnings(redirects_text: bytes | None, headers_text: bytes | None) -> list[str]:
    warnings: list[str] = []
    if redirects_text is not None and (faults := redirects.parse_redirects(redirects_text).faults):
        warnings += [str(fault) for fault in faults]
        warnings.append("_redirects is not usable: paths that are not in the release answer 500 until it is corrected")
    if headers_text is not None:
        warnings += headers_file.parse_headers(headers_text).faults
    return warnings


def _batches(sizes: dict[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    total = 0
    for cid, size in sizes.items():
        if batch and (len(batch) >= _BATCH_FILES or total + size > _BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(cid)
        total += size
    if batch:
        yield batch


def _follow(path: str, links: dict[str, str]) -> str | None:
    """The path that a symlink ends at; None if it leaves the tree or goes in circles."""
    for _ in range(_LINK_HOPS):
        if path not in links:
            return path
        target = links[path]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not target or path.startswith(("/", "../")) or path in ("..", "."):
            return None
    return None


async def _first(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
