"""The room's schema `content`: who needs which DAG, what was imported, what another Kubo node is to pin."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("CREATE SCHEMA content")
    op.execute("""
        CREATE TABLE content.holds (
            root text NOT NULL,
            owner text NOT NULL,
            kind text NOT NULL DEFAULT 'recursive' CHECK (kind IN ('recursive', 'direct')),
            name text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            until timestamptz,
            PRIMARY KEY (root, owner)
        )""")
    op.execute("CREATE INDEX holds_owner ON content.holds (owner text_pattern_ops, root)")
    op.execute("CREATE INDEX holds_until ON content.holds (until) WHERE until IS NOT NULL")
    op.execute("""
        CREATE TABLE content.imports (
            id text PRIMARY KEY,
            root text NOT NULL,
            profile text NOT NULL,
            source text NOT NULL,
            files bigint NOT NULL,
            size_bytes bigint NOT NULL,
            dag_bytes bigint NOT NULL,
            actor text NOT NULL,
            created_at timestamptz NOT NULL
        )""")
    op.execute("CREATE INDEX imports_root ON content.imports (root, created_at DESC)")
    op.execute("CREATE INDEX imports_created ON content.imports (created_at DESC, id DESC)")
    op.execute("""
        CREATE TABLE content.replications (
            root text PRIMARY KEY,
            wanted text NOT NULL CHECK (wanted IN ('pin', 'unpin')),
            state text NOT NULL CHECK (state IN ('pending', 'done')),
            attempts integer NOT NULL DEFAULT 0,
            next_at timestamptz NOT NULL,
            error text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            done_at timestamptz
        )""")
    op.execute("CREATE INDEX replications_due ON content.replications (next_at) WHERE state = 'pending'")
    op.execute("CREATE TABLE content.node (one boolean PRIMARY KEY CHECK (one), key bytea NOT NULL)")
