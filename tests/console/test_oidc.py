"""Signing in through an identity provider, from the button to the session, with a real one on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from dxops.base.actors import SYSTEM, Role
from dxops.base.clock import ManualClock
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts.config import AccountsConfig, OidcConfig
from tests.app.web_house import PASSWORD, TestHouse, browser, make_accounts
from tests.rooms.accounts.provider import CLIENT_ID, CLIENT_SECRET, Provider, running

FOLLOWED = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class Scene:
    """A provider, a house that trusts it, and a browser."""

    def __init__(self, provider: Provider, house: TestHouse, client: httpx.AsyncClient, clock: ManualClock) -> None:
        self.provider, self.house, self.client, self.clock = provider, house, client, clock

    async def to_provider(self, target: str = "/apps/hello?tab=1") -> str:
        response = await self.client.get("/login/oidc", params={"next": target})
        assert response.status_code == 303, response.text
        return response.headers["location"]

    async def sign_in(self, change: Callable[[str], str] = lambda url: url) -> httpx.Response:
        back = change(self.provider.authorize(await self.to_provider()))
        return await self.client.get(back, headers=FOLLOWED)

    async def me(self) -> dict[str, Any]:
        return dict((await self.client.get("/api/me")).json())


@asynccontextmanager
async def scene(database: Database, **options: Any) -> AsyncIterator[Scene]:
    clock = ManualClock()
    async with running(Provider(clock)) as provider:
        config = OidcConfig(
            issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, label="Example ID"
        )
        config = msgspec.structs.replace(config, **options)
        accounts = make_accounts(database, clock, AccountsConfig(oidc=config))
        await accounts.bootstrap(PASSWORD)
        house = TestHouse(accounts, clock)
        async with browser(house) as client:
            yield Scene(provider, house, client, clock)


async def test_a_new_person_signs_in_and_lands_where_they_wanted(database: Database) -> None:
    async with scene(database, auto_create=True, default_role="developer") as at:
        assert "Example ID" in (await at.client.get("/login")).text
        response = await at.sign_in()
        assert response.status_code == 200
        assert 'content="0; url=/apps/hello?tab=1"' in response.text
        assert await at.me() | {"id": ""} == {
            "kind": "person",
            "id": "",
            "name": "ada-lovelace",
            "role": "developer",
            "email": "ada@example.org",
            "scopes": ["content", "logs:manage", "logs:read", "logs:write", "operate", "publish", "read"],
            "apps": None,
            "environments": None,
            "streams": None,
        }
        cookies = response.headers.get_list("set-cookie")
        assert any("dxops_session=" in cookie and "SameSite=strict" in cookie for cookie in cookies)
        assert any("dxops_oidc=" in cookie and "Max-Age=0" in cookie for cookie in cookies)


async def test_the_way_out_carries_pkce_state_and_nonce_and_only_the_return_cookie_is_lax(database: Database) -> None:
    async with scene(database) as at:
        response = await at.client.get("/login/oidc")
        query = parse_qs(urlsplit(response.headers["location"]).query)
        assert {"state", "nonce", "code_challenge", "redirect_uri", "client_id", "scope"} <= set(query)
        assert query["redirect_uri"] == ["http://localhost:8000/login/oidc/callback"]
        (cookie,) = response.headers.get_list("set-cookie")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie


async def test_someone_an_owner_added_is_found_by_verified_mail_and_keeps_their_role(database: Database) -> None:
    async with scene(database) as at:
        people = at.house.accounts.people
        await people.add(SYSTEM, "ada", role=Role.DEVELOPER, email="Ada@Example.org", with_password=False)
        await at.sign_in()
        me = await at.me()
        assert (me["name"], me["role"]) == ("ada", "developer")
        at.provider.claims["email"] = "renamed@example.org"  # from now on the identity counts, not the mail address
        await at.sign_in()
        assert (await at.me())["name"] == "ada"


async def test_an_unverified_mail_address_opens_no_ones_account(database: Database) -> None:
    async with scene(database) as at:
        await at.house.accounts.people.add(SYSTEM, "ada", role=Role.OWNER, email="ada@example.org", with_password=False)
        at.provider.claims["email_verified"] = False
        response = await at.sign_in()
        assert response.status_code == 403
        assert "Nobody here has that identity" in response.text
        assert (await at.client.get("/api/me")).status_code == 401


async def test_roles_follow_the_provider_at_every_sign_in(database: Database) -> None:
    roles = {"web": "developer", "ops": "owner"}
    async with scene(database, auto_create=True, roles=roles) as at:
        await at.sign_in()
        assert (await at.me())["role"] == "developer"
        at.provider.claims["groups"] = ["web", "ops"]
        await at.sign_in()
        assert (await at.me())["role"] == "owner"
        at.provider.claims["groups"] = []
        await at.sign_in()
        assert (await at.me())["role"] == "viewer"


async def test_the_last_owner_stays_owner_whatever_the_provider_says(database: Database) -> None:
    async with scene(database, roles={"web": "viewer"}) as at:
        from dxops.rooms.accounts.model import PersonChange

        await at.house.accounts.people.change(SYSTEM, "admin", PersonChange(email="ada@example.org"))
        await at.sign_in()
        me = await at.me()
        assert (me["name"], me["role"]) == ("admin", "owner")


async def test_no_role_no_entry_when_the_default_is_empty(database: Database) -> None:
    async with scene(database, auto_create=True, roles={"ops": "owner"}, default_role="") as at:
        assert (await at.sign_in()).status_code == 403


async def test_only_allowed_domains(database: Database) -> None:
    async with scene(database, auto_create=True, allowed_domains=("example.com",)) as at:
        assert (await at.sign_in()).status_code == 403
        at.provider.claims["email"] = "ada@example.com"
        assert (await at.sign_in()).status_code == 200


async def test_a_disabled_person_stays_out(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        from dxops.rooms.accounts.model import PersonChange

        await at.sign_in()
        await at.house.accounts.people.change(SYSTEM, "ada-lovelace", PersonChange(disabled=True))
        assert (await at.client.get("/api/me")).status_code == 401
        assert (await at.sign_in()).status_code == 403


def _set(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda claims: claims.update(values)


TAMPERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "nonce": _set(nonce="another"),
    "aud": _set(aud="someone-else"),
    "aud of several without azp": _set(aud=["dxops", "someone-else"]),
    "iss": _set(iss="http://127.0.0.1:1"),
    "expired": _set(exp=1),
    "issued in the future": _set(iat=32503680000),
    "no nonce": lambda claims: claims.pop("nonce"),
    "no exp": lambda claims: claims.pop("exp"),
    "no sub": lambda claims: claims.pop("sub"),
}


async def test_a_tampered_id_token_is_refused(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        for name, tamper in TAMPERS.items():
            at.provider.tamper = tamper
            response = await at.sign_in()
            assert response.status_code == 401, name
            assert "did not vouch" in response.text
            assert (await at.client.get("/api/me")).status_code == 401
        at.provider.tamper = lambda claims: None
        assert (await at.sign_in()).status_code == 200


async def test_a_foreign_signature_is_refused(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        forger = RSAKey.generate_key(2048, {"kid": "one"})
        at.provider.signer = lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, forger)
        assert (await at.sign_in()).status_code == 401


async def test_a_symmetric_or_absent_signature_is_refused(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        shared = OctKey.import_key(CLIENT_SECRET * 2)
        at.provider.signer = lambda claims: jwt.encode({"alg": "HS256", "kid": "one"}, claims, shared)
        assert (await at.sign_in()).status_code == 401

        def unsigned(claims: dict[str, Any]) -> str:
            _, body, _ = at.provider.signed(claims).split(".")
            return f"eyJhbGciOiJub25lIn0.{body}."

        at.provider.signer = unsigned
        assert (await at.sign_in()).status_code == 401


async def test_new_keys_of_the_provider_are_fetched(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        await at.sign_in()
        at.provider.key = RSAKey.generate_key(2048, {"kid": "two"})
        at.clock.advance(61)
        assert (await at.sign_in()).status_code == 200


ANSWERS: dict[str, Callable[[str], str]] = {
    "state": lambda url: url.replace("state=", "state=x"),
    "code": lambda url: url.replace("code=", "code=x"),
    "issuer of the answer": lambda url: url.replace("iss=http", "iss=https"),
    "error": lambda url: url.partition("?")[0] + "?error=access_denied",
    "nothing": lambda url: url.partition("?")[0],
}


async def test_a_tampered_answer_is_refused(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        for name, change in ANSWERS.items():
            assert (await at.sign_in(change)).status_code == 401, name


async def test_an_answer_in_another_browser_is_refused(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        back = at.provider.authorize(await at.to_provider())
        async with browser(at.house) as victim:
            assert (await victim.get(back)).status_code == 401
            await victim.get("/login/oidc")
            assert (await victim.get(back)).status_code == 401


async def test_a_code_works_once(database: Database) -> None:
    async with scene(database, auto_create=True) as at:
        back = at.provider.authorize(await at.to_provider())
        held = dict(at.client.cookies)
        assert (await at.client.get(back)).status_code == 200
        at.client.cookies.update(held)
        assert (await at.client.get(back)).status_code == 401


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri"])
async def test_endpoints_on_other_hosts_are_not_asked(database: Database, name: str) -> None:
    async with scene(database, auto_create=True) as at, running(Provider(at.clock)) as inner:
        at.provider.discovery = {name: f"{inner.issuer}/token"}
        response = await at.sign_in()
        assert response.status_code == 503
        assert inner.requests == []


async def test_a_provider_that_is_away_is_said_so(database: Database) -> None:
    async with scene(database, issuer="http://127.0.0.1:9") as at:
        response = await at.client.get("/login/oidc")
        assert response.status_code == 503
        assert "does not answer" in response.text
        assert "<form" in response.text


async def test_without_configuration_there_is_no_such_page(database: Database) -> None:
    async with scene(database, issuer="") as at:
        assert "Sign in with" not in (await at.client.get("/login")).text
        assert (await at.client.get("/login/oidc")).status_code == 404
