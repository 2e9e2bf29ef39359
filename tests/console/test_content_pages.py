"""Content pages: browsing, previews that run nothing, the DAG's data, pins and upkeep."""

from __future__ import annotations

import re

import httpx

from dxops.console.content import image_type
from dxops.wire.cid import Cid
from tests.console.conftest import enter
from tests.console.demo import DemoHouse

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
EVIL = "<script>alert(1)</script>.html"
FILES = {
    "index.html": b"<script>alert(document.domain)</script>",
    "img/logo.png": PNG,
    "img/logo.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "deep/er/a name with % and #?.txt": b"found",
    "bin": bytes(range(256)) * 8,
    EVIL.replace("/", "_"): b"x",
}


def hrefs(text: str) -> list[str]:
    return re.findall(r'data-row-link href="([^"]+)"', text)


async def test_browsing_goes_down_and_shows_text_as_text(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    root = house.add_tree(FILES)
    listing = (await owner.get(f"/content/{root}")).text
    assert "&lt;script&gt;alert(1)" in listing
    assert "<script>alert" not in listing
    assert root in listing
    page = (await owner.get(f"/content/{root}/index.html")).text
    assert "&lt;script&gt;alert(document.domain)" in page
    assert "<script>alert" not in page
    deep = hrefs((await owner.get(f"/content/{root}/deep/er")).text)
    assert len(deep) == 1
    assert ">found</pre>" in (await owner.get(deep[0])).text
    assert "Not text" in (await owner.get(f"/content/{root}/bin")).text


async def test_what_is_not_there_says_so(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    root = house.add_tree(FILES)
    absent = await owner.get(f"/content/{root}/nothing.txt")
    assert absent.status_code == 404
    assert "There is no &#39;nothing.txt&#39;" in absent.text
    assert (await owner.get("/content/not-a-cid")).status_code == 422
    assert (await owner.get("/content/QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")).status_code == 404
    answer = await owner.get("/content", params={"cid": f"ipfs://{root}/img"})
    assert answer.headers["location"] == f"/content/{root}/img"


async def test_pictures_are_shown_only_where_they_cannot_run(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    root = house.add_tree(FILES)
    shown = (await owner.get(f"/content/{root}/img/logo.png")).text
    address = re.search(r'src="(/console/image/[^"]+)"', shown)
    assert address
    picture = await owner.get(address[1])
    assert (picture.status_code, picture.headers["content-type"], picture.content) == (200, "image/png", PNG)
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
    drawing = (await owner.get(f"/content/{root}/img/logo.svg")).text
    assert "/console/image/" not in drawing
    assert "&lt;svg" in drawing
    svg = re.search(r'data-copy="(b[a-z2-7]{50,})"', drawing)
    assert svg
    assert (await owner.get(f"/console/image/{svg[1]}")).status_code == 404
    assert image_type(b"<svg") is None
    assert image_type(b"RIFF1234WEBPVP8 ") == "image/webp"


async def test_the_dag_is_data(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    root = house.add_tree(FILES)
    node = (await owner.get(f"/console/dag/{root}", headers={"accept": "application/json"})).json()
    assert (node["kind"], node["codec"], node["total"]) == ("directory", "dag-pb", 5)
    assert {link["name"] for link in node["links"]} >= {"index.html", "img", "deep"}


async def test_pin_and_unpin(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    root = house.add_tree(FILES)
    assert (await owner.post(f"/content/{root}/pin", data={"do": "pin"})).status_code == 303
    assert [hold.owner for hold in await house.content.holds.of(root)] == ["pin"]
    assert "a pin" in (await owner.get("/content")).text
    await owner.post(f"/content/{root}/pin", data={"do": "unpin"})
    assert await house.content.holds.of(root) == []


async def test_upkeep_is_asked_for_shown_and_reported(house: DemoHouse, owner: httpx.AsyncClient) -> None:
    root = house.add_tree(FILES)
    await owner.post(f"/content/{root}/pin", data={"do": "pin"})
    assert "not counted yet" in (await owner.get("/content")).text
    for what in ("verify", "preview", "verify"):  # the second time joins the first
        assert (await owner.post("/content/upkeep", data={"do": what})).headers["location"] == "/content"
    partial = {"hx-request": "true"}
    waiting = (await owner.get("/content/upkeep", headers=partial)).text
    assert waiting.count("waits for a worker") == 2
    assert "every 1s" in waiting
    assert await house.content.upkeep.work() == 2
    done = (await owner.get("/content/upkeep", headers=partial)).text
    assert "every 1s" not in done
    assert "Every block is what its CID says" in done
    assert "Would remove 0 blocks" in done
    assert "counted <time" in done
    gone = Cid.parse(str(next(e for e in (await house.content.inspect(root)).entries if e.name == "bin").cid))
    house.blocks.keep({gone.multihash: b"damaged"})
    await owner.post("/content/upkeep", data={"do": "verify"})
    await house.content.upkeep.work()
    page = (await owner.get("/content")).text
    assert "1 damaged block" in page
    assert "1 incomplete root" in page
    assert (await owner.post("/content/upkeep", data={"do": "explode"})).status_code == 400


async def test_a_viewer_keeps_their_hands_off(house: DemoHouse, client: httpx.AsyncClient) -> None:
    root = house.add_tree(FILES)
    await enter(client, "jonas")
    assert (await client.get(f"/content/{root}")).status_code == 200
    assert (await client.post(f"/content/{root}/pin", data={"do": "pin"})).status_code == 403
    assert (await client.post("/content/upkeep", data={"do": "collect"})).status_code == 403
    assert await house.content.holds.of(root) == []
