"""Upkeep of the block store: its runs with their progress and reports, and the last count of blocks."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE content.upkeep (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            id text NOT NULL UNIQUE,
            kind text NOT NULL CHECK (kind IN ('verify', 'collect', 'preview', 'count')),
            state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
            actor text NOT NULL,
            error text,
            asked_at timestamptz NOT NULL,
            started_at timestamptz,
            finished_at timestamptz,
            attempts integer NOT NULL,
            progress jsonb NOT NULL,
            report jsonb,
            CHECK ((finished_at IS NOT NULL) = (state IN ('done', 'failed')))
        )""")
    op.execute("CREATE UNIQUE INDEX upkeep_unfinished ON content.upkeep (kind) WHERE finished_at IS NULL")
    op.execute("CREATE INDEX upkeep_newest ON content.upkeep (kind, number DESC)")
    op.execute("""
        CREATE TABLE content.store_counts (
            one boolean PRIMARY KEY CHECK (one),
            blocks bigint NOT NULL,
            bytes bigint NOT NULL,
            counted_at timestamptz NOT NULL
        )""")
