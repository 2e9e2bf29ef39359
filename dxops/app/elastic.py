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
    path = data.secret("elastic_password")
    if not path.exists():
        first_secret(path, new_secret("dxe"))
    return path.read_text().strip()


def elastic_api_key(data: DataDirectory) -> str:
    """`id:key`."""
    path = data.secret("elastic_api_key")
    if not path.exists():
        first_secret(path, f"dxops-{secrets.token_hex(4)}:{new_secret('dxk')}")
    return path.read_text().strip()


def encoded_api_key(data: DataDirectory) -> str:
    """As clients take it: base64 of `id:key`."""
    return base64.b64encode(elastic_api_key(data).encode()).decode()


def auto_id_key(data: DataDirectory) -> bytes:
    """What makes this installation's automatic ids its own. Never changes."""
    path = data.secret("elastic_id_key")
    if not path.exists():
        first_secret(path, secrets.token_hex(32))
    return bytes.fromhex(path.read_text().strip())


def cluster_uuid(data: DataDirectory) -> str:
    """How clients tell one cluster from another: 22 URL-safe characters."""
    path = data.secret("elastic_cluster_uuid")
    if not path.exists():
        first_secret(path, base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("="))
    return path.read_text().strip()
