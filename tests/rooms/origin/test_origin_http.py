"""The origin over real HTTP: status, bytes and headers of what a release answers."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import brotli
import pytest
import websockets
import zstandard

from dxops.rooms.origin.config import OriginConfig
from tests.rooms.origin.stage import DOMAIN, Stage, staged

SCRIPT = b"export const answer = 42;\n" * 200
SITE = {
    "index.html": b"<!doctype html><title>hello</title>" + b"<p>words of the first page</p>" * 50,
    "about.html": b"<h1>about</h1>",
    "docs/index.html": b"<h1>docs</h1>",
    "assets/index-DiwrgTd4.js": SCRIPT,
    "assets/logo.png": bytes(range(256)) * 8,
    "sw.js": b"self.addEventListener('fetch', () => {})",
    "manifest.webmanifest": b"{}",
    "lib/a b#ü.txt": "grüße".encode(),
    "module.wasm": b"\0asm" + bytes(2000),
    "LICENSE": b"words " * 10,
}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, "hello", "other") as made:
        yield made


async def test_files_have_their_bytes_types_and_release(stage: Stage) -> None:
    site = await stage.publish(SITE)
    for path, kind in {
        "/": "text/html; charset=utf-8",
        "/about": "text/html; charset=utf-8",
        "/docs/": "text/html; charset=utf-8",
        "/assets/index-DiwrgTd4.js": "text/javascript; charset=utf-8",
        "/manifest.webmanifest": "application/manifest+json",
        "/lib/a%20b%23%C3%BC.txt": "text/plain; charset=utf-8",
        "/module.wasm": "application/wasm",
        "/LICENSE": "text/plain; charset=utf-8",
    }.items():
        for _ in range(2):  # the long way, then from memory
            answer = await stage.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, kind), path
            assert answer.headers["x-dx-release"] == site.release_id
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-length"] == str(len(answer.content))
    assert (await stage.get("/about")).content == SITE["about.html"]
    assert (await stage.get("/docs/")).content == SITE["docs/index.html"]
    named = await stage.get("/lib/a%20b%23%C3%BC.txt")
    assert named.content == SITE["lib/a b#ü.txt"]
    assert named.headers["x-ipfs-path"] == f"/ipfs/{site.cid}/lib/a%20b%23%C3%BC.txt"


async def test_only_names_made_from_content_are_immutable(stage: Stage) -> None:
    await stage.publish(SITE)
    for path, immutable in {
        "/assets/index-DiwrgTd4.js": True,
        "/": False,
        "/assets/logo.png": False,
        "/sw.js": False,
        "/manifest.webmanifest": False,
    }.items():
        value = (await stage.get(path)).headers["cache-control"]
        assert value == ("public, max-age=31536000, immutable" if immutable else "no-cache"), path


async def test_edge_and_origin_and_local_hosts_serve_the_same_and_say_which(stage: Stage) -> None:
    await stage.publish(SITE)
    await stage.publish(SITE, environment="dev")
    for host, via in (
        (f"hello.{DOMAIN}", "edge"),
        (f"hello.kube.{DOMAIN}", "origin"),
        (f"HELLO.kube.{DOMAIN.upper()}.", "origin"),
        (f"hello.dev.{DOMAIN}", "edge"),
        ("hello.localhost", "local"),
    ):
        answer = await stage.get("/about", host=host)
        assert (answer.status_code, answer.headers["x-dx-via"]) == (200, via)
        assert ("cache-tag" in answer.headers) == (via != "edge")


async def test_the_wanted_encoding_is_sent_with_its_own_etag(stage: Stage) -> None:
    await stage.publish(SITE)
    unpack = {
        "br": brotli.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
        "gzip": gzip.decompress,
        None: bytes,
    }
    etags = set()
    for wanted, coding in (
        ("br", "br"),
        ("zstd;q=1, gzip;q=0.5", "zstd"),
        ("gzip", "gzip"),
        ("gzip;q=0, br;q=0", None),
        ("identity", None),
        ("deflate, nonsense;q=x", None),
    ):
        async with stage.client.stream(
            "GET",
            f"http://127.0.0.1:{stage.port}/assets/index-DiwrgTd4.js",
            headers={"host": f"hello.{DOMAIN}", "accept-encoding": wanted},
        ) as answer:
            body = b"".join([chunk async for chunk in answer.aiter_raw()])
            assert answer.headers.get("content-encoding") == coding, wanted
            assert unpack[coding](body) == SCRIPT
            assert answer.headers["vary"] == "Accept-Encoding"
            etags.add((coding, answer.headers["etag"]))
    assert len(etags) == len({etag for _, etag in etags}) == 4
    png = await stage.get("/assets/logo.png", accept_encoding="br, gzip, zstd")
    assert "content-encoding" not in png.headers
    assert "vary" not in png.headers


async def test_conditional_requests(stage: Stage) -> None:
    site = await stage.publish(SITE)
    etag = (await stage.get("/assets/logo.png")).headers["etag"]
    cid = next(each.cid for each in stage.content.trees[site.cid] if each.path == "assets/logo.png")
    assert etag == f'"{cid}"'
    for value, status in (
        (etag, 304),
        (f"W/{etag}", 304),
        (f'"other", {etag}', 304),
        ("*", 304),
        ('"other"', 200),
        (etag.strip('"'), 200),
        ('"', 200),
    ):
        for path in ("/assets/logo.png", "/assets/logo.png"):
            answer = await stage.get(path, if_none_match=value)
            assert answer.status_code == status, value
        if status == 304:
            assert answer.content == b""
            assert answer.headers["etag"] == etag
            assert answer.headers["cache-control"] == "no-cache"
            assert "content-type" not in answer.headers
    compressed = (await stage.get("/", accept_encoding="br")).headers["etag"]
    assert (await stage.get("/", accept_encoding="br", if_none_match=compressed)).status_code == 304
    assert (await stage.get("/", accept_encoding="gzip", if_none_match=compressed)).status_code == 200


async def test_ranges(stage: Stage) -> None:
    await stage.publish(SITE)
    whole = SITE["assets/logo.png"]
    etag = (await stage.get("/assets/logo.png")).headers["etag"]
    for value, expected in (
        ("bytes=0-9", whole[:10]),
        ("bytes=100-", whole[100:]),
        ("bytes=-5", whole[-5:]),
        ("bytes=2040-9999", whole[2040:]),
    ):
        answer = await stage.get("/assets/logo.png", range=value)
        assert (answer.status_code, answer.content) == (206, expected), value
        start = whole.index(expected) if value != "bytes=-5" else len(whole) - 5
        last = start + len(expected) - 1
        assert answer.headers["content-range"] == f"bytes {start}-{last}/{len(whole)}" or value == "bytes=2040-9999"
    for value in ("bytes=0-1,4-5", "lines=1-2", "bytes=9-1", "bytes=x"):
        assert (await stage.get("/assets/logo.png", range=value)).status_code == 200, value
    for value in ("bytes=2048-", "bytes=-0"):
        answer = await stage.get("/assets/logo.png", range=value)
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(whole)}"), value
    assert (await stage.get("/assets/logo.png", range="bytes=0-1", if_range=etag)).status_code == 206
    assert (await stage.get("/assets/logo.png", range="bytes=0-1", if_range='"old"')).status_code == 200
    assert (await stage.get("/assets/logo.png", range="bytes=0-1", if_range=f"W/{etag}")).status_code == 200


async def test_head_is_get_without_body(stage: Stage) -> None:
    await stage.publish({**SITE, "big.bin": bytes(3_000_000)})
    for path in ("/", "/assets/logo.png", "/big.bin", "/missing.png"):
        got, head = await stage.get(path), await stage.get(path, method="HEAD")
        for answer in (got, head):
            answer.headers.pop("date", None)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert dict(head.headers) == dict(got.headers)


async def test_large_files_come_whole_in_part_and_at_the_client_s_pace(tmp_path: Path) -> None:
    body = b"".join(number.to_bytes(4, "big") for number in range(1_500_000))  # 6 MB
    async with staged(tmp_path, config=OriginConfig(memory_mb=1, disk_mb=1)) as stage:
        await stage.publish({"index.html": b"x", "film.mp4": body, "film2.mp4": body[::-1]})
        answers = await asyncio.gather(*(stage.get("/film.mp4") for _ in range(4)))
        assert all(answer.content == body for answer in answers)
        assert stage.content.reads.count(answers[0].headers["etag"].strip('"')) == 1
        assert (await stage.get("/film2.mp4")).content == body[::-1]
        part = await stage.get("/film.mp4", range="bytes=1000000-4999999")
        assert (part.status_code, part.content) == (206, body[1_000_000:5_000_000])
        assert (await stage.get("/film.mp4", range="bytes=-10")).content == body[-10:]
        assert (await stage.get("/film.mp4")).content == body


async def test_damaged_and_missing_blocks_are_never_sent(stage: Stage) -> None:
    site = await stage.publish(SITE)
    cid = next(each.cid for each in stage.content.trees[site.cid] if each.path == "assets/logo.png")
    stage.content.lose(cid)
    answer = await stage.get("/assets/logo.png")
    assert answer.status_code == 502
    assert cid not in answer.text
    assert (await stage.get("/")).status_code == 200


async def test_single_page_apps_fall_back_for_page_loads_only(stage: Stage) -> None:
    await stage.publish(SITE)
    page = "text/html,application/xhtml+xml,*/*;q=0.8"
    for path, headers, status in (
        ("/space/123", {"accept": page}, 200),
        ("/space/john.doe", {"accept": page}, 200),
        ("/space/123", {"sec_fetch_mode": "navigate"}, 200),
        ("/space/123", {}, 404),
        ("/assets/gone-DiwrgTd5.js", {}, 404),
        ("/assets/gone-DiwrgTd5.js", {"accept": page, "sec_fetch_mode": "navigate"}, 404),
        ("/missing.png", {"accept": page}, 404),
        ("/_redirects", {"accept": page}, 404),
        ("/space/sw", {"accept": page, "service_worker": "script"}, 404),
    ):
        answer = await stage.get(path, **headers)
        assert answer.status_code == status, (path, headers)
        assert (answer.content == SITE["index.html"]) == (status == 200)
        if path.startswith("/space/123"):
            assert "Sec-Fetch-Mode" in answer.headers["vary"]


async def test_a_404_page_answers_instead_of_the_fallback(stage: Stage) -> None:
    await stage.publish({**SITE, "404.html": b"root lost", "docs/404.html": b"docs lost"})
    for path, body in (("/nowhere", b"root lost"), ("/docs/deep/x", b"docs lost"), ("/x.png", b"root lost")):
        answer = await stage.get(path, accept="text/html")
        assert (answer.status_code, answer.content) == (404, body)
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-cache"


async def test_folders_redirect_to_their_slash_and_keep_the_query(stage: Stage) -> None:
    await stage.publish({**SITE, "ä/index.html": b"a"})
    for path, location in (
        ("/docs", "/docs/"),
        ("/docs?q=a%20b&c", "/docs/?q=a%20b&c"),
        ("/about/", "/about"),
        ("/%C3%A4", "/%C3%A4/"),
    ):
        answer = await stage.get(path)
        assert (answer.status_code, answer.headers["location"]) == (301, location)
    assert (await stage.get("/?utm=1")).status_code == 200


async def test_redirects_and_headers_files(stage: Stage) -> None:
    await stage.publish(
        {
            **SITE,
            "_redirects": b"/old/* /new/:splat 302\n/about /elsewhere\n/app/* /index.html 200\n/gone /about.html 410\n",
            "_headers": b"/*\n  X-Frame-Options: DENY\n  ETag: nope\n/assets/*\n  Cache-Control: max-age=60\n",
        }
    )
    moved = await stage.get("/old/a/b%20c?x=1")
    assert (moved.status_code, moved.headers["location"]) == (302, "/new/a/b%20c?x=1")
    assert (await stage.get("/about")).content == SITE["about.html"]  # a file is never shadowed
    rewritten = await stage.get("/app/deep")
    assert (rewritten.status_code, rewritten.content) == (200, SITE["index.html"])
    gone = await stage.get("/gone")
    assert (gone.status_code, gone.content) == (410, SITE["about.html"])
    asset = await stage.get("/assets/logo.png")
    assert asset.headers["x-frame-options"] == "DENY"
    assert asset.headers["cache-control"] == "max-age=60"
    assert asset.headers["etag"] != "nope"
    for name in ("/_redirects", "/_headers"):
        assert (await stage.get(name)).status_code == 404


async def test_broken_redirects_answer_500_beside_working_files(stage: Stage) -> None:
    await stage.publish({**SITE, "_redirects": b"/a /b 999\n"})
    assert (await stage.get("/")).status_code == 200
    answer = await stage.get("/nowhere")
    assert answer.status_code == 500
    assert "line 1" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/../index.html", 400),
        ("/assets/../../etc/passwd", 400),
        ("/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/..%2f..%2fetc%2fpasswd", 400),
        ("/..%5c..%5cetc", 400),
        ("/a%00b", 400),
        ("/a%0d%0aX-Evil:%201", 400),
        ("/%252e%252e/etc/passwd", 404),
        ("/a%5cb", 404),
        ("/%ff%fe", 404),
        ("//assets//logo.png", 200),
        ("/assets%2Flogo.png", 200),
        ("/" + "a" * 5000, 414),
    ],
)
async def test_hostile_paths(stage: Stage, path: str, status: int) -> None:
    await stage.publish(SITE)
    host = f"Host: hello.{DOMAIN}\r\nConnection: close\r\n\r\n"
    answer = await stage.raw(f"GET {path} HTTP/1.1\r\n{host}".encode())
    assert int(answer.split(b" ", 2)[1]) == status
    assert b"x-evil" not in answer.lower().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("path", ["//evil.example", "//evil.example/..%2f", "/%5cevil.example/", "//docs"])
async def test_no_redirect_leaves_the_host(stage: Stage, path: str) -> None:
    await stage.publish({**SITE, "evil.example/index.html": b"x", "_redirects": b"/go/* /:splat 301\n"})
    for each in (path, "/go/" + path, "/go//" + path):
        answer = await stage.get(each)
        location = answer.headers.get("location", "/")
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))


async def test_only_get_and_head(stage: Stage) -> None:
    await stage.publish(SITE)
    await stage.get("/")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"):
        answer = await stage.get("/", method=method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"Host: user@hello.dxos.localhost", 400),
        (b"Host: hello.dxos.localhost:99999", 400),
        (b"Host: hello.dxos.localhost:80:80", 400),
        (b"Host: hello.dxos.localhost, other.dxos.localhost", 400),
        (b"Host: hello.dxos.localhost\r\nHost: other.dxos.localhost", 400),
        (b"Host: " + b"a" * 5000, 400),
        (b"Host: ../../etc", 400),
        (b"Host: <script>alert(1)</script>", 400),
        (b"Host: b\xc3\xbccher.dxos.localhost", 400),
        (b"Host: \xff\xfe", 400),
        (b"Host:", 400),
        (b"X-None: 1", 400),
        (b"Host: [::1", 400),
        (b"Host: [::1]:8080", 200),
        (b"Host: 127.0.0.1", 200),
        (b"Host: localhost:1", 200),
        (b"Host: xn--bcher-kva.dxos.localhost", 404),
        (b"Host: nothing.example", 404),
        (b"Host: hello.DXOS.localhost.:8080", 200),
    ],
)
async def test_hostile_hosts(stage: Stage, host: bytes, status: int) -> None:
    await stage.publish(SITE)
    answer = await stage.raw(b"GET / HTTP/1.1\r\nAccept: text/html\r\n" + host + b"\r\nConnection: close\r\n\r\n")
    assert int(answer.split(b" ", 2)[1]) == status
    assert b"<script>" not in answer


async def test_absolute_form_names_the_host(stage: Stage) -> None:
    await stage.publish(SITE)
    answer = await stage.raw(
        b"GET http://hello.dxos.localhost/about HTTP/1.1\r\nHost: nothing.example\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(SITE["about.html"])


async def test_helpful_404s(stage: Stage) -> None:
    await stage.publish(SITE)
    unknown = await stage.get("/", host="nothing.example", accept="text/html")
    assert unknown.status_code == 404
    assert f'href="//hello.{DOMAIN}:{stage.port}/"' in unknown.text
    assert unknown.headers["content-security-policy"].startswith("default-src 'none'")
    plain = await stage.get("/", host="nothing.example")
    assert plain.headers["content-type"].startswith("text/plain")
    nowhere = await stage.get("/", host=f"hello.staging.{DOMAIN}", accept="text/html")
    assert nowhere.status_code == 404
    assert "hello has no release in staging" in nowhere.text
    assert f"//hello.{DOMAIN}:{stage.port}/" in nowhere.text
    never = await stage.get("/", host=f"other.{DOMAIN}")
    assert "not live in any environment" in never.text


async def test_localhost_and_the_kube_host_list_the_apps(stage: Stage) -> None:
    await stage.publish(SITE, environment="dev")
    await stage.publish(SITE)
    for host, link in (
        ("localhost", f"//hello.localhost:{stage.port}/"),
        ("127.0.0.1", f"//hello.localhost:{stage.port}/"),
        (f"kube.{DOMAIN}", f"//hello.{DOMAIN}:{stage.port}/"),
    ):
        answer = await stage.get("/", host=host, accept="text/html")
        assert (answer.status_code, link in answer.text) == (200, True), host
        assert (await stage.get("/nowhere", host=host)).status_code == 404


async def test_well_knowns_go_to_the_node_on_every_host(stage: Stage) -> None:
    await stage.publish(SITE)
    for host, environment in (
        (f"hello.{DOMAIN}", "prod"),
        (f"hello.dev.kube.{DOMAIN}", "dev"),
        (f"kube.{DOMAIN}", "prod"),
        ("localhost", "dev"),
    ):
        answer = await stage.get("/.well-known/dx/config", host=host, method="POST" if host == "localhost" else "GET")
        assert (answer.status_code, answer.json()) == (200, {"environment": environment})
        unknown = await stage.get("/.well-known/dx/nothing", host=host, accept="text/html")
        assert unknown.status_code == 404
        assert b"words of the first page" not in unknown.content
    kube, app = f"ws://kube.{DOMAIN}:{stage.port}", f"ws://hello.{DOMAIN}:{stage.port}"
    async with websockets.connect(f"{kube}/.well-known/dx/echo", host="127.0.0.1") as socket:
        await socket.send(b"hi")
        assert await socket.recv() == "prod: b'hi'"
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{app}/chat", host="127.0.0.1")
    assert refused.value.response.status_code == 404


async def test_the_access_log_sees_every_answer(stage: Stage) -> None:
    site = await stage.publish(SITE)
    stage.accesses.clear()
    for path in ("/about", "/about", "/missing.png"):
        await stage.get(path)
    await stage.get("/about", method="HEAD")
    await stage.get("/about", if_none_match="*")
    await stage.get("/", host="nothing.example")
    seen = [(each.app, each.release, each.method, each.path, each.status, each.size_bytes) for each in stage.accesses]
    size = len(SITE["about.html"])
    assert seen[:2] == [("hello", site.release_id, "GET", "/about", 200, size)] * 2
    assert seen[2][:5] == ("hello", site.release_id, "GET", "/missing.png", 404)
    assert seen[3:5] == [
        ("hello", site.release_id, "HEAD", "/about", 200, 0),
        ("hello", site.release_id, "GET", "/about", 304, 0),
    ]
    assert seen[5][:2] == ("", "")
