"""The credentials of port 9200 that work without any database: made at the first use, kept as private files."""

from __future__ import annotations

import base64
import secrets

from dxops.app.data import DataDirectory
from dxops.base.files import first_secret
from dxops.base.ids import new_secret

USER = "elastic"


def elastic_password(data: DataDirectory) -> str:
    """The password of the user `elastic`."""
    return first_secret(data.secret("elastic_password"), lambda: new_secret("dxe"))


def elastic_api_key(data: DataDirectory) -> str:
    """`id:key`."""
    return first_secret(data.secret("elastic_api_key"), lambda: f"dxops-{secrets.token_hex(4)}:{new_secret('dxk')}")


def encoded_api_key(data: DataDirectory) -> str:
    """As clients take it: base64 of `id:key`."""
    return base64.b64encode(elastic_api_key(data).encode()).decode()


def auto_id_key(data: DataDirectory) -> bytes:
    """What makes this installation's automatic ids its own. Never changes."""
    return bytes.fromhex(first_secret(data.secret("elastic_id_key"), lambda: secrets.token_hex(32)))


def cluster_uuid(data: DataDirectory) -> str:
    """How clients tell one cluster from another: 22 URL-safe characters."""
    return first_secret(data.secret("elastic_cluster_uuid"), _uuid)


def _uuid() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
