"""Processors on texts: lowercase, uppercase, trim, gsub, split, join, urldecode, bytes, html_strip, uri_parts."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote_plus, urlsplit

from dxops.wire.elastic.ingest.document import MISSING, Document, ProcessorFailure, kind_of, text_of
from dxops.wire.elastic.ingest.options import Options
from dxops.wire.elastic.ingest.patterns import TIMEOUT_S, TooSlow, compile_bounded, searched

Work = Callable[[Document], None]

T = TypeVar("T")

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kmgtp]?)b?", re.ASCII | re.I)
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)
_REPLACEMENT = re.compile(r"\$([0-9]+|\{[A-Za-z][A-Za-z0-9]*\})|\\(.)|(\\)|([^$\\]+|\$)", re.ASCII | re.DOTALL)


def guarded(text: str, pattern: str, search: Callable[[], T]) -> T:
    """A search with its limits. Raises `ProcessorFailure` when it runs into one."""
    try:
        return searched(text, pattern, search)
    except TooSlow as error:
        raise ProcessorFailure(str(error)) from None


def on_text(change: Callable[[str], Any]) -> Callable[[Options], Work]:
    """A builder of processors that replace a text, or each text of an array, by something."""

    def build(options: Options) -> Work:
        return _changing(options, change)

    return build


def _changing(options: Options, change: Callable[[str], Any]) -> Work:
    field = options.text("field")
    target = options.text("target_field", field)
    ignore_missing = options.flag("ignore_missing")

    def work(document: Document) -> None:
        value = document.find(field)
        if value in (MISSING, None) and ignore_missing:
            return
        if isinstance(value, list):
            for item in value:
                if not isinstance(item, str):
                    raise ProcessorFailure(
                        f"value [{item}] of type [{kind_of(item)}] in list field [{field}] is no text"
                    )
            document.put(target, [change(item) for item in value])
        else:
            document.put(target, change(text_of(document, field)))

    return work


def build_gsub(options: Options) -> Work:
    """Java's replacement text: `$1` is a group, a backslash takes the next character as it is."""
    text = options.text("pattern")
    pattern = options.read("pattern", compile_bounded, text)
    replacement = options.text("replacement")
    parts = options.read("replacement", _replacement_parts, (replacement, pattern))

    def change(value: str) -> str:
        if pattern is None or parts is None:
            return value

        def replace() -> str:
            return str(pattern.sub(lambda match: _filled(match, parts), value, timeout=TIMEOUT_S))

        return guarded(value, text, replace)

    return _changing(options, change)


def _replacement_parts(given: tuple[str, Any]) -> list[str | int]:
    text, pattern = given
    parts: list[str | int] = []
    for group, escaped, _, literal in _REPLACEMENT.findall(text):
        if group:
            number = pattern.groupindex.get(group[1:-1], -1) if group[0] == "{" and pattern else group.strip("{}")
            while isinstance(number, str) and len(number) > 1 and pattern and int(number) > pattern.groups:
                number = number[:-1]  # $12 is group 1 and "2" where there is no group 12
            if pattern and not 0 <= int(number) <= pattern.groups:
                raise ValueError(f"No group {group}")
            parts.append(int(number))
            parts.append(group[len(str(number)) :] if group[0] != "{" else "")
        else:
            parts.append(escaped or literal)
    return parts


def _filled(match: Any, parts: list[str | int]) -> str:
    return "".join(part if isinstance(part, str) else match[part] or "" for part in parts)


def build_split(options: Options) -> Work:
    """By a regular expression; trailing empty texts go unless `preserve_trailing`."""
    field = options.text("field")
    target = options.text("target_field", field)
    text = options.text("separator")
    separator = options.read("separator", compile_bounded, text)
    ignore_missing, preserve = options.flag("ignore_missing"), options.flag("preserve_trailing")

    def work(document: Document) -> None:
        if document.find(field) in (MISSING, None) and ignore_missing:
            return
        value = text_of(document, field)
        parts = guarded(value, text, lambda: _split(separator, value))
        while parts and not parts[-1] and not preserve:
            parts.pop()
        document.put(target, parts)

    return work


def _split(separator: Any, value: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for match in separator.finditer(value, timeout=TIMEOUT_S):
        if match.end() > match.start() or 0 < match.start() < len(value):
            parts.append(value[start : match.start()])
            start = match.end()
    return [*parts, value[start:]]


def build_join(options: Options) -> Work:
    """An array as one text."""
    field, separator = options.text("field"), options.text("separator")
    target = options.text("target_field", field)

    def work(document: Document) -> None:
        value = document.get(field)
        if not isinstance(value, list):
            raise ProcessorFailure(f"field [{field}] of type [{kind_of(value)}] cannot be cast to [java.util.List]")
        document.put(target, separator.join(_plain(item) for item in value))

    return work


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def read_bytes(text: str) -> int:
    """`1.5kb` is 1536. Raises `ProcessorFailure`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ProcessorFailure(f"failed to parse setting [Ingest Field] with value [{text[:60]}] as a size in bytes")
    return int(float(match[1]) * 1024 ** (" kmgtp".index(match[2].lower()) if match[2] else 0))


def strip_html(text: str) -> str:
    """Tags become newlines, entities their characters."""
    return html.unescape(_TAG.sub("\n", text))


def decode_url(text: str) -> str:
    """`+` is a blank, as Java decodes."""
    return unquote_plus(text, errors="replace")


def build_uri_parts(options: Options) -> Work:
    """domain, path, extension, fragment, original, port, query, scheme, user_info, username, password."""
    field = options.text("field")
    target = options.text("target_field", "url")
    keep, remove = options.flag("keep_original", True), options.flag("remove_if_successful")
    ignore_missing = options.flag("ignore_missing")

    def work(document: Document) -> None:
        if document.find(field) in (MISSING, None) and ignore_missing:
            return
        text = text_of(document, field)
        parts = _uri_parts(text)
        if keep:
            parts["original"] = text
        if remove and field != target:
            document.remove(field)
        document.put(target, parts)

    return work


def _uri_parts(text: str) -> dict[str, Any]:
    try:
        uri = urlsplit(text)
        port = uri.port
    except ValueError:
        raise ProcessorFailure(f"unable to parse URI [{text[:500]}]") from None
    if any(char.isspace() for char in text):
        raise ProcessorFailure(f"unable to parse URI [{text[:500]}]")
    user_info = uri.netloc.rpartition("@")[0] if "@" in uri.netloc else ""
    last = uri.path.rpartition("/")[2]
    found: dict[str, Any] = {
        "domain": uri.hostname or "", "path": uri.path, "fragment": uri.fragment, "query": uri.query,
        "scheme": uri.scheme, "port": port or "", "user_info": user_info, "username": uri.username or "",
        "password": uri.password or "", "extension": last.rpartition(".")[2] if "." in last else "",
    }  # fmt: skip
    return {name: value for name, value in found.items() if value != "" or name == "path"}
