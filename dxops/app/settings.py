"""`dxops.toml` as a whole: the rooms' parts put together, and the rules that span them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import msgspec

from dxops.console.config import ConsoleConfig
from dxops.engines.clickhouse.config import ClickHouseConfig
from dxops.engines.postgres.config import PostgresConfig
from dxops.engines.spool.config import SpoolConfig
from dxops.rooms.accounts.config import AccountsConfig
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.delivery.config import DEFAULT_ENVIRONMENTS, AppConfig, DeliveryConfig, EnvironmentConfig
from dxops.rooms.kube.config import KubeConfig
from dxops.rooms.logs.config import LogsConfig
from dxops.rooms.logs.own_config import OwnLogsConfig
from dxops.rooms.origin.config import OriginConfig

_DOMAIN = re.compile(r"(?=.{1,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class ListenConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses as `host:port`. Loopback unless you say otherwise."""

    console: str = "127.0.0.1:8000"
    """Console and APIs."""

    console_tls: str = "127.0.0.1:8443"
    """The same over TLS from the local CA."""

    apps: str = "127.0.0.1:8080"
    """Apps by `Host`, and `/.well-known/dx`."""

    kubo: str = "127.0.0.1:5001"
    """Kubo RPC. Without a credential on loopback only."""

    gateway: str = "127.0.0.1:8888"
    """IPFS gateway."""

    store: str = "127.0.0.1:8123"
    """Our own ClickHouse, by its HTTP protocol."""

    elastic: str = "127.0.0.1:9200"
    """Elasticsearch API: log shippers."""

    def faults(self) -> Iterator[tuple[str, str]]:
        taken: dict[str, str] = {}
        for field in msgspec.structs.fields(self):
            address = getattr(self, field.name)
            host, _, port = address.rpartition(":")
            try:
                ipaddress.ip_address(host.strip("[]"))
                if not 0 < int(port) < 65536:
                    raise ValueError
            except ValueError:
                yield field.name, f"'{address}' is not an address like 127.0.0.1:8000"
                continue
            if address in taken:
                yield field.name, f"'{address}' is already listen.{taken[address]}"
            taken[address] = field.name


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator declares."""

    domain: str = "dxos.localhost"
    """Apps are `<app>[.<env>].<domain>` through the edge and `<app>[.<env>].kube.<domain>` at the origin."""

    public_scheme: str = "http"
    """`http` or `https`: how people reach the app hosts (https when something in front terminates TLS)."""

    public_port: int | None = None
    """The port in the app hosts' URLs. Default: that of `listen.apps`."""

    default_environment: str = "dev"
    """The environment of plain `localhost` and `<app>.localhost`."""

    environments: tuple[EnvironmentConfig, ...] = DEFAULT_ENVIRONMENTS
    """The environments, in their order of promotion from last to first."""

    apps: dict[str, AppConfig] = {}
    """Settings by app."""

    listen: ListenConfig = ListenConfig()
    postgres: PostgresConfig = PostgresConfig()
    clickhouse: ClickHouseConfig = ClickHouseConfig()
    spool: SpoolConfig = SpoolConfig()
    accounts: AccountsConfig = AccountsConfig()
    console: ConsoleConfig = ConsoleConfig()
    content: ContentConfig = ContentConfig()
    origin: OriginConfig = OriginConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    kube: KubeConfig = KubeConfig()
    logs: LogsConfig = LogsConfig()
    own_logs: OwnLogsConfig = OwnLogsConfig()

    def faults(self) -> Iterator[tuple[str, str]]:
        if not _DOMAIN.fullmatch(self.domain):
            yield "domain", f"'{self.domain}' is not a domain name in lower case"
        if self.public_scheme not in ("http", "https"):
            yield "public_scheme", "must be http or https"
        if self.public_port is not None and not 0 < self.public_port < 65536:
            yield "public_port", "must be 1 to 65535"
        names = [environment.name for environment in self.environments]
        if not names:
            yield "environments", "at least one is needed"
        for kind in ("name", "branch", "host_label"):
            values = [getattr(environment, kind) for environment in self.environments]
            for index, value in enumerate(values):
                if value in values[:index]:
                    yield f"environments.{index}", f"{kind} '{value}' is used twice"
        if names and self.default_environment not in names:
            yield "default_environment", f"'{self.default_environment}' is not one of {', '.join(names)}"
        for app, config in self.apps.items():
            for environment in config.environments:
                if environment not in names:
                    yield f"apps.{app}.environments.{environment}", f"not one of {', '.join(names)}"

    @property
    def apps_port(self) -> int:
        return self.public_port or int(self.listen.apps.rpartition(":")[2])
