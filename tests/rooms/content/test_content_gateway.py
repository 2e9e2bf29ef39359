"""The gateways on a real socket, over a real tree."""

from __future__ import annotations

import io
import random
import tarfile

import httpx
import pytest

from dxops.engines.blocks.files import FileBlocks
from dxops.rooms.content.service import ContentService
from dxops.wire.car import CarDecoder
from dxops.wire.cid import RAW, Cid
from dxops.wire.unixfs import V1_256K
from dxops.wire.unixfs_build import FileBuilder
from dxops.wire.unixfs_tree import TreeBuilder

FILES = {
    "index.html": b"<h1>home</h1>",
    "docs/a b.txt": b"spaced",
    "docs/%2C.txt": b"percent",
    "docs/<x>&'.svg": b"<svg/>",
    "big.bin": random.Random(7).randbytes(1_024_000),
    "_redirects": b"/old /index.html 301\n/app/* /index.html 200\n",
}


@pytest.fixture
async def root(content: ContentService) -> str:
    return await plant(content, FILES)


async def plant(content: ContentService, files: dict[str, bytes]) -> str:
    tree = TreeBuilder(V1_256K)
    with content.blocks.batch() as batch:
        for path, data in files.items():
            builder = FileBuilder(V1_256K)
            for block in builder.feed(data):
                batch.put(*block)
            link, rest = builder.finish()
            for block in rest:
                batch.put(*block)
            tree.add_file(path.encode(), link)
        for directory in tree.finish():
            for block in directory.blocks:
                batch.put(*block)
    return str(directory.link.cid)


async def test_files_index_and_headers(gateway: httpx.AsyncClient, root: str) -> None:
    answer = await gateway.get(f"/ipfs/{root}/")
    assert (answer.status_code, answer.content) == (200, FILES["index.html"])
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=29030400, immutable"
    assert answer.headers["x-ipfs-path"] == f"/ipfs/{root}"
    assert answer.headers["x-ipfs-roots"] == root
    assert answer.headers["access-control-allow-origin"] == "*"
    again = await gateway.get(f"/ipfs/{root}/", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path, name in (("docs/a%20b.txt", "docs/a b.txt"), ("docs/%252C.txt", "docs/%2C.txt")):
        assert (await gateway.get(f"/ipfs/{root}/{path}")).content == FILES[name]
    head = await gateway.head(f"/ipfs/{root}/big.bin")
    assert (head.headers["content-length"], head.content) == (str(len(FILES["big.bin"])), b"")


async def test_ranges(gateway: httpx.AsyncClient, root: str) -> None:
    url = f"/ipfs/{root}/big.bin"
    answer = await gateway.get(url, headers={"range": "bytes=262140-262150"})
    assert (answer.status_code, answer.content) == (206, FILES["big.bin"][262140:262151])
    assert answer.headers["content-range"] == f"bytes 262140-262150/{len(FILES['big.bin'])}"
    assert (await gateway.get(url, headers={"range": "bytes=9999999-"})).status_code == 416
    assert (await gateway.get(url)).content == FILES["big.bin"]


async def test_directories(gateway: httpx.AsyncClient, root: str) -> None:
    moved = await gateway.get(f"/ipfs/{root}/docs?x=1")
    assert (moved.status_code, moved.headers["location"]) == (301, "./docs/?x=1")
    page = await gateway.get(f"/ipfs/{root}/docs/")
    assert page.status_code == 200
    assert "&lt;x&gt;&amp;&#x27;.svg" in page.text
    assert "<x>" not in page.text
    assert page.headers["etag"].startswith('"DirIndex-')
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await gateway.get(f"/ipfs/{root}/docs/%252C.txt/")).status_code == 404


async def test_downloads_have_safe_names(gateway: httpx.AsyncClient, root: str) -> None:
    answer = await gateway.get(f"/ipfs/{root}/big.bin?download=true&filename=%C3%A4%0D%0AX-Evil%3A1.txt")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "x-evil" not in answer.headers


@pytest.mark.fault
async def test_what_is_not_here_is_404_and_what_is_wrong_is_400(gateway: httpx.AsyncClient, root: str) -> None:
    absent = str(Cid.for_block(b"never stored"))
    assert (await gateway.get(f"/ipfs/{absent}")).status_code == 404
    assert (await gateway.get(f"/ipfs/{root}/nowhere")).status_code == 404
    for bad in ("/ipfs/notacid", "/ipfs/Qm", "/ipfs/" + "b" * 3000, f"/ipfs/{root}/a%2Fb", f"/ipfs/{root}/%00"):
        assert (await gateway.get(bad)).status_code == 400, bad
    cached = {"cache-control": "only-if-cached"}
    assert (await gateway.get(f"/ipfs/{absent}", headers=cached)).status_code == 412
    assert (await gateway.get(f"/ipfs/{root}/", headers=cached)).status_code == 200
    assert (await gateway.get(f"/ipfs/{root}", headers={"service-worker": "script"})).status_code == 400
    assert (await gateway.post(f"/ipfs/{root}/")).status_code == 405
    assert (await gateway.get("/ipns/example.org/")).status_code == 404
    html = await gateway.get(f"/ipfs/{absent}", headers={"accept": "text/html"})
    assert "<title>Not held here</title>" in html.text


async def test_subdomains(gateway: httpx.AsyncClient, root: str) -> None:
    port = gateway.base_url.port
    moved = await gateway.get(f"/ipfs/{root}/docs/a%20b.txt?x=1", headers={"host": f"localhost:{port}"})
    assert moved.status_code == 301
    assert moved.headers["location"] == f"http://{root}.ipfs.localhost:{port}/docs/a%20b.txt?x=1"
    site = {"host": f"{root}.ipfs.localhost:{port}"}
    assert (await gateway.get("/docs/a%20b.txt", headers=site)).content == FILES["docs/a b.txt"]
    assert (await gateway.get("/", headers=site)).content == FILES["index.html"]
    old = await gateway.get("/old", headers=site)
    assert (old.status_code, old.headers["location"]) == (301, "/index.html")
    app = await gateway.get("/app/deep/link", headers=site)
    assert (app.status_code, app.content) == (200, FILES["index.html"])
    assert (await gateway.get(f"/ipfs/{root}/app/deep")).status_code == 404  # not on a shared origin
    uri = await gateway.get(f"/ipfs/?uri=ipfs%3A%2F%2F{root}%2Fx")
    assert (uri.status_code, uri.headers["location"]) == (301, f"/ipfs/{root}/x")


async def test_hostile_hosts_redirect_nowhere(gateway: httpx.AsyncClient, root: str) -> None:
    for host in ("evil.example", "localhost.evil.example", "localhost@evil", f"{root}.ipfs.evil.example"):
        answer = await gateway.get(f"/ipfs/{root}/docs", headers={"host": host})
        assert "evil" not in answer.headers.get("location", "")


def car(data: bytes) -> tuple[list[str], dict[Cid, bytes]]:
    decoder = CarDecoder()
    blocks = decoder.feed(data)
    return [str(cid) for cid in decoder.finish()], dict(blocks)


async def test_raw_and_car(gateway: httpx.AsyncClient, content: ContentService, root: str) -> None:
    raw = await gateway.get(f"/ipfs/{root}?format=raw")
    assert Cid.parse(root).verifies(raw.content)
    assert raw.headers["content-type"] == "application/vnd.ipld.raw"
    assert raw.headers["content-disposition"] == f'attachment; filename="{root}.bin"'
    accepted = await gateway.get(f"/ipfs/{root}", headers={"accept": "application/vnd.ipld.raw"})
    assert accepted.content == raw.content
    assert accepted.headers["content-location"].endswith("?format=raw")
    whole = await gateway.get(f"/ipfs/{root}?format=car")
    roots, blocks = car(whole.content)
    assert roots == [root]
    assert len(blocks) == (await content.check(root)).blocks
    assert whole.headers["content-type"] == "application/vnd.ipld.car; version=1; order=dfs; dups=n"

    async def count(query: str, path: str = "") -> int:
        return len(car((await gateway.get(f"/ipfs/{root}{path}?format=car&{query}")).content)[1])

    assert await count("dag-scope=block") == 1
    assert await count("dag-scope=entity") == 1
    assert await count("dag-scope=block", "/docs/a%20b.txt") == 3
    assert await count("dag-scope=entity", "/big.bin") == 6
    assert await count("entity-bytes=0:10", "/big.bin") == 3
    tags = {
        (await gateway.head(f"/ipfs/{root}?format=car&{query}")).headers["etag"] for query in ("", "dag-scope=block")
    }
    assert len(tags) == 2
    assert (await gateway.get(f"/ipfs/{root}?format=car&dag-scope=x")).status_code == 400
    assert (await gateway.get(f"/ipfs/{root}?format=car&car-version=2")).status_code == 406
    assert (await gateway.get(f"/ipfs/{root}?format=exe")).status_code == 400


async def test_the_probe(gateway: httpx.AsyncClient) -> None:
    raw = await gateway.get("/ipfs/bafkqaaa?format=raw")
    assert (raw.status_code, raw.content) == (200, b"")
    assert (await gateway.head("/ipfs/bafkqaaa?format=raw")).status_code == 200
    assert car((await gateway.get("/ipfs/bafkqaaa?format=car")).content) == (["bafkqaaa"], {})


@pytest.mark.fault
async def test_a_car_with_a_hole_is_visibly_broken(
    gateway: httpx.AsyncClient, blocks: FileBlocks, content: ContentService, root: str
) -> None:
    big = (await content.dag.resolve(f"{root}/big.bin")).cid
    leaf = (await content.dag.links(big))[2]
    assert blocks.delete_if_older([leaf], 1e12) == 1
    data = (await gateway.get(f"/ipfs/{root}?format=car")).content
    with pytest.raises(Exception, match="cut off"):
        car(data)
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.get(f"/ipfs/{root}/big.bin")


@pytest.mark.fault
async def test_a_damaged_block_is_never_served(
    gateway: httpx.AsyncClient, blocks: FileBlocks, content: ContentService
) -> None:
    cid = await content.store(b"precious")
    path = blocks.path(Cid.parse(cid))
    assert path is not None
    path.chmod(0o600)
    path.write_bytes(b"pregious")
    assert (await gateway.get(f"/ipfs/{cid}")).status_code in (404, 503)
    assert (await gateway.get(f"/ipfs/{cid}")).status_code == 404


async def test_tar(gateway: httpx.AsyncClient, root: str) -> None:
    answer = await gateway.get(f"/ipfs/{root}?format=tar")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        found = {
            member.name.removeprefix(f"{root}/"): archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
            if member.isfile()
        }
    assert found == FILES


async def test_routing(gateway: httpx.AsyncClient, root: str) -> None:
    found = (await gateway.get(f"/routing/v1/providers/{root}")).json()["Providers"]
    assert found[0]["Protocols"] == ["transport-ipfs-gateway-http"]
    absent = await gateway.get(f"/routing/v1/providers/{Cid.for_block(b'no', RAW)}")
    assert (absent.status_code, absent.json()) == (200, {"Providers": []})
    assert (await gateway.get("/routing/v1/providers/nonsense")).status_code == 422
    assert (await gateway.get("/routing/v1/dht/closest/peers/x")).status_code == 501
