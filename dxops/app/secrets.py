"""Settings as people may see them: which are secrets, by their name, and what is shown instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

HIDDEN = "********"

_SECRET = re.compile(r"(secret|password|token|credential|dsn|(^|[._])key)$")


def is_secret(key: str) -> bool:
    """`accounts.oidc.client_secret`, `apps.composer.segment_key`: by the last word. Variables of builds count too."""
    return bool(_SECRET.search(key.lower())) or bool(re.match(r"apps\..*\.?(env|environments)\.", key))


def flat(settings: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """(dotted key, plain value) of every setting."""
    yield from _flat(msgspec.to_builtins(settings), "")


def _flat(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        for index, item in enumerate(value):
            yield from _flat(item, f"{at}.{index}")
    else:
        yield at, value


def shown(key: str, value: Any) -> str:
    """A setting as text, hidden where its name says that it is a secret."""
    if isinstance(value, str):
        return HIDDEN if value and is_secret(key) else without_password(value)
    return msgspec.json.encode(value).decode()


def without_password(text: str) -> str:
    """The same text; the password of a URL is replaced."""
    if "://" not in text or "@" not in text:
        return text
    parts = urlsplit(text)
    if parts.password is None:
        return text
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{HIDDEN}@{parts.netloc.rpartition('@')[2]}"))
