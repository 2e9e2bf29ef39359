"""What describes log streams: indices, data streams, aliases, templates, ILM policies, pipelines; tokens by stream."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("CREATE SCHEMA logs")
    # counts changes: whoever holds a copy asks whether it is the newest; its row serialises writers
    op.execute("""
        CREATE TABLE logs.state (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            revision bigint NOT NULL
        )""")
    op.execute("INSERT INTO logs.state (revision) VALUES (0)")
    # `json`, not `jsonb`: definitions go out as they came in, with their order and their escapes
    op.execute("""
        CREATE TABLE logs.streams (
            name text PRIMARY KEY,
            kind text NOT NULL CHECK (kind IN ('index', 'data_stream')),
            uuid text NOT NULL,
            created_at timestamptz NOT NULL,
            by_write boolean NOT NULL,
            settings json NOT NULL,
            mappings json NOT NULL,
            template text,
            backing json NOT NULL,
            rollovers json NOT NULL,
            lifecycle json,
            CHECK (kind = 'index' OR json_array_length(backing) > 0)
        )""")
    op.execute("""
        CREATE TABLE logs.aliases (
            alias text NOT NULL,
            stream text NOT NULL REFERENCES logs.streams ON DELETE CASCADE,
            options json NOT NULL,
            PRIMARY KEY (alias, stream)
        )""")
    op.execute("CREATE INDEX aliases_stream ON logs.aliases (stream)")
    op.execute("""
        CREATE TABLE logs.definitions (
            kind text NOT NULL
                CHECK (kind IN ('template', 'index_template', 'component_template', 'policy', 'pipeline', 'cluster')),
            name text NOT NULL,
            body json NOT NULL,
            version bigint NOT NULL,
            modified_at timestamptz NOT NULL,
            PRIMARY KEY (kind, name)
        )""")
    op.execute("ALTER TABLE accounts.tokens ADD COLUMN streams text[]")
