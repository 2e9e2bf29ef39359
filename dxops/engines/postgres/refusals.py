"""A server that answers and does not let us in: trying again is useless until somebody mends something.

libpq gives no SQLSTATE for a connection that failed, so its words are read, in English. A server that speaks another
language is taken for one that is away: it is asked again, and its own words are shown each time.
"""

from __future__ import annotations

import re

import msgspec

REFUSES = "postgres_refuses"
"""Code of the error that no waiting mends."""

_URL = "mend postgres.url in dxops.toml"
_PASSWORD = f"{_URL} (of the embedded server: restore secrets/postgres_password from a backup)"
_CREATE = "create it (CREATE DATABASE … OWNER …), or name another one in postgres.url"

_COMES_BACK = re.compile(
    r"the database system is|connection refused|timeout|timed out|no route|unreachable|closed the connection"
    r"|too many (?:clients|connections)|remaining connection slots",
    re.IGNORECASE,
)
_HOPELESS = (
    (re.compile(r"authentication failed for user|no password supplied"), _PASSWORD),
    (re.compile(r'role "[^"]*" (?:does not exist|is not permitted to log in)'), f"{_URL}, or create the role"),
    (re.compile(r'database "[^"]*" does not exist'), _CREATE),
    (re.compile(r"permission denied for database"), "GRANT CONNECT, CREATE ON DATABASE … TO the role of postgres.url"),
    (
        re.compile(r"no pg_hba\.conf entry|pg_hba\.conf rejects"),
        "let this machine and role in, in the server's pg_hba.conf",
    ),
    (
        re.compile(r"does not support SSL|certificate verify failed|root certificate file"),
        f"{_URL}: sslmode, sslrootcert",
    ),
    (re.compile(r"invalid (?:URI|integer|port|sslmode|connection|percent)|missing .* in URI"), _URL),
)
_PLACE = re.compile(r'connection to server (?:at|on socket) "([^"]+)"(?: \([^)]*\))?(?:, port (\d+))? failed: ')


class Refusal(msgspec.Struct, frozen=True):
    """Why, in one line that says where; and what to do."""

    message: str
    hint: str


def refusal(text: str) -> Refusal | None:
    """What a failed connection's words mean; None where the server may let us in later.

    Of several addresses that failed, one that may come back is reason enough to try again.
    """
    if _COMES_BACK.search(text):
        return None
    for line in text.splitlines():
        for pattern, hint in _HOPELESS:
            if pattern.search(line):
                return Refusal(_message(line), hint)
    return None


def _message(line: str) -> str:
    place = _PLACE.search(line)
    if place is None:
        return f"PostgreSQL cannot be used: {line.strip()}"
    where = place[1] + (f":{place[2]}" if place[2] else "")
    return f"PostgreSQL at {where} refuses us: {line[place.end() :].removeprefix('FATAL:').strip()}"
