"""How the processes of this machine reach ClickHouse and PostgreSQL: addresses and passwords."""

from __future__ import annotations

from urllib.parse import quote

from dxops.app.data import DataDirectory
from dxops.app.endpoints import dialled
from dxops.app.settings import Settings
from dxops.base.files import first_secret
from dxops.base.ids import new_secret
from dxops.engines.clickhouse.access import OWNER
from dxops.engines.clickhouse.config import DATABASE

_SECRETS = {"dxops": "clickhouse_password", "reader": "clickhouse_reader_password"}


def store_password(data: DataDirectory, user: str) -> str:
    """The password of `dxops` or `reader` at our own ClickHouse; made at the first use."""
    return first_secret(data.secret(_SECRETS[user]), lambda: new_secret("dxc"))


def postgres_url(data: DataDirectory, settings: Settings) -> str:
    """The configured server, else our own. Raises `FileNotFoundError` before our own was prepared."""
    if settings.postgres.url:
        return settings.postgres.url
    from dxops.engines.postgres.embedded import EmbeddedPostgres

    return EmbeddedPostgres(data.root, account=settings.postgres.account).url


def clickhouse_url(data: DataDirectory, settings: Settings, user: str = OWNER) -> str:
    """`http://user:password@host:port/dxops` of our own, or `clickhouse.url` whoever asks."""
    if settings.clickhouse.url:
        return settings.clickhouse.url
    password = quote(store_password(data, user), safe="")
    return f"http://{user}:{password}@{dialled(settings.listen.store)}/{DATABASE}"
