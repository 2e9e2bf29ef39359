"""The RPC service Publisher: who may publish, and modules to and from the wire. What goes live is delivery's to say."""

from __future__ import annotations

import logging
from typing import Final

from google.protobuf.message import Message

from dxops.base.actors import Actor, Scope
from dxops.base.errors import DxopsError, Forbidden, Refused, Unauthenticated
from dxops.base.ports import Authenticator, Content, Publisher, PublishModule
from dxops.engines.postgres.database import Database
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.kube.socket import Endpoint, Service, Session
from dxops.wire.dxrpc import Method
from dxops.wire.dxrpc_modules import bundle_cid, module_of, public_record, record_of
from dxops.wire.proto import dx_pb2 as dx

log = logging.getLogger(__name__)

_MAX_MODULES: Final = 200
_PACKAGE: Final = "dxos.service.publisher"


class PublisherRpc:
    """`dxos.service.publisher.Publisher` on the ports of delivery, accounts and content."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        authenticator: Authenticator,
        content: Content,
        config: KubeConfig,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._authenticator = authenticator
        self._content = content
        self._config = config

    def service(self) -> Service:
        """The endpoints."""
        name, empty = f"{_PACKAGE}.Publisher", "google.protobuf.Empty"
        publish = Method(dx.PublishRequest, f"{_PACKAGE}.PublishRequest", f"{_PACKAGE}.PublishResponse")
        return {
            f"{name}.Publish": Endpoint(publish, self.publish),
            f"{name}.List": Endpoint(Method(dx.Empty, empty, f"{_PACKAGE}.ListResponse"), self.list),
            f"{name}.Reset": Endpoint(Method(dx.Empty, empty, f"{_PACKAGE}.ResetResponse"), self.reset),
        }

    async def publish(self, session: Session, request: dx.PublishRequest) -> Message:
        """All modules go live or none. Raises `Unauthenticated`, `Forbidden`, `Refused`, `Conflict`."""
        try:
            actor = await self._actor(session, request.access_token)
            modules = _modules(request.package)
        except Refused:
            # delivery never saw this one, so what the caller uploaded for it is given up here
            await self._abandon(session, request.package)
            raise
        published = await self._publisher.publish_modules(
            actor, session.environment, modules, skip_existing=request.skip_existing
        )
        response = dx.PublishResponse()
        for module in published:
            made = module_of(module.record, name=module.name, cid=module.cid, version=module.version)
            response.modules.append(dx.PublishedModule(module=made, urls=module.urls))
        return response

    async def list(self, session: Session, request: dx.Empty) -> Message:
        """The live modules, for everyone, without their build's environment."""
        response = dx.ListResponse()
        for module in await self._publisher.list_modules(session.environment):
            record = public_record(module.record)
            response.modules.append(module_of(record, name=module.name, cid=module.cid, version=module.version))
        return response

    async def reset(self, session: Session, request: dx.Empty) -> Message:
        """Take everything of the environment offline. The message has no room for a token: it comes with the socket."""
        actor = await self._actor(session, "", method="Reset")
        return dx.ResetResponse(count=await self._publisher.reset_modules(actor, session.environment))

    async def _actor(self, session: Session, token: str, method: str = "Publish") -> Actor:
        secret = token or session.credential
        if secret:
            try:
                actor = await self._authenticator.token(secret, ip=session.ip)
            except Unauthenticated as error:
                raise Unauthenticated(
                    f"the access token is not accepted: {error.message}",
                    code=error.code,
                    hint=error.hint or "make a new one in the console under Accounts",
                ) from None
            actor.require(Scope.PUBLISH, environment=session.environment)
            return actor
        if self._config.require_token:
            how = "pass --accessToken=TOKEN" if method == "Publish" else "add ?token=TOKEN to the publisher's address"
            raise Unauthenticated(
                f"{method} on {session.environment} needs an access token",
                hint=f"{how}; make one in the console under Accounts, with the scope 'publish'",
            )
        if session.page:
            raise Forbidden("a web page may not publish without an access token")
        return Actor(
            kind="system", id="dx", name="dx without a token", scopes=frozenset({Scope.PUBLISH}), ip=session.ip
        )

    async def _abandon(self, session: Session, package: dx.Package) -> None:
        """Only for callers who could as well use the Kubo RPC, which is open on loopback: a stranger must not be able
        to end others' uploads. A stranger's own expire."""
        if not session.local:
            return
        for module in package.modules[:_MAX_MODULES]:
            try:
                cid = bundle_cid(module)
                async with self._database.begin() as tx:
                    await self._content.abandon(tx, cid)
            except DxopsError as error:
                log.info("refused upload not given up", extra={"bundle_of": module.name[:100], "reason": error.message})


def _modules(package: dx.Package) -> list[PublishModule]:
    if not package.modules:
        raise Refused("there are no modules in the package", hint="list them in dx.yml under package.modules")
    if len(package.modules) > _MAX_MODULES:
        raise Refused(f"more than {_MAX_MODULES} modules in one publish")
    return [
        PublishModule(
            name=module.name,
            cid=bundle_cid(module),
            version=module.build.version or None,
            record=record_of(module),
            tunnel=module.tunnel,
        )
        for module in package.modules
    ]
