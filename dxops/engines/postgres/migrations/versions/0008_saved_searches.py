"""Searches of the log explorer that people keep, for themselves or for all."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS logs")
    op.execute("""
        CREATE TABLE logs.saved_searches (
            id text PRIMARY KEY,
            name text NOT NULL,
            params jsonb NOT NULL,
            shared boolean NOT NULL,
            owner_kind text NOT NULL,
            owner_id text NOT NULL,
            owner_name text NOT NULL,
            at timestamptz NOT NULL,
            UNIQUE (owner_kind, owner_id, name)
        )""")
