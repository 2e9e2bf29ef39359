"""How long log streams are kept, by pattern, and what was removed for it."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS logs")
    op.execute("""
        CREATE TABLE logs.retention (
            pattern text PRIMARY KEY,
            keep_days integer CHECK (keep_days >= 0),
            keep_bytes bigint CHECK (keep_bytes >= 0),
            keep_documents bigint CHECK (keep_documents >= 0),
            set_by text NOT NULL,
            set_at timestamptz NOT NULL
        )""")
    # ids_freed: the ids that could be used again afterwards; NULL as long as ingest was not told
    op.execute("""
        CREATE TABLE logs.removals (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            stream text NOT NULL,
            first_day date NOT NULL,
            last_day date NOT NULL,
            documents bigint NOT NULL,
            bytes bigint NOT NULL,
            why text NOT NULL,
            ids_freed bigint
        )""")
    op.execute("CREATE INDEX removals_untold ON logs.removals (number) WHERE ids_freed IS NULL")
