"""The decisions, as a table: a release, a request, an answer."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.rooms.origin import rules
from dxops.rooms.origin.caching import hashed_files, is_service_worker, outlives_release
from dxops.rooms.origin.manifest import assemble
from dxops.rooms.origin.model import Decision, File, Manifest, Nothing, Redirect, Request, Serve
from dxops.wire.mime import type_of


def manifest(*paths: str, redirects: str | None = None) -> Manifest:
    files = [File(path, f"cid-{path}", 1, type_of(path) or "") for path in paths]
    return assemble("m", "root", files, redirects=redirects.encode() if redirects is not None else None)


def decide(release: Manifest, request: Request) -> Decision:
    return rules.find(release, request) or rules.otherwise(release, request)


DOCS = (
    "index.html",
    "docs.html",
    "docs/index.html",
    "guide/index.html",
    "api.html",
    "a/b.js",
    "404.html",
    "x/404.html",
)
APP = ("index.html", "app.js", "logo.svg")


@pytest.mark.parametrize(
    ("paths", "path", "status", "answer"),
    [
        (DOCS, "/", 200, "index.html"),
        (DOCS, "/index.html", 200, "index.html"),
        (DOCS, "/docs", 200, "docs.html"),
        (DOCS, "/docs/", 200, "docs/index.html"),
        (DOCS, "/guide", 301, "/guide/"),
        (DOCS, "/guide/", 200, "guide/index.html"),
        (DOCS, "/guide/index.html", 200, "guide/index.html"),
        (DOCS, "/api", 200, "api.html"),
        (DOCS, "/api.html", 200, "api.html"),
        (DOCS, "/api/", 301, "/api"),
        (DOCS, "/a/b.js", 200, "a/b.js"),
        (DOCS, "/a/b.js/", 404, "404.html"),
        (DOCS, "/a", 404, "404.html"),
        (DOCS, "/a/", 404, "404.html"),
        (DOCS, "/x/y/z", 404, "x/404.html"),
        (DOCS, "/nowhere", 404, "404.html"),
        (DOCS, "/nowhere.js", 404, "404.html"),
        (APP, "/deep/link", 200, "index.html"),
        (APP, "/deep/link/", 200, "index.html"),
        (APP, "/old.html", 200, "index.html"),
        (APP, "/missing.js", 404, None),
        (APP, "/missing.svg", 404, None),
        (APP, "/deep/missing.css.map", 404, None),
        (("app.js",), "/", 404, None),
        (("app.js",), "/x", 404, None),
        ((*APP, "_redirects"), "/_redirects", 404, None),
        ((*APP, "_headers"), "/_headers", 404, None),
    ],
)
def test_page_loads(paths: tuple[str, ...], path: str, status: int, answer: str | None) -> None:
    found = decide(manifest(*paths), Request(path, navigation=True))
    if isinstance(found, Serve):
        assert (found.status, found.file.path) == (status, answer)
    elif isinstance(found, Redirect):
        assert (found.status, found.location) == (status, answer)
    else:
        assert (found.status, answer) == (status, None)


def test_only_page_loads_get_the_app() -> None:
    release = manifest(*APP)
    assert decide(release, Request("/deep")) == Nothing(404, varies=True)
    assert decide(release, Request("/deep", navigation=True, service_worker=True)) == Nothing(404, varies=True)
    assert isinstance(decide(release, Request("/app.js")), Serve)


@pytest.mark.parametrize(
    ("accept", "mode", "expected"),
    [
        ("text/html,application/xhtml+xml", None, True),
        ("TEXT/HTML", "cors", True),
        ("*/*", "navigate", True),
        (None, "navigate", True),
        ("*/*", None, False),
        ("*/*", "no-cors", False),
        (None, None, False),
    ],
)
def test_navigation(accept: str | None, mode: str | None, expected: bool) -> None:
    assert rules.is_navigation(accept, mode) is expected


def test_redirects_only_where_the_release_has_nothing() -> None:
    release = manifest(*APP, redirects="/app.js /x\n/old /new 302\n/* /index.html 200")
    assert isinstance(decide(release, Request("/app.js")), Serve)
    assert decide(release, Request("/old", "q=1")) == Redirect("/new?q=1", 302)
    anything = decide(release, Request("/missing.css"))
    assert isinstance(anything, Serve)
    assert (anything.status, anything.file.path) == (200, "index.html")


def test_rewrites_to_what_is_not_there() -> None:
    release = manifest(
        "index.html", "d/index.html", redirects="/a /gone.html 200\n/b /gone 410\n/c /../x 200\n/d2 /d 200"
    )
    assert decide(release, Request("/a")) == Nothing(404)
    assert decide(release, Request("/b")) == Nothing(410)
    assert decide(release, Request("/c")) == Nothing(404)
    folder = decide(release, Request("/d2"))
    assert isinstance(folder, Serve)
    assert folder.file.path == "d/index.html"


def test_broken_redirects() -> None:
    release = manifest(*APP, redirects="/a /b 999")
    assert isinstance(decide(release, Request("/")), Serve)
    found = decide(release, Request("/a", navigation=True))
    assert isinstance(found, Nothing)
    assert found.status == 500


def test_what_earlier_releases_still_answer() -> None:
    old = manifest("index.html", "a-a1b2c3d4.js", "pic.png", "sw.js", "manifest.webmanifest", "_headers", "page.html")
    kept = {path for path in old.files if rules.from_earlier(old, Request(f"/{path}"))}
    assert kept == {"a-a1b2c3d4.js", "pic.png"}
    assert rules.from_earlier(old, Request("/a-a1b2c3d4.js", service_worker=True)) is None


@given(st.text(max_size=60))
def test_any_path_is_decided(path: str) -> None:
    release = manifest(*DOCS, redirects="/go/* /:splat 301")
    cleaned = rules.clean_path("/" + path)
    if cleaned is None:
        return
    found = decide(release, Request(cleaned, "x=1", navigation=True))
    if isinstance(found, Serve):
        assert found.file.path in release.files
    if isinstance(found, Redirect):
        assert found.location.startswith("/")
        assert not found.location.startswith(("//", "/\\"))
        assert found.location.isascii()


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("/", "/"),
        ("//a///b", "/a/b"),
        ("/a/..b/c..", "/a/..b/c.."),
        ("/...", "/..."),
        ("/%2e%2e/x", "/%2e%2e/x"),
        ("/a\\b", "/a\\b"),
        ("", None),
        ("*", None),
        ("a", None),
        ("/..", None),
        ("/a/./b", None),
        ("/a/..", None),
        ("/..\\x", None),
        ("/a\\..\\x", None),
        ("/a\x00", None),
        ("/a\nb", None),
        ("/" + "a" * 4096, None),
    ],
)
def test_clean_paths(path: str, cleaned: str | None) -> None:
    assert rules.clean_path(path) == cleaned


HASHED = """assets/index-DiwrgTda.js assets/index-4sK3E3Wk.css assets/vendor-Bx-_2abc.js main.3f2a9c1b.js
main.3f2a9c1b.chunk.js static/js/2.8a7b6c5d.chunk.js.map 3f2a9c1b0d9e12345678.js chunk-ABCD2345.js
polyfills-FFHMD2TL.js _nuxt/entry.BVx7u2Vb.js _astro/hoisted.D3kd8sKq.js _app/immutable/start.js index.a1b2c3d4.js
framework-3f2a9c1b0d9e1234.js _app-0123456789abcdef.js workbox-3f2a9c1b.js assets/inter-BtB1aB3c.woff2
assets/codicon-DCmgc-ay.ttf assets/logo-a1b2c3d4.svg _next/static/chunks/main.js""".split()  # noqa: SIM905

PLAIN = """
jquery-3.6.0.min.js bootstrap-datepicker.js my-component.js font-awesome.css icon-512x512.png shot-1024x768.png
shot-1920x1080.png report-20231231.pdf report-2023-12-31.pdf app-Settings.js view-DataGrid.js page-section1.js
app-Chapter1.js device-iPhone14.png sw.js service-worker.js manifest.json react.production.min.js
pt-serif-v11-latin-regular.woff2 inter-v12-latin.woff2 lodash.min.js README-IMPORTANT.txt icon-facebook.svg index.html
d3.v7.min.js three.r150.module.js normalize-8.0.1.css chart.js-4.4.0.js favicon-32x32.png favicon.ico
android-chrome-192x192.png index-a1b2c3d4.html moment-timezone.js utf8mb4x.js messages.en-US.json bundle.js
main.js""".split()  # noqa: SIM905


def test_names_with_a_content_hash() -> None:
    assert [path for path in HASHED if path not in hashed_files(HASHED)] == []
    assert hashed_files(PLAIN) == frozenset()
    assert [path for path in PLAIN if hashed_files([path])] == []


def test_nearly_every_hash_that_rollup_makes_is_seen() -> None:
    source = random.Random(7)
    alphabet = string.ascii_letters + string.digits + "-_"
    names = [f"assets/part{n}-{''.join(source.choices(alphabet, k=8))}.js" for n in range(3000)]
    assert len(hashed_files(names)) > 0.99 * len(names)


def test_service_workers_and_manifests() -> None:
    for path in ("sw.js", "app/service-worker.js", "firebase-messaging-sw.js", "ngsw-worker.js", "serviceWorker.js"):
        assert is_service_worker(path), path
    for path in ("answer.js", "assets/swiper.js", "sw.js.txt"):
        assert not is_service_worker(path), path
    assert not outlives_release("app.webmanifest", is_document=False)
    assert outlives_release("assets/x.css", is_document=False)
