"""`_redirects`: the Web Redirects File of the IPFS specifications (which is a part of Netlify's format).

A line is `from to [status]`. `from` is a path with `:name` placeholders and at most one `*`, at its end. `to` is a
path, or for redirects an http(s) URL, with `:name` and `:splat`. One broken line breaks the file, so that nobody is
sent to the wrong place by the half that could be read.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

MAX_BYTES: Final = 64 * 1024
FILE: Final = "_redirects"

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
REWRITES: Final = frozenset({200, 404, 410, 451})

_NAME: Final = re.compile(r":([A-Za-z][A-Za-z0-9_]*)")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SAFE_PATH: Final = "/:@!$&'()*+,;=~-._"


class Rule(msgspec.Struct, frozen=True):
    """One line. `segments` is `source` cut at its slashes; `line` is 1-based."""

    source: str
    target: str
    status: int
    line: int
    segments: tuple[str, ...]

    @property
    def is_redirect(self) -> bool:
        return self.status in REDIRECTS


class Fault(msgspec.Struct, frozen=True):
    """Why a line cannot be used."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"_redirects line {self.line}: {self.message}" if self.line else f"_redirects: {self.message}"


class RedirectsFile(msgspec.Struct, frozen=True):
    """The rules in order, and every fault. With faults, the rules must not be used."""

    rules: tuple[Rule, ...]
    faults: tuple[Fault, ...]


def parse_redirects(data: bytes) -> RedirectsFile:
    """Never raises: what is wrong is in `faults`."""
    if len(data) > MAX_BYTES:
        return RedirectsFile((), (Fault(0, f"is longer than {MAX_BYTES} bytes"),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return RedirectsFile((), (Fault(data.count(b"\n", 0, error.start) + 1, "is not UTF-8"),))
    rules: list[Rule] = []
    faults: list[Fault] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = _without_comment(line).split()
        if not words:
            continue
        made = _rule(words, number)
        if isinstance(made, Rule):
            rules.append(made)
        else:
            faults.append(made)
    return RedirectsFile(tuple(rules), tuple(faults))


def _without_comment(line: str) -> str:
    """`#` starts a comment at the start of a word; inside a URL it is the fragment."""
    words = line.split()
    for index, word in enumerate(words):
        if word.startswith("#"):
            return " ".join(words[:index])
    return line


def _rule(words: list[str], line: int) -> Rule | Fault:
    if len(words) < 2:
        return Fault(line, "needs 'from to [status]'")
    if len(words) > 3:
        return Fault(line, f"has {len(words)} words; only 'from to [status]' is supported, no conditions")
    source, target = words[0], words[1]
    if len(words) == 3 and not re.fullmatch(r"[0-9]{3}", words[2]):
        hint = "; an existing file is never shadowed" if words[2].endswith("!") else ""
        return Fault(line, f"'{words[2]}' is not a status{hint}")
    status = int(words[2]) if len(words) == 3 else 301
    if status not in REDIRECTS | REWRITES:
        usable = ", ".join(str(each) for each in sorted(REDIRECTS | REWRITES))
        return Fault(line, f"status {status} is not supported; use one of {usable}")
    names = [name for segment in source.split("/") for name in _placeholder(segment)]
    problem = _source_problem(source, names)
    if problem is None:
        known = {*names, "splat"} if source.endswith("*") else set(names)
        problem = _target_problem(target, status, known)
    if problem is not None:
        return Fault(line, problem)
    return Rule(source, target, status, line, tuple(source.split("/")))


def _source_problem(source: str, names: list[str]) -> str | None:
    if not source.startswith("/"):
        return f"'{source}' must start with /"
    if "*" in source[:-1]:
        return f"'{source}': * is allowed once, at the end"
    if "?" in source or "#" in source:
        return f"'{source}' must be a path without query or fragment"
    if "splat" in names:
        return f"'{source}': :splat is what * matched; use another name"
    if len(set(names)) < len(names):
        return f"'{source}': a placeholder is used twice"
    return None


def _placeholder(segment: str) -> list[str]:
    match = _NAME.fullmatch(segment)
    return [match[1]] if match else []


def _target_problem(target: str, status: int, known: set[str]) -> str | None:
    if not target.startswith("/"):
        if not _SCHEME.match(target):
            return f"'{target}' must start with / or be a URL"
        if status not in REDIRECTS:
            return f"status {status} serves a file of this site; '{target}' is elsewhere"
        parts = urlsplit(target)
        if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
            return f"'{target}' is not an http or https URL"
        target = parts.path
    elif target.startswith("//"):
        return f"'{target}' has no scheme; write it out"
    for name in _NAME.findall(target):
        if name not in known:
            return f"':{name}' in '{target}' is not in 'from'"
    return None


class Match(msgspec.Struct, frozen=True):
    """A rule that applies. `target` is the path of a file of the site for rewrites, a `Location` for redirects."""

    status: int
    target: str
    is_redirect: bool


def match_redirect(rules: tuple[Rule, ...], path: str, query: str) -> Match | None:
    """The first rule for a decoded `path`. A redirect keeps the request's `query`, whose parameters win."""
    segments = path.split("/")
    for rule in rules:
        values = _values(rule.segments, segments)
        if values is None:
            continue
        if rule.is_redirect:
            return Match(rule.status, _location(rule.target, values, query), True)
        filled = _fill(rule.target.partition("?")[0].partition("#")[0], values)
        return Match(rule.status, filled, False)
    return None


def _values(wanted: tuple[str, ...], path: list[str]) -> dict[str, str] | None:
    """What the placeholders stand for, or None. By segments, not by pattern: a hostile file cannot make it slow.

    `/a/*` also matches `/a`, with an empty splat.
    """
    last = len(wanted) - 1
    values: dict[str, str] = {}
    for index, segment in enumerate(wanted):
        if index == last and segment.endswith("*"):
            rest = "/".join(path[index:])
            if not rest.startswith(segment[:-1]):
                return None
            values["splat"] = rest[len(segment) - 1 :]
            return values
        if index >= len(path):
            return None
        if segment.startswith(":") and (name := _placeholder(segment)):
            if not path[index]:
                return None
            values[name[0]] = path[index]
        elif segment != path[index]:
            return None
    return values if len(path) == len(wanted) else None


def _fill(text: str, values: dict[str, str]) -> str:
    return _NAME.sub(lambda found: values.get(found[1], found[0]), text)


def _location(target: str, values: dict[str, str], query: str) -> str:
    """`target` filled with percent-encoded values. A value never changes the host: `/:splat` stays on this site."""
    quoted = {name: quote(value, safe=_SAFE_PATH) for name, value in values.items()}
    head, hash_, fragment = target.partition("#")
    path, _, own_query = head.partition("?")
    path = _fill(path, quoted)
    if path.startswith("/"):
        path = "/" + path.lstrip("/")
    queries = [_fill(own_query, quoted) if own_query else "", clean_query(query)]
    if all(queries):
        asked = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
        queries[0] = "&".join(
            each
            for each in queries[0].split("&")
            if not asked & {n for n, _ in parse_qsl(each, keep_blank_values=True)}
        )
    joined = "&".join(each for each in queries if each)
    return path + (f"?{joined}" if joined else "") + hash_ + quote(fragment, safe=_SAFE_PATH + "%?")


def clean_query(query: str) -> str:
    """A query fit for a header: what is not visible ASCII is percent-encoded."""
    return quote(query, safe="".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>\\^`{|}#'))
