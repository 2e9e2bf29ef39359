"""`dxops endpoints`: every address and a working credential for it. The keys are a public contract (CONTRACT.md)."""

from __future__ import annotations

import socket
from urllib.parse import quote

from dxops.app.data import DataDirectory
from dxops.app.elastic import USER as ELASTIC_USER
from dxops.app.elastic import elastic_password, encoded_api_key
from dxops.app.settings import Settings
from dxops.base.errors import Missing
from dxops.engines.clickhouse.access import OWNER
from dxops.engines.clickhouse.config import DATABASE

CREDENTIALS = frozenset({"admin_password_file", "api_token", "publisher_token", "elastic_password", "elastic_api_key"})
"""Keys whose value is a credential (or leads to one); `postgres_url` and `clickhouse_url` only contain one."""

# which role has to work before a key is shown
_ROLE_OF = {
    "console_url": "web",
    "admin_user": "web",
    "admin_password_file": "web",
    "api_url": "web",
    "api_token": "web",
    "ca_file": "web",
    "apps_url": "edge",
    "publisher_url": "edge",
    "publisher_token": "edge",
    "kubo_api_url": "web",
    "ipfs_gateway_url": "web",
    "postgres_url": "postgres",
    "clickhouse_url": "store",
    "elastic_url": "ingest",
    "elastic_user": "ingest",
    "elastic_password": "ingest",
    "elastic_api_key": "ingest",
}


def endpoints(
    data: DataDirectory,
    settings: Settings,
    *,
    app: str | None = None,
    environment: str | None = None,
    working: frozenset[str] | None = None,
) -> dict[str, str]:
    """The flat object. `working` names the healthy roles (None: all). `app` and `environment` turn `apps_url` into that
    app's address and choose the publisher. Raises `Missing` for an unknown environment or before the first start."""
    names = [known.name for known in settings.environments]
    if environment is not None and environment not in names:
        raise Missing(f"no environment '{environment}'", hint=f"there are {', '.join(names)}")
    chosen = environment or settings.default_environment
    found = {
        "console_url": f"http://{dialled(settings.listen.console)}",
        "admin_user": settings.accounts.admin_user,
        "admin_password_file": str(data.secret("admin_password")),
        "api_url": f"http://{dialled(settings.listen.console)}/api",
        "api_token": _secret(data, "api_token"),
        "ca_file": str(data.tls / "ca.pem"),
        "apps_url": _apps_url(settings, app, chosen),
        "publisher_url": publisher_url(settings, chosen),
        "publisher_token": _secret(data, "publisher_token"),
        "kubo_api_url": f"http://{dialled(settings.listen.kubo)}",
        "ipfs_gateway_url": f"http://{dialled(settings.listen.gateway)}",
        "postgres_url": settings.postgres.url or _embedded_url(data, settings),
        "clickhouse_url": settings.clickhouse.url or _store_url(data, settings),
        "elastic_url": f"http://{dialled(settings.listen.elastic)}",
        "elastic_user": ELASTIC_USER,
        "elastic_password": elastic_password(data),
        "elastic_api_key": encoded_api_key(data),
    }
    if working is None:
        return found
    elsewhere = {"postgres": settings.postgres.url, "store": settings.clickhouse.url}
    return {key: value for key, value in found.items() if _ROLE_OF[key] in working or elsewhere.get(_ROLE_OF[key])}


def publisher_url(settings: Settings, environment: str) -> str:
    """The publisher socket of one environment: its kube host where that name resolves, else the plain address."""
    label = next(known.host_label for known in settings.environments if known.name == environment)
    host = ".".join(part for part in (label, "kube", settings.domain) if part)
    scheme = "wss" if settings.public_scheme == "https" else "ws"
    path = "/.well-known/dx/deploy"
    if not settings.domain.endswith("localhost") or resolves(host):
        return f"{scheme}://{host}:{settings.apps_port}{path}"
    # glibc without a resolver plug-in does not know *.localhost; the query chooses the environment there
    query = "" if environment == settings.default_environment else f"?environment={environment}"
    return f"ws://{dialled(settings.listen.apps)}{path}{query}"


def resolves(host: str) -> bool:
    """Whether this machine's resolver knows the name."""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _apps_url(settings: Settings, app: str | None, environment: str) -> str:
    if app is None:
        return f"http://{dialled(settings.listen.apps)}"
    label = next(known.host_label for known in settings.environments if known.name == environment)
    host = ".".join(part for part in (app, label, settings.domain) if part)
    return f"{settings.public_scheme}://{host}:{settings.apps_port}"


def dialled(address: str) -> str:
    """`host:port`: a listen address as a client dials it: any-address becomes loopback."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]", "::") else f"{host}:{port}"  # noqa: S104 - compared only


def _secret(data: DataDirectory, name: str) -> str:
    try:
        return data.secret(name).read_text().strip()
    except FileNotFoundError as error:
        raise Missing("there are no credentials yet", hint="start the system once: `dxops up`") from error


def _store_url(data: DataDirectory, settings: Settings) -> str:
    password = quote(_secret(data, "clickhouse_password"), safe="")
    return f"http://{OWNER}:{password}@{dialled(settings.listen.store)}/{DATABASE}"


def _embedded_url(data: DataDirectory, settings: Settings) -> str:
    from dxops.engines.postgres.embedded import EmbeddedPostgres

    postgres = EmbeddedPostgres(data.root, account=settings.postgres.account)
    try:
        return postgres.url
    except FileNotFoundError as error:
        raise Missing("there is no PostgreSQL yet", hint="start the system once: `dxops up`") from error
