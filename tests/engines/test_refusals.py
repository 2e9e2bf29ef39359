"""What a failed connection's words mean."""

from __future__ import annotations

import pytest

from dxops.engines.postgres.refusals import refusal

_AT = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (_AT + 'FATAL:  password authentication failed for user "ops"', "postgres.url"),
        (_AT + "fe_sendauth: no password supplied", "postgres.url"),
        (_AT + 'FATAL:  role "ops" does not exist', "create the role"),
        (_AT + 'FATAL:  database "dxops" does not exist', "CREATE DATABASE"),
        (_AT + 'FATAL:  permission denied for database "dxops"', "GRANT"),
        (_AT + 'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "ops"', "pg_hba"),
        (_AT + "server does not support SSL, but SSL was required", "sslmode"),
        ('invalid URI query parameter: "sslmod"\n', "postgres.url"),
        ('connection is bad: invalid integer value "1x" for connection option "port"', "postgres.url"),
    ],
)
def test_hopeless(words: str, hint: str) -> None:
    found = refusal(words)
    assert found is not None
    assert hint in found.hint
    assert "\n" not in found.message


def test_the_message_says_where() -> None:
    found = refusal(_AT + 'FATAL:  database "dxops" does not exist')
    assert found is not None
    assert found.message == 'PostgreSQL at 127.0.0.1:5432 refuses us: database "dxops" does not exist'


@pytest.mark.parametrize(
    "words",
    [
        _AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        _AT + "FATAL:  the database system is starting up",
        _AT + "FATAL:  the database system is not yet accepting connections",
        _AT + "FATAL:  sorry, too many clients already",
        "failed to resolve host 'db.example': [Errno -2] Name or service not known",
        "connection timeout expired",
        # two addresses: the one that is down may be the right one
        _AT + 'FATAL:  database "dxops" does not exist\n' + _AT + "Connection refused",
    ],
)
def test_may_come_back(words: str) -> None:
    assert refusal(words) is None
