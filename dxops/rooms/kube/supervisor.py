"""The RPC service Supervisor: how the node is, how it is configured, and tokens for its administrators' identities."""

from __future__ import annotations

import logging
import secrets
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from google.protobuf.message import Message

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden, Refused
from dxops.base.ports import TokenIssuer
from dxops.engines.postgres.database import Database
from dxops.rooms.kube import repo
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.kube.known import WellKnown
from dxops.rooms.kube.socket import Endpoint, Service, Session
from dxops.wire.dxrpc import Method
from dxops.wire.dxrpc_credentials import access_credential, public_key_of, verify_presentation
from dxops.wire.proto import dx_pb2 as dx

log = logging.getLogger(__name__)

_PACKAGE: Final = "dxos.service.supervisor"
_NONCE_S: Final = 120.0
_TOKEN_SCOPES: Final = frozenset({Scope.READ, Scope.PUBLISH, Scope.OPERATE})


class SupervisorRpc:
    """`dxos.service.supervisor.Supervisor`."""

    def __init__(
        self,
        database: Database,
        known: WellKnown,
        issuer: TokenIssuer,
        config: KubeConfig,
        clock: Clock,
    ) -> None:
        self._database = database
        self._known = known
        self._issuer = issuer
        self._administrators = frozenset(config.administrators)
        self._session_s = config.session_hours * 3600
        self._clock = clock
        self._key: ec.EllipticCurvePrivateKey | None = None

    def service(self) -> Service:
        """The endpoints."""
        name, empty = f"{_PACKAGE}.Supervisor", "google.protobuf.Empty"
        init = Method(dx.Empty, empty, f"{_PACKAGE}.InitAuthSequenceResponse")
        authenticate = Method(dx.Authentication, f"{_PACKAGE}.Authentication", f"{_PACKAGE}.AuthenticateResponse")
        set_config = Method(dx.SetConfigRequest, f"{_PACKAGE}.SetConfigRequest", f"{_PACKAGE}.SetConfigResponse")
        return {
            f"{name}.InitAuthSequence": Endpoint(init, self.init_auth_sequence),
            f"{name}.Authenticate": Endpoint(authenticate, self.authenticate),
            f"{name}.GetConfig": Endpoint(Method(dx.Empty, empty, f"{_PACKAGE}.GetConfigResponse"), self.get_config),
            f"{name}.SetConfig": Endpoint(set_config, self.set_config),
            f"{name}.Status": Endpoint(Method(dx.Empty, empty, f"{_PACKAGE}.Services"), self.status),
        }

    async def status(self, session: Session, request: dx.Empty) -> Message:
        """Every role, as its supervisor sees it."""
        return await self._known.services(session.environment)

    async def get_config(self, session: Session, request: dx.Empty) -> Message:
        """What apps read too."""
        return dx.GetConfigResponse(config=self._known.config(session.environment))

    async def set_config(self, session: Session, request: dx.SetConfigRequest) -> Message:
        """Not here: one file declares everything."""
        raise Refused(
            f"the node's configuration is not changed over RPC ('{request.config.key[:100]}')",
            hint="edit dxops.toml, check it with `dxops config check`, and restart",
        )

    async def init_auth_sequence(self, session: Session, request: dx.Empty) -> Message:
        """A challenge, good once, on this socket, for two minutes."""
        key = await self._node_key()
        session.nonce = secrets.token_bytes(32)
        session.nonce_until = self._clock.monotonic() + _NONCE_S
        return dx.InitAuthSequenceResponse(nonce=session.nonce, kube_key=dx.PublicKey(data=public_key_of(key)))

    async def authenticate(self, session: Session, request: dx.Authentication) -> Message:
        """First our access credential for the identity, then, when that is presented too, a token.

        Raises `Refused` for a presentation that does not hold, `Forbidden` for an identity that is not listed.
        """
        nonce, session.nonce = session.nonce, None
        if nonce is None or self._clock.monotonic() > session.nonce_until:
            raise Refused("there is no valid challenge on this socket", hint="call InitAuthSequence first")
        key = await self._node_key()
        now = self._clock.now()
        presented = verify_presentation(request.presentation, nonce=nonce, kube_key=public_key_of(key), now=now)
        identity = presented.identity_key.hex()
        if identity not in self._administrators:
            raise Forbidden(
                f"the identity {identity} is not an administrator of this node",
                hint="add it to kube.administrators in dxops.toml and restart",
            )
        if not presented.has_access:
            return dx.AuthenticateResponse(credential=access_credential(key, presented.identity_key, now))
        name = f"dx kube auth {identity[:16]}"
        actor = Actor(kind="system", id="dx", name=name, scopes=_TOKEN_SCOPES, ip=session.ip)
        expires_at = now + timedelta(seconds=self._session_s)
        return dx.AuthenticateResponse(
            token=await self._issuer.issue(actor, name, _TOKEN_SCOPES, expires_at=expires_at)
        )

    async def _node_key(self) -> ec.EllipticCurvePrivateKey:
        """Made at the first use, the same ever after, for every process."""
        if self._key is None:
            proposed = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
            )
            async with self._database.begin() as tx:
                stored = await repo.node_key(tx, proposed, self._clock.now())
            key = load_der_private_key(stored, None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
        return self._key
