"""`{{ field }}` in a pipeline's values: replaced by the field's text, without escaping in either form of braces."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dxops.wire.elastic.errors import dumps
from dxops.wire.elastic.ingest.document import MISSING, Document

_TAG = re.compile(r"\{\{\{\s*([^{}]*?)\s*\}\}\}|\{\{\s*([^{}]*?)\s*\}\}")

Rendered = Callable[[Document], Any]


class BadTemplate(ValueError):
    """Not one of these templates."""


def text_template(text: str) -> Callable[[Document], str]:
    """Raises `BadTemplate` for sections, partials and braces that do not close."""
    parts: list[str] = []  # literal, path, literal, path, …
    end = 0
    for match in _TAG.finditer(text):
        path = match[1] if match[1] is not None else match[2]
        if not path or path[0] in "#/^>!&=" or " " in path:
            raise BadTemplate(f"[{match[0][:60]}] is not supported in a template; only {{{{field}}}} is")
        parts += [text[end : match.start()], path]
        end = match.end()
    rest = text[end:]
    if "{{" in rest or any("{{" in literal for literal in parts[0::2]):
        raise BadTemplate(f"the braces of [{text[:60]}] do not match")
    if not parts:
        return lambda _: text

    def render(document: Document) -> str:
        done = [part if place % 2 == 0 else _text(document.find(part)) for place, part in enumerate(parts)]
        text = "".join(done) + rest
        document.charge(len(text) >> 6)
        return text

    return render


def value_template(value: Any) -> Rendered:
    """Texts inside any value; the value itself is copied for each document. Raises `BadTemplate`."""
    if isinstance(value, str):
        return text_template(value)
    if isinstance(value, list):
        items = [value_template(item) for item in value]
        return lambda document: [item(document) for item in items]
    if isinstance(value, dict):
        pairs = [(name, value_template(item)) for name, item in value.items()]
        return lambda document: {name: item(document) for name, item in pairs}
    return lambda _: value


def _text(value: Any) -> str:
    if value is MISSING or value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()
