"""`_headers`: response headers by path, in the syntax that Netlify and Cloudflare Pages share.

    /assets/*
      Cache-Control: public, max-age=3600
      ! X-Frame-Options

A line at the margin is a path with `*` and `:name`; indented lines below it set a header, or with `!` remove one. A
line that cannot be used is left out and reported; the others count.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

MAX_BYTES: Final = 64 * 1024
MAX_RULES: Final = 1000
FILE: Final = "_headers"

# What frames the message, identifies the bytes or is ours to say. A file must not be able to break or forge it.
PROTECTED: Final = frozenset(
    [
        "accept-ranges",
        "age",
        "alt-svc",
        "cache-tag",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "date",
        "etag",
        "keep-alive",
        "last-modified",
        "location",
        "proxy-authenticate",
        "proxy-connection",
        "server",
        "set-cookie",
        "status",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "www-authenticate",
        "basic-auth",
        "x-dx-app",
        "x-dx-environment",
        "x-dx-release",
        "x-dx-via",
        "x-ipfs-path",
        "x-ipfs-roots",
    ]
)
# A second value from a later rule replaces the first; all other headers are joined with a comma.
SINGLE: Final = frozenset(
    [
        "access-control-allow-credentials",
        "access-control-allow-origin",
        "access-control-max-age",
        "cache-control",
        "cdn-cache-control",
        "content-disposition",
        "content-type",
        "cross-origin-embedder-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "expires",
        "referrer-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "x-robots-tag",
        "x-xss-protection",
    ]
)

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_PLACEHOLDER: Final = re.compile(r"(?<=/):([A-Za-z][A-Za-z0-9_]*)(?=/|$)")
_NAME: Final = re.compile(r":([A-Za-z][A-Za-z0-9_]*)")


class HeaderRule(msgspec.Struct, frozen=True):
    """What one path sets and removes. Names in lower case."""

    pattern: re.Pattern[str]
    sets: tuple[tuple[str, str], ...]
    removes: tuple[str, ...]


class HeadersFile(msgspec.Struct, frozen=True):
    """The rules in order; `faults` are the lines that were left out."""

    rules: tuple[HeaderRule, ...]
    faults: tuple[str, ...]


def parse_headers(data: bytes) -> HeadersFile:
    """Never raises: what is wrong is in `faults`, worded for the publisher."""
    if len(data) > MAX_BYTES:
        return HeadersFile((), (f"_headers is longer than {MAX_BYTES} bytes and not used",))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return HeadersFile((), (f"_headers line {line}: is not UTF-8",))
    return _Parser().parse(text)


class _Parser:
    def __init__(self) -> None:
        self.rules: list[HeaderRule] = []
        self.faults: list[str] = []
        self.pattern: re.Pattern[str] | None = None
        self.sets: list[tuple[str, str]] = []
        self.removes: list[str] = []

    def parse(self, text: str) -> HeadersFile:
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.rstrip()
            if not line or line.lstrip().startswith("#"):
                continue
            problem = self.header(line.strip()) if line[0] in " \t" else self.path(line)
            if problem:
                self.faults.append(f"_headers line {number}: {problem}")
        self.close()
        return HeadersFile(tuple(self.rules), tuple(self.faults))

    def close(self) -> None:
        if self.pattern is not None and (self.sets or self.removes):
            self.rules.append(HeaderRule(self.pattern, tuple(self.sets), tuple(self.removes)))
        self.pattern, self.sets, self.removes = None, [], []

    def path(self, line: str) -> str | None:
        self.close()
        if not line.startswith("/"):
            return f"'{line[:80]}' must be a path that starts with /, or be indented below one"
        if line.count("*") > 1:
            return f"'{line[:80]}': * is allowed once"
        if len(self.rules) >= MAX_RULES:
            return f"more than {MAX_RULES} paths"
        names = _PLACEHOLDER.findall(line)
        if len(set(names)) < len(names) or "splat" in names:
            return f"'{line[:80]}': each placeholder is allowed once"
        self.pattern = re.compile(_expression(line), re.DOTALL)
        return None

    def header(self, line: str) -> str | None:
        if self.pattern is None:
            return "is indented, but no path precedes it"
        if line.startswith("!"):
            name = line[1:].strip().lower()
            if problem := _name_problem(name):
                return problem
            self.removes.append(name)
            return None
        name, colon, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon:
            return f"'{line[:80]}' needs 'Name: value'"
        if problem := _name_problem(name):
            return problem
        if not _VALUE.fullmatch(value):
            return f"the value of {name} has characters that a header may not have"
        self.sets.append((name, value))
        return None


def _name_problem(name: str) -> str | None:
    if not _TOKEN.fullmatch(name):
        return f"'{name[:80]}' is not a header name"
    return f"{name} may not be set here" if name in PROTECTED else None


def _expression(path: str) -> str:
    """A pattern without nested repetition: a placeholder is a whole segment, so a hostile file cannot make it slow."""
    parts: list[str] = []
    for segment in path.split("/"):
        if match := _NAME.fullmatch(segment):
            parts.append(f"(?P<{match[1]}>[^/]+)")
        else:
            parts.append("(?P<splat>.*)".join(re.escape(piece) for piece in segment.split("*")))
    return "/".join(parts)


def apply_headers(rules: tuple[HeaderRule, ...], path: str, headers: dict[str, str]) -> None:
    """Change `headers` (lower-case names) for the decoded request `path`, rule by rule.

    A file's first value replaces our default; `vary` is only ever added to.
    """
    own: set[str] = set()
    for rule in rules:
        found = rule.pattern.fullmatch(path)
        if found is None:
            continue
        for name in rule.removes:
            if name != "vary":
                headers.pop(name, None)
                own.discard(name)
        here: set[str] = set()
        for name, template in rule.sets:
            value = _filled(template, found)
            joins = name == "vary" or name in here or (name in own and name not in SINGLE)
            headers[name] = f"{headers[name]}, {value}" if joins and headers.get(name) else value
            here.add(name)
        own |= here


def _filled(template: str, found: re.Match[str]) -> str:
    """`:splat` and `:name` of the path in a value; anything else that looks like a placeholder stays (`https://`)."""
    if ":" not in template:
        return template
    values = {name: value for name, value in found.groupdict().items() if value and _VALUE.fullmatch(value)}
    return _NAME.sub(lambda each: values.get(each[1], each[0]), template)
