"""The web application from outside: credentials, forms, origins, hosts, headers, errors."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Request, Router, get, post, route
from litestar.params import FromPath, JSONBody

from dxops.app.settings import Settings
from dxops.app.web import make_web_app
from dxops.base.actors import SYSTEM, Role, Scope
from dxops.base.clock import ManualClock
from dxops.base.config import parse_config
from dxops.base.errors import Conflict, DxopsError, Missing, Refused, Throttled, TooLarge, Unavailable
from dxops.console.sessions import csrf_token
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts.model import PersonChange
from tests.app.web_house import ORIGIN, PASSWORD, TestHouse, browser, make_accounts, sign_in

APP_ORIGINS = ("http://hello.localhost:8080", "http://localhost:8080", "http://localhost:8888", "https://evil.example")
RAISED: dict[str, tuple[DxopsError, int]] = {
    "refused": (Refused("no", field="name"), 400),
    "missing": (Missing("gone"), 404),
    "conflict": (Conflict("moved", hint="read again"), 409),
    "large": (TooLarge("over 1 MB"), 413),
    "throttled": (Throttled("wait", retry_after_s=7.2), 429),
    "away": (Unavailable("PostgreSQL does not answer", retry_after_s=2), 503),
}


@get("/raise/{which:str}", include_in_schema=False)
async def raises(which: FromPath[str]) -> None:
    if which == "bug":
        raise RuntimeError("secret detail")
    raise RAISED[which][0]


@post("/echo", include_in_schema=False)
async def echo(data: JSONBody[dict[str, int]]) -> dict[str, int]:
    return data


@get("/page", include_in_schema=False)
async def page() -> str:
    raise Missing("no such page")


@pytest.fixture
async def house(database: Database) -> TestHouse:
    clock = ManualClock()
    accounts = make_accounts(database, clock)
    await accounts.bootstrap(PASSWORD)
    probes = Router("/probe", route_handlers=[raises, echo])
    return TestHouse(accounts, clock, api_routers=[probes], console_routes=[page])


@pytest.fixture
async def client(house: TestHouse) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(house) as made:
        yield made


async def _token(house: TestHouse, *scopes: Scope) -> dict[str, str]:
    made = await house.accounts.tokens.create(SYSTEM, "test", scopes or list(Scope))
    return {"authorization": f"Bearer {made.secret}"}


def _session(client: httpx.AsyncClient) -> str:
    return client.cookies["dxops_session"]


# --- signing in and out ---------------------------------------------------------------------------------------------


async def test_login_gives_a_strict_host_only_cookie_and_leads_on(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/login", data={"name": "admin", "password": PASSWORD, "next": "/audit?a=1"}, headers={"origin": ORIGIN}
    )
    assert (response.status_code, response.headers["location"]) == (303, "/audit?a=1")
    (cookie,) = response.headers.get_list("set-cookie")
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert not any(part.startswith("domain") for part in parts)
    assert "secure" not in parts  # plain http: the browser would drop it
    me = (await client.get("/api/me")).json()
    assert (me["kind"], me["name"], me["role"]) == ("person", "admin", "owner")


async def test_over_tls_the_cookie_is_bound_to_the_host_and_secure(house: TestHouse) -> None:
    async with browser(house, origin="https://localhost:8443") as client:
        response = await sign_in(client)
        (cookie,) = response.headers.get_list("set-cookie")
        assert cookie.startswith("__Host-dxops_session=")
        assert "secure" in cookie.lower()
        assert "strict-transport-security" not in response.headers  # HSTS for localhost would cover all its ports
        assert (await client.get("/api/me")).status_code == 200


async def test_behind_a_tls_proxy_everything_is_as_over_tls(house: TestHouse) -> None:
    house.settings = parse_config('[console]\nurl = "https://ops.example.org"', Settings)
    async with browser(house, origin="http://ops.example.org") as client:
        form = {"name": "admin", "password": PASSWORD}
        assert (await client.post("/login", data=form, headers={"origin": ORIGIN})).status_code == 403
        response = await client.post("/login", data=form, headers={"origin": "https://ops.example.org"})
        assert response.headers["set-cookie"].startswith("__Host-dxops_session=")
        assert response.headers["strict-transport-security"]


async def test_a_wrong_password_shows_the_form_again_without_the_password(client: httpx.AsyncClient) -> None:
    response = await sign_in(client, password="guess-me-not")
    assert response.status_code == 401
    assert "Name or password is wrong" in response.text
    assert 'value="admin"' in response.text
    assert "guess-me-not" not in response.text
    assert "set-cookie" not in response.headers


async def test_too_many_wrong_ones_are_told_to_wait(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await sign_in(client, password="wrong")
    response = await sign_in(client)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert "Too many failed logins" in response.text


async def test_what_people_type_is_escaped(client: httpx.AsyncClient) -> None:
    response = await sign_in(client, name='"><script>alert(1)</script>')
    assert "<script>alert" not in response.text


async def test_login_never_leads_elsewhere(client: httpx.AsyncClient) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "/login"):
        assert "evil" not in (await client.get("/login", params={"next": target})).text
        form = {"name": "admin", "password": PASSWORD, "next": target}
        response = await client.post("/login", data=form, headers={"origin": ORIGIN})
        assert response.headers["location"] == "/", target


async def test_login_renews_the_session_and_logout_ends_it(client: httpx.AsyncClient, house: TestHouse) -> None:
    await sign_in(client)
    first = _session(client)
    await sign_in(client)
    second = _session(client)
    assert first != second
    stale = {"cookie": f"dxops_session={first}"}
    async with browser(house) as other:
        assert (await other.get("/api/me", headers=stale)).status_code == 401
    form = {"csrf_token": csrf_token(second)}
    response = await client.post("/logout", data=form, headers={"origin": ORIGIN})
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    assert "dxops_session" not in client.cookies
    async with browser(house) as other:
        assert (await other.get("/api/me", headers={"cookie": f"dxops_session={second}"})).status_code == 401


async def test_a_session_ends_by_idling(client: httpx.AsyncClient, house: TestHouse) -> None:
    await sign_in(client)
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(12 * 3600)
    assert (await client.get("/api/me")).status_code == 401


async def test_pages_send_strangers_to_the_login_page_and_back(client: httpx.AsyncClient, house: TestHouse) -> None:
    from dxops.base.web import actor_of

    @route("/secret", http_method=["GET", "POST"], include_in_schema=False)
    async def secret(request: Request[Any, Any, Any]) -> str:
        return actor_of(request).name

    house.console_routes = [secret]
    async with browser(house) as visitor:
        html = {"accept": "text/html"}
        response = await visitor.get("/secret?x=1&y=a%20b", headers=html)
        assert (response.status_code, response.headers["location"]) == (
            303,
            "/login?next=/secret%3Fx%3D1%26y%3Da%2520b",
        )
        for method in ("GET", "POST"):
            response = await visitor.request(method, "/secret", headers=html | {"hx-request": "true"})
            assert (response.status_code, response.headers["hx-redirect"]) == (401, "/login")
        response = await visitor.get("/secret?x=1", headers=html | {"sec-fetch-site": "cross-site"})
        assert response.status_code == 200  # a strict cookie stays behind on links from elsewhere: ask again ourselves
        assert 'content="0; url=/secret?x=1"' in response.text
        assert (await visitor.get("/secret")).json()["error"]["code"] == "unauthenticated"


# --- foreign pages --------------------------------------------------------------------------------------------------


async def test_an_apps_page_can_neither_read_nor_change_anything(client: httpx.AsyncClient, house: TestHouse) -> None:
    await sign_in(client)
    for origin in APP_ORIGINS:
        await _attack(client, house, origin)


async def _attack(client: httpx.AsyncClient, house: TestHouse, origin: str) -> None:
    foreign = {"origin": origin, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}
    body = {"name": "evil", "role": "owner", "password": PASSWORD}
    token = {"x-csrf-token": csrf_token(_session(client))}
    attempts = [
        await client.get("/api/people", headers=foreign),
        await client.post("/api/people", json=body, headers=foreign | token),
        await client.post("/login", data={"name": "admin", "password": PASSWORD}, headers=foreign),
        await client.post("/logout", data={"csrf_token": csrf_token(_session(client))}, headers=foreign),
        await client.options("/api/people", headers=foreign | {"access-control-request-method": "POST"}),
    ]
    for response in attempts:
        assert response.status_code in (403, 405), response.text
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert [person.name for person in (await house.accounts.people.page(SYSTEM)).items] == ["admin"]
    assert (await client.get("/api/me")).status_code == 200


async def test_an_embedded_read_is_refused_but_a_link_works(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    script = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}
    assert (await client.get("/api/me", headers=script)).status_code == 403
    link = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    response = await client.get("/api/me", headers=link)
    assert response.status_code == 200
    assert response.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_change_needs_the_forms_token_too(client: httpx.AsyncClient, house: TestHouse) -> None:
    await sign_in(client)
    ours, url = {"origin": ORIGIN}, "/api/people"
    body = {"name": "ada", "role": "viewer", "oidc_only": True}
    for headers in ({}, {"x-csrf-token": "x"}, {"x-csrf-token": csrf_token("another session")}):
        response = await client.post(url, json=body, headers=ours | headers)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "csrf")
    token = csrf_token(_session(client))
    assert (await client.post(url, json=body, headers={"x-csrf-token": token})).status_code == 403  # no origin
    assert (await client.post(url, json=body, headers=ours | {"x-csrf-token": token})).status_code == 201
    for content in (b"csrf_token=", b"csrf_token=x", b"other=1", b"\xff\xfe"):
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert (await client.post("/logout", content=content, headers=ours | form)).status_code == 403
    response = await client.post("/logout", files={"csrf_token": (None, token)}, headers=ours)
    assert response.status_code == 303


async def test_tokens_need_no_form_token_and_no_origin(client: httpx.AsyncClient, house: TestHouse) -> None:
    headers = await _token(house)
    response = await client.post("/api/people", json={"name": "ada", "role": "viewer"}, headers=headers)
    assert response.status_code == 201
    assert len(response.json()["password"]) >= 20


async def test_a_token_outranks_the_cookie_that_came_with_it(client: httpx.AsyncClient, house: TestHouse) -> None:
    await sign_in(client)
    headers = await _token(house, Scope.READ)
    assert (await client.get("/api/me", headers=headers)).json()["kind"] == "token"
    assert (await client.get("/api/me", headers={"authorization": "Bearer wrong"})).status_code == 401


# --- credentials ----------------------------------------------------------------------------------------------------


async def test_basic_with_the_token_as_password(client: httpx.AsyncClient, house: TestHouse) -> None:
    secret = (await _token(house))["authorization"].removeprefix("Bearer ")
    for name in ("anyone", ""):
        assert (await client.get("/api/me", auth=(name, secret))).json()["name"] == "test"


async def test_bad_credentials(client: httpx.AsyncClient) -> None:
    basic = ("!!!", base64.b64encode(b"nocolon").decode(), base64.b64encode(b"\xff:\xfe").decode())
    values = ["Bearer", "Bearer ", "Bearer dxo_unknown", "Basic", "Digest x", "dxo_naked"]
    for value in [*values, *(f"Basic {pair}" for pair in basic)]:
        response = await client.get("/api/me", headers={"authorization": value})
        assert response.status_code == 401, value
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["error"]["hint"]


async def test_roles_and_scopes_hold_at_the_api(client: httpx.AsyncClient, house: TestHouse) -> None:
    await house.accounts.people.add(SYSTEM, "viewer", role=Role.VIEWER, password=PASSWORD)
    await sign_in(client, "viewer")
    headers = {"origin": ORIGIN, "x-csrf-token": csrf_token(_session(client))}
    assert (await client.get("/api/people")).status_code == 200
    response = await client.post("/api/people", json={"name": "x", "role": "owner"}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
    response = await client.post("/api/tokens", json={"name": "x", "scopes": ["publish"]}, headers=headers)
    assert response.status_code == 403
    publish_only = await _token(house, Scope.PUBLISH)
    assert (await client.get("/api/people", headers=publish_only)).status_code == 403
    assert (await client.get("/api/audit", headers=publish_only)).status_code == 403
    assert (await client.get("/api/me/sessions", headers=publish_only)).status_code == 403


# --- the API of this room -------------------------------------------------------------------------------------------


async def test_people_tokens_sessions_and_audit_over_the_api(client: httpx.AsyncClient, house: TestHouse) -> None:
    await sign_in(client)
    client.headers.update({"origin": ORIGIN, "x-csrf-token": csrf_token(_session(client))})
    made = (await client.post("/api/people", json={"name": "ada", "role": "developer", "email": "a@b.org"})).json()
    assert made["person"]["name"] == "ada"
    assert "hash" not in str(made)
    changed = await client.patch("/api/people/ada", json={"email": None})
    assert (changed.json()["email"], changed.json()["role"]) == (None, "developer")
    reset = (await client.post("/api/people/ada/password")).json()["password"]
    async with browser(house) as hers:
        assert (await sign_in(hers, "ada", reset)).status_code == 303
    token = (await client.post("/api/tokens", json={"name": "ci", "scopes": ["read"], "apps": ["hello"]})).json()
    assert token["secret"].startswith("dxo_")
    (listed,) = (await client.get("/api/tokens")).json()["items"]
    assert (listed["prefix"], listed["apps"]) == (token["secret"][:8], ["hello"])
    assert token["secret"] not in str(listed)
    assert (await client.delete(f"/api/tokens/{listed['id']}")).status_code == 204
    (session,) = (await client.get("/api/me/sessions")).json()["items"]
    assert session["current"]
    assert (await client.delete("/api/people/ada")).status_code == 204
    assert (await client.get("/api/people/ada")).status_code == 404
    assert (await client.delete("/api/people/admin")).json()["error"]["code"] == "last_owner"
    first = (await client.get("/api/audit", params={"limit": 2, "actor": "admin"})).json()
    second = (await client.get("/api/audit", params={"limit": 2, "actor": "admin", "cursor": first["next"]})).json()
    actions = [line["action"] for line in first["items"] + second["items"]]
    assert actions == ["person.removed", "token.revoked", "token.created", "person.password_reset"]
    assert first["items"][0]["at"].endswith("Z")
    assert (await client.delete(f"/api/me/sessions/{session['id']}")).status_code == 204
    assert (await client.get("/api/me")).status_code == 401


async def test_bad_bodies_name_the_field(client: httpx.AsyncClient, house: TestHouse) -> None:
    headers = await _token(house)
    bodies: list[tuple[dict[str, object], str]] = [
        ({"role": "viewer"}, "name"),
        ({"name": "x", "role": "king"}, "role"),
        ({"name": "x", "role": "viewer", "nmae": 1}, "nmae"),
        ({"name": "../x", "role": "viewer"}, "name"),
        ({"name": "x", "role": "viewer", "email": 7}, "email"),
    ]
    for body, field in bodies:
        response = await client.post("/api/people", json=body, headers=headers)
        assert response.status_code == 400, body
        error = response.json()["error"]
        assert set(error) == {"code", "message", "hint", "field"}
        assert field in (error["field"] or "") + error["message"]


async def test_bad_queries(client: httpx.AsyncClient, house: TestHouse) -> None:
    headers = await _token(house)
    for path, status in (
        ("/api/audit?limit=0", 400),
        ("/api/audit?limit=x", 400),
        ("/api/audit?cursor=zz", 400),
        ("/api/audit?from=yesterday", 400),
        ("/api/people/%00", 400),
        ("/api/people/..%2f..", 404),
    ):
        response = await client.get(path, headers=headers)
        assert response.status_code == status, path
        assert response.json()["error"]["message"]


# --- errors ---------------------------------------------------------------------------------------------------------


async def test_errors_have_one_shape(client: httpx.AsyncClient) -> None:
    waits = {"throttled": "8", "away": "2"}
    for which, (error, status) in RAISED.items():
        response = await client.get(f"/api/probe/raise/{which}")
        assert response.status_code == status
        assert response.json() == {
            "error": {"code": error.code, "message": error.message, "hint": error.hint, "field": error.field}
        }
        assert response.headers.get("retry-after") == waits.get(which)


async def test_a_bug_of_ours_tells_nothing(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    response = await client.get("/api/probe/raise/bug")
    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert "Traceback" not in response.text
    assert response.headers["x-request-id"] in response.json()["error"]["hint"]
    assert "secret detail" in caplog.text


async def test_unknown_addresses_and_methods(client: httpx.AsyncClient) -> None:
    for path in ("/api/nope", "/api", "/api/schema", "/api/schema/openapi.json", "/api/docs/x"):
        response = await client.get(path, headers={"accept": "text/html"})
        assert (response.status_code, response.headers["content-type"]) == (404, "application/json"), path
        assert response.json()["error"]["code"] == "missing"
    response = await client.delete("/api/me")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method")
    assert (await client.get("/nope")).json()["error"]["code"] == "missing"


async def test_browsers_get_pages(client: httpx.AsyncClient) -> None:
    for path in ("/page", "/nope"):
        response = await client.get(path, headers={"accept": "text/html,*/*"})
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("text/html")
        assert "There is nothing here" in response.text


async def test_bodies_are_bounded(client: httpx.AsyncClient, house: TestHouse) -> None:
    headers = await _token(house)
    big = {"x" * 1_100_000: 1}
    response = await client.post("/api/probe/echo", json=big, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    response = await client.post(
        "/api/probe/echo", content=endless(), headers=headers | {"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert (await client.post("/login", data={"name": "x" * 20_000}, headers={"origin": ORIGIN})).status_code == 413
    assert (await client.post("/api/probe/echo", content=b"{", headers=headers)).status_code == 400


# --- headers and hosts ----------------------------------------------------------------------------------------------


async def test_every_answer_carries_the_headers(client: httpx.AsyncClient) -> None:
    for path in ("/login", "/api/health", "/api/nope", "/nope", "/api/docs", "/api/probe/raise/bug"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'"), path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
        assert len(headers.get_list("content-security-policy")) == 1


async def test_a_host_that_is_not_ours_gets_nothing(client: httpx.AsyncClient, house: TestHouse) -> None:
    token = await _token(house)
    for host in ("evil.example", "hello.localhost:8080", "localhost:x", "localhost.evil.example"):
        for path in ("/api/me", "/login", "/nope", "/api/health"):
            response = await client.get(path, headers={"host": host} | token)
            assert (response.status_code, response.json()["error"]["code"]) == (421, "misdirected")
            assert response.headers["content-security-policy"]


async def test_configured_hosts_are_ours(house: TestHouse) -> None:
    house.settings = parse_config('[console]\nhosts = ["ops.internal"]\n[listen]\nconsole = "10.1.2.3:8000"', Settings)
    async with browser(house) as client:
        for host in ("ops.internal:8000", "10.1.2.3:8000", "localhost", "[::1]:8000"):
            assert (await client.get("/api/health", headers={"host": host})).status_code == 200


async def test_doubled_headers_are_refused(house: TestHouse) -> None:
    app = make_web_app(house)
    for name in (b"host", b"origin", b"authorization"):
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (name, b"a"), (name, b"b")]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/me",
            "headers": headers,
            "scheme": "http",
            "client": ("127.0.0.1", 1),
        }
        await app(scope, None, send)  # type: ignore[arg-type]
        assert sent[0]["status"] == 400


async def test_addresses_in_the_audit_log_come_from_trusted_proxies_only(house: TestHouse) -> None:
    for trusted, expected in (("[]", "127.0.0.1"), ('["127.0.0.0/8"]', "203.0.113.9")):
        house.settings = parse_config(f"[console]\ntrusted_proxies = {trusted}", Settings)
        async with browser(house) as client:
            client.headers["x-forwarded-for"] = "203.0.113.9"
            await sign_in(client)
            (line,) = (await client.get("/api/audit", params={"limit": 1})).json()["items"]
            assert line["ip"] == expected


# --- health and the document ----------------------------------------------------------------------------------------


async def test_health_needs_no_credential_and_no_database(house: TestHouse, database: Database) -> None:
    async with browser(house) as client:
        await sign_in(client)
        await database.close()
        house.accounts.sessions._database = Database("postgresql://nobody@127.0.0.1:1/none")
        body = (await client.get("/api/health", headers={"authorization": "Bearer stale"})).json()
        assert body == {"status": "ok", "roles": {"web": {"status": "healthy", "since": "2026-01-01T00:00:00Z"}}}
        import msgspec

        house.roles.known["web"] = msgspec.structs.replace(house.roles.known["web"], status="backoff")
        assert (await client.get("/api/health")).json()["status"] == "degraded"
        response = await client.get("/api/me")
        assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(_references(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(_references(inner) for inner in value))
    return set()


async def test_the_openapi_document_describes_every_route(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/openapi.json")
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {f"{method} {path}" for path, item in document["paths"].items() for method in item} == {
        "get /api/health",
        "get /api/me",
        "get /api/me/sessions",
        "delete /api/me/sessions/{session_id}",
        "get /api/people",
        "post /api/people",
        "get /api/people/{name}",
        "patch /api/people/{name}",
        "delete /api/people/{name}",
        "post /api/people/{name}/password",
        "get /api/tokens",
        "post /api/tokens",
        "delete /api/tokens/{token_id}",
        "get /api/audit",
    }
    ids = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            assert operation["tags"], where
            assert operation["responses"]["4XX"], where
            ids.append(operation["operationId"])
            named = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, where
    assert len(ids) == len(set(ids))
    for reference in _references(document):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in document["components"]["schemas"], reference


async def test_the_docs_page_shows_every_operation_and_loads_nothing_foreign(client: httpx.AsyncClient) -> None:
    page = (await client.get("/api/docs")).text
    document = (await client.get("/api/openapi.json")).json()
    for path, item in document["paths"].items():
        for method in item:
            assert f"{method.upper()} {path}" in page
    assert "://" not in page.replace("http://www.w3.org", "")
    assert all(source.startswith('type="module" src="/assets/') for source in page.split("<script ")[1:])
    assert "<script>" not in page
    assert "style=" not in page


async def test_a_person_disabled_while_signed_in_is_out_at_the_next_request(
    client: httpx.AsyncClient, house: TestHouse
) -> None:
    await house.accounts.people.add(SYSTEM, "ada", role=Role.OWNER, password=PASSWORD)
    await sign_in(client, "ada")
    assert (await client.get("/api/me")).status_code == 200
    await house.accounts.people.change(SYSTEM, "ada", PersonChange(disabled=True))
    assert (await client.get("/api/me")).status_code == 401
