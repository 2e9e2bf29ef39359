"""Signing in through an identity provider: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636).

Nothing is stored while someone is at the provider: state, nonce and code verifier are derived from one random secret
that their browser keeps in a cookie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from dxops.base.actors import Role
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden, Unauthenticated, Unavailable
from dxops.rooms.accounts import rules
from dxops.rooms.accounts.config import OidcConfig, is_loopback
from dxops.rooms.accounts.model import Identity, Person
from dxops.rooms.accounts.people import People

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

log = logging.getLogger(__name__)

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that only the provider has. Never `none`, never HMAC with a secret that more than one knows."""

_TIMEOUT_S = 10.0
_MAX_BYTES = 1_048_576
_REDISCOVER_S = 3600.0
_REFETCH_S = 60.0  # at most one look for new keys in this time, however many tokens name unknown ones
_LEEWAY_S = 60


class _Provider(msgspec.Struct, frozen=True):
    """What of a discovery document is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class Oidc:
    """One configured provider."""

    def __init__(self, config: OidcConfig, people: People, clock: Clock) -> None:
        self._config = config
        self._people = people
        self._clock = clock
        self._provider: tuple[_Provider, float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    @property
    def label(self) -> str:
        return self._config.label

    async def start_url(self, secret: str, redirect_uri: str) -> str:
        """Where to send the browser. Raises `Unavailable` while the provider does not answer."""
        provider = await self._discovered()
        challenge = _encoded(hashlib.sha256(_derived(secret, "verifier").encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._config.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._config.scopes),
            "state": _derived(secret, "state"),
            "nonce": _derived(secret, "nonce"),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in provider.authorization_endpoint else "?"
        return f"{provider.authorization_endpoint}{joint}{urlencode(query)}"

    async def person(self, secret: str, redirect_uri: str, answer: Mapping[str, str]) -> Person:
        """The person whom the provider's answer (the query of the way back) vouches for.

        Raises `Unauthenticated` for an answer that is not one to our question, `Forbidden` for someone who may not sign
        in here, `Unavailable` while the provider does not answer.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), _derived(secret, "state").encode()):
            raise _refused("its answer does not belong to this browser's question")
        if answer.get("iss", self._config.issuer) != self._config.issuer:
            raise _refused("the answer comes from another issuer")
        if "error" in answer:
            raise _refused(f"it says {answer['error'][:100]}: {answer.get('error_description', '')[:200]}")
        if not answer.get("code"):
            raise _refused("its answer has no code")
        token = await self._redeem(answer["code"], redirect_uri, _derived(secret, "verifier"))
        claims = await self._claims(token, _derived(secret, "nonce"))
        identity = self._identity(claims)
        create_as = Role(self._config.default_role) if self._config.default_role else identity.role
        return await self._people.vouched(identity, create_as=create_as if self._config.auto_create else None)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        config = self._config
        mail = claims.get("email")
        email = mail if isinstance(mail, str) and claims.get("email_verified") is True else None
        if email is not None and rules.email_fault(email):
            email = None
        if config.allowed_domains:
            domain = (email or "").rpartition("@")[2].lower()
            if domain not in [allowed.lower() for allowed in config.allowed_domains]:
                raise Forbidden(
                    "only verified mail addresses of certain domains may sign in here",
                    code="oidc_domain",
                    hint="use your work account",
                )
        role = None
        if config.roles:
            role = rules.mapped_role(claims.get(config.role_claim), config.roles)
            if role is None and not config.default_role:
                raise Forbidden("your account has no role here", code="oidc_role", hint="ask an owner")
            role = role or Role(config.default_role)
        called = claims.get(config.name_claim)
        name = rules.safe_name(called if isinstance(called, str) and called else email or "")
        return Identity(issuer=config.issuer, subject=str(claims["sub"]), name=name, email=email, role=role)

    async def _redeem(self, code: str, redirect_uri: str, verifier: str) -> str:
        provider, config = await self._discovered(), self._config
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": config.client_id,
            "code_verifier": verifier,
        }
        headers = {"accept": "application/json"}
        if config.client_secret and "client_secret_basic" in provider.token_endpoint_auth_methods_supported:
            pair = f"{quote(config.client_id, safe='')}:{quote(config.client_secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif config.client_secret:
            form["client_secret"] = config.client_secret
        status, body = await self._fetch("POST", provider.token_endpoint, headers=headers, form=form)
        if status >= 500:
            raise _silent(f"its token endpoint answered {status}")
        if status != 200:
            raise _refused(f"its token endpoint answered {status}: {body[:300].decode(errors='replace')}")
        try:
            return msgspec.json.decode(body, type=_Tokens).id_token
        except msgspec.MsgspecError as error:
            raise _refused(f"its token endpoint's answer is not understood: {error}") from error

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """The verified claims of an ID token (OpenID Connect Core, 3.1.3.7)."""
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        try:
            try:
                decoded = jwt.decode(token, await self._key_set(), algorithms=list(ALGORITHMS))
            except InvalidKeyIdError:  # the provider may have changed its keys
                decoded = jwt.decode(token, await self._key_set(again=True), algorithms=list(ALGORITHMS))
            jwt.JWTClaimsRegistry(
                now=int(self._clock.now().timestamp()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self._config.issuer},
                aud={"essential": True, "value": self._config.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise _refused(f"its ID token is not acceptable: {error}") from error
        claims = dict(decoded.claims)
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._config.client_id:
            raise _refused("its ID token is meant for someone else")
        return claims

    async def _key_set(self, *, again: bool = False) -> KeySet:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        now = self._clock.monotonic()
        held = self._keys
        if held is not None and now - held[1] < (_REFETCH_S if again else _REDISCOVER_S):
            return held[0]
        provider = await self._discovered()
        status, body = await self._fetch("GET", provider.jwks_uri)
        try:
            if status != 200:
                raise _silent(f"its keys answered {status}")
            document = msgspec.json.decode(body, type=dict[str, Any])
            usable = [key for key in document.get("keys", []) if key.get("kty") in ("RSA", "EC", "OKP")]
            keys = KeySet.import_key_set({"keys": usable})
        except (msgspec.MsgspecError, JoseError, ValueError, AttributeError) as error:
            raise _silent(f"its keys are not understood: {error}") from error
        self._keys = (keys, now)
        return keys

    async def _discovered(self) -> _Provider:
        now = self._clock.monotonic()
        if self._provider is not None and now - self._provider[1] < _REDISCOVER_S:
            return self._provider[0]
        issuer = self._config.issuer
        status, body = await self._fetch("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200:
            raise _silent(f"its discovery document answered {status}")
        try:
            found = msgspec.json.decode(body, type=_Provider)
        except msgspec.MsgspecError as error:
            raise _silent(f"its discovery document is not understood: {error}") from error
        if found.issuer != issuer:
            raise _silent(f"its discovery document is of {found.issuer[:200]}, not of {issuer}")
        if not _safe_scheme(found.authorization_endpoint):
            raise _silent("its authorization endpoint is not https")
        self._provider = (found, now)
        return found

    async def _fetch(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, form: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request to the issuer or to a host that the operator named; no redirects, bounded in time and size."""
        import httpx

        self._require_known(url)
        body = bytearray()
        try:
            async with (
                httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client,
                client.stream(method, url, headers=headers, data=form) as response,
            ):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_BYTES:
                        raise _silent("its answer is too long")
                return response.status_code, bytes(body)
        except httpx.HTTPError as error:
            raise _silent(str(error) or type(error).__name__) from error

    def _require_known(self, url: str) -> None:
        issuer, target = urlsplit(self._config.issuer), urlsplit(url)
        same = (target.hostname, target.port) == (issuer.hostname, issuer.port)
        if not _safe_scheme(url) or not (same or target.hostname in self._config.endpoint_hosts):
            log.error("an endpoint of the identity provider is on a host that is not configured", extra={"url": url})
            raise _silent(f"it names an endpoint on {target.hostname}, which accounts.oidc.endpoint_hosts lacks")


def _safe_scheme(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _derived(secret: str, use: str) -> str:
    return _encoded(hmac.new(secret.encode(), f"dxops oidc {use}".encode(), hashlib.sha256).digest())


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refused(why: str) -> Unauthenticated:
    log.warning("a sign-in by the identity provider was refused", extra={"reason": why})
    return Unauthenticated("the identity provider did not vouch for you", code="oidc_refused", hint="try again")


def _silent(why: str) -> Unavailable:
    log.warning("the identity provider is of no use now", extra={"reason": why})
    return Unavailable(
        "the identity provider does not answer as it should", code="oidc_unavailable", hint="the log says why"
    )
