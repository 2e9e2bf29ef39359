"""The routes below `/api`, through Litestar as the web role mounts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar, Request, Response, Router
from twins import TwinContent

from dxops.base.actors import Actor
from dxops.base.errors import DxopsError, Forbidden, Missing
from dxops.base.web import keep_encoded_slashes
from dxops.rooms.delivery import http
from dxops.rooms.delivery.model import LogText
from dxops.rooms.delivery.service import Delivery


def on_error(_: Request[Any, Any, Any], error: DxopsError) -> Response[dict[str, object]]:
    status = 404 if isinstance(error, Missing) else 403 if isinstance(error, Forbidden) else 400
    return Response({"error": {"code": error.code, "message": error.message}}, status_code=status)


@pytest.fixture
async def client(delivery: Delivery, developer: Actor) -> AsyncIterator[httpx.AsyncClient]:
    litestar = Litestar(
        [Router("/api", route_handlers=[http.router(delivery)])], exception_handlers={DxopsError: on_error}
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        keep_encoded_slashes(scope)
        scope["actor"] = developer
        await litestar(scope, receive, send)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test/api") as made:
        yield made


async def test_a_release_goes_round_by_its_percent_encoded_name(
    client: httpx.AsyncClient, content: TwinContent
) -> None:
    cid = content.add({"index.html": b"hello"})
    answer = await client.post(
        "/apps/example%3Aapp%2Ftasks/releases",
        json={"environment": "dev", "cid": cid, "version": "1.0", "source": {"commit": "abc", "via": "cli"}},
    )
    assert answer.status_code == 201, answer.text
    release = answer.json()["release"]
    assert (release["app"], release["via"], release["commit"]) == ("example:app/tasks", "cli", "abc")
    for name in ("example%3Aapp%2Ftasks", "example:app%2ftasks", "example-app-tasks"):
        [item] = (await client.get(f"/apps/{name}/releases")).json()["items"]
        assert (item["cid"], item["version"], item["environment"]) == (cid, "1.0", "dev")
        assert item["urls"][0] == "http://example-app-tasks.dev.dxos.localhost:8080"
        assert (await client.get(f"/apps/{name}")).json()["name"] == "example:app/tasks"
    assert (await client.get("/apps")).json()["items"][0]["environments"][2]["release"]["id"] == release["id"]


async def test_publish_promote_rollback_diff_and_history(client: httpx.AsyncClient, content: TwinContent) -> None:
    first, second = content.add({"a": b"1"}), content.add({"a": b"22", "b": b"3"})
    made = []
    for cid in (first, second):
        body = {"environment": "dev", "modules": [{"name": "kai", "cid": cid}, {"name": "docs", "cid": cid}]}
        answer = await client.post("/publish", json=body)
        assert answer.status_code == 201
        made.append(answer.json()["modules"][0]["release"])
    promoted = (await client.post("/apps/kai/promote", json={"from": "dev", "to": "prod"})).json()
    assert (promoted["cid"], promoted["environment"]) == (second, "prod")
    back = (await client.post("/apps/kai/rollback", json={"environment": "dev"})).json()
    assert back["id"] == made[0]["id"]
    diff = (await client.get(f"/releases/{made[0]['id']}/diff/{made[1]['id']}")).json()
    assert (diff["added"], diff["changed"], diff["delta_bytes"]) == (1, 1, 2)
    history = (await client.get("/apps/kai/deployments", params={"environment": "dev", "limit": 2})).json()
    assert [item["reason"] for item in history["items"]] == ["rollback", "publish"]
    assert history["next"]
    environments = (await client.get("/environments")).json()["items"]
    assert [(e["name"], e["branch"], e["apps"]) for e in environments] == [
        ("prod", "production", 1),
        ("staging", "staging", 0),
        ("dev", "main", 2),
    ]
    assert (await client.post("/environments/dev/reset")).json() == {"count": 2}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/apps/kai/releases", {"environment": "qa", "cid": "bafy"}, 404),
        ("/apps/kai/releases", {"environment": "dev", "cid": "bafyunknown"}, 400),
        ("/apps/kai/releases", {"environment": "dev"}, 400),
        ("/apps/kai/releases", {"environment": "dev", "cid": "x", "colour": "red"}, 400),
        ("/apps/..%2Fx/releases", {"environment": "dev", "cid": "x"}, 400),
        ("/apps/kai/promote", {"from": "dev", "to": "prod"}, 404),
        ("/apps/kai/rollback", {"environment": "dev"}, 404),
        ("/publish", {"environment": "dev", "modules": []}, 400),
        ("/runs/run_x/log", {"lines": []}, 404),
    ],
)
async def test_a_bad_call_is_told_why(client: httpx.AsyncClient, path: str, body: object, status: int) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert (await client.get("/apps")).json()["items"] == []


async def test_build_settings(client: httpx.AsyncClient) -> None:
    found = (await client.get("/apps/composer/build-settings", params={"environment": "prod"})).json()
    assert found["env"]["DX_ENVIRONMENT"] == "production"
    assert found["env"]["DX_SENTRY_DESTINATION"] == "http://key@sentry.example/1"


async def test_a_run_s_log_is_served_as_events(client: httpx.AsyncClient, delivery: Delivery, developer: Actor) -> None:
    run = (await client.post("/runs", json={"environment": "dev", "apps": ["kai"], "commit": "abc"})).json()
    path = f"/runs/{run['id']}/log"
    assert (await client.post(path, json={"lines": [{"text": "\x1b[32mone\x1b[39m\x1b[K"}]})).json() == {"last": 1}

    async def later() -> None:
        await delivery.append_log(developer, run["id"], [LogText(text="two")])
        await client.post(f"/runs/{run['id']}/finish", json={"status": "succeeded", "summary": "done"})

    task = asyncio.create_task(later())
    answer = await client.get(path)
    await task
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [dict(f.split(": ", 1) for f in e.split("\r\n")) for e in answer.text.strip().split("\r\n\r\n")]
    assert [(e["event"], e.get("id")) for e in events] == [("line", "1"), ("line", "2"), ("end", None)]
    assert [msgspec.json.decode(e["data"]).get("text") for e in events[:2]] == ["one", "two"]
    assert msgspec.json.decode(events[2]["data"])["status"] == "succeeded"
    coloured = await client.get(path, params={"colors": True})
    assert r'"text":"\u001b[0;32mone\u001b[0m"' in coloured.text
    resumed = await client.get(path, headers={"last-event-id": "1"})
    assert '"two"' in resumed.text
    assert '"one"' not in resumed.text
    assert (await client.get("/runs", params={"app": "kai"})).json()["items"][0]["status"] == "succeeded"
