"""The time and uuids as Elasticsearch's API has them."""

from __future__ import annotations

import base64
import secrets

from dxops.base.clock import Clock


def new_uuid() -> str:
    """22 URL-safe characters, as Elasticsearch's."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


def now_ms(clock: Clock) -> int:
    """Milliseconds since 1970."""
    return int(clock.now().timestamp() * 1000)
