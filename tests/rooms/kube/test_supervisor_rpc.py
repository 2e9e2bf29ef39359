"""Status, configuration, and tokens for administrators' identities."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from dxops.engines.postgres.database import Database
from dxops.wire.proto import dx_pb2 as dx
from tests.rooms.kube.conftest import Client, NodeMaker, RpcRefused
from tests.rooms.kube.twins import TwinNode
from tests.wire.test_dxrpc_credentials import RECORDED

SERVICE = "dxos.service.supervisor.Supervisor"


async def init(client: Client) -> dx.InitAuthSequenceResponse:
    answer = await client.call(f"{SERVICE}.InitAuthSequence", dx.Empty(), dx.InitAuthSequenceResponse)
    assert isinstance(answer, dx.InitAuthSequenceResponse)
    return answer


def old_presentation() -> dx.Authentication:
    presentation = dx.Presentation.FromString(base64.b64decode(RECORDED["presentation"]))
    return dx.Authentication(presentation=presentation)


async def test_the_node_key_is_made_once_and_challenges_differ(make_node: NodeMaker, database: Database) -> None:
    first, second = await make_node(), await make_node()
    async with Client(first, "supervisor") as a, Client(second, "supervisor") as b:
        one, two, three = await init(a), await init(a), await init(b)
    assert len(one.kube_key.data) == 65
    assert one.kube_key == two.kube_key == three.kube_key
    assert len({one.nonce, two.nonce, three.nonce}) == 3
    assert {len(one.nonce)} == {32}


async def test_authenticate_needs_a_challenge_and_uses_it_up(node: TwinNode) -> None:
    async with Client(node, "supervisor") as client:
        with pytest.raises(RpcRefused, match="no valid challenge"):
            await client.call(f"{SERVICE}.Authenticate", old_presentation(), dx.AuthenticateResponse)
        await init(client)
        with pytest.raises(RpcRefused, match="does not answer this socket's challenge"):
            await client.call(f"{SERVICE}.Authenticate", old_presentation(), dx.AuthenticateResponse)
        with pytest.raises(RpcRefused, match="no valid challenge"):
            await client.call(f"{SERVICE}.Authenticate", old_presentation(), dx.AuthenticateResponse)


async def test_a_challenge_expires_and_belongs_to_its_socket(node: TwinNode) -> None:
    async with Client(node, "supervisor") as client, Client(node, "supervisor") as other:
        await init(client)
        with pytest.raises(RpcRefused, match="no valid challenge"):
            await other.call(f"{SERVICE}.Authenticate", old_presentation(), dx.AuthenticateResponse)
        node.clock.advance(timedelta(minutes=3).total_seconds())
        with pytest.raises(RpcRefused, match="no valid challenge"):
            await client.call(f"{SERVICE}.Authenticate", old_presentation(), dx.AuthenticateResponse)


async def test_get_config_names_every_service_of_the_environment(make_node: NodeMaker) -> None:
    from dxops.rooms.kube.config import IceConfig

    node = await make_node(ice=(IceConfig(urls="stun:127.0.0.1:3478"),), administrators=("04" + "ab" * 64,))
    async with Client(node, "supervisor", query="?environment=staging") as client:
        config = (await client.call(f"{SERVICE}.GetConfig", dx.Empty(), dx.GetConfigResponse)).config
    services = config.runtime.services
    base = f"ws://staging.kube.dxops.localhost:{node.port}/.well-known/dx"
    assert services.signaling[0].server == f"{base}/signal"
    assert services.publisher.server == f"{base}/deploy"
    assert services.ipfs.server == "http://127.0.0.1:5001"
    assert services.ipfs.gateway == "http://127.0.0.1:8888/ipfs"
    assert services.ice[0].urls == "stun:127.0.0.1:3478"
    assert config.runtime.kube.host == "staging.kube.dxops.localhost"
    assert b"abab" not in config.SerializeToString()


async def test_set_config_says_where_to_go(node: TwinNode) -> None:
    async with Client(node, "supervisor") as client:
        request = dx.SetConfigRequest(config=dx.ConfigPair(key="host", value="x"))
        with pytest.raises(RpcRefused, match=r"not changed over RPC \('host'\) \(edit dxops\.toml"):
            await client.call(f"{SERVICE}.SetConfig", request, dx.ConfigPair)


async def test_the_real_issuer_gives_a_token_of_these_scopes(database: Database) -> None:
    from dxops.base.actors import Actor, Scope
    from dxops.base.clock import SystemClock
    from dxops.rooms.accounts.config import AccountsConfig
    from dxops.rooms.accounts.service import Accounts

    accounts = Accounts(database, AccountsConfig(), SystemClock())
    scopes = frozenset({Scope.READ, Scope.PUBLISH, Scope.OPERATE})
    actor = Actor(kind="system", id="dx", name="dx kube auth 04aaaaaaaaaaaaaa", scopes=scopes)
    expires_at = SystemClock().now() + timedelta(hours=1)
    secret = await accounts.tokens.issue(actor, actor.name, scopes, expires_at=expires_at)
    assert (await accounts.tokens.token(secret)).scopes == scopes
