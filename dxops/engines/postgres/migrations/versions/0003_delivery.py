"""The room's schema `delivery`."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = """
CREATE SCHEMA delivery;

-- Numbers publishes in the order they arrive, so that a slow one never overwrites a later one.
CREATE SEQUENCE delivery.arrivals;

CREATE TABLE delivery.apps (
    name text PRIMARY KEY,
    label text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TABLE delivery.releases (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    app text NOT NULL REFERENCES delivery.apps,
    environment text NOT NULL,
    version text NOT NULL,
    cid text NOT NULL,
    manifest text NOT NULL,
    commit text,
    branch text,
    author text,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    via text NOT NULL,
    created_at timestamptz NOT NULL,
    duration_s double precision,
    files bigint NOT NULL,
    size_bytes bigint NOT NULL,
    prepared_bytes bigint NOT NULL,
    record jsonb NOT NULL,
    run_id text,
    promoted_from text REFERENCES delivery.releases,
    retired_at timestamptz
);
CREATE INDEX releases_newest ON delivery.releases (app, environment, seq DESC);
CREATE INDEX releases_version ON delivery.releases (app, environment, version);
CREATE INDEX releases_kept ON delivery.releases (app, environment, seq DESC) WHERE retired_at IS NULL;

CREATE TABLE delivery.pointers (
    app text NOT NULL REFERENCES delivery.apps,
    environment text NOT NULL,
    release_id text REFERENCES delivery.releases,
    generation bigint NOT NULL,
    arrival bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (app, environment)
);

CREATE TABLE delivery.deployments (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    app text NOT NULL REFERENCES delivery.apps,
    environment text NOT NULL,
    generation bigint,
    from_release text REFERENCES delivery.releases,
    to_release text REFERENCES delivery.releases,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    reason text NOT NULL,
    outcome text NOT NULL,
    message text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL
);
CREATE INDEX deployments_newest ON delivery.deployments (app, environment, seq DESC);
CREATE INDEX deployments_recent ON delivery.deployments (finished_at);

CREATE TABLE delivery.runs (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    environment text NOT NULL,
    apps text[] NOT NULL,
    status text NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    via text NOT NULL,
    commit text,
    branch text,
    author text,
    summary text,
    lines integer NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX runs_open ON delivery.runs (seen_at) WHERE finished_at IS NULL;

CREATE TABLE delivery.run_lines (
    run_id text NOT NULL REFERENCES delivery.runs ON DELETE CASCADE,
    seq integer NOT NULL,
    at timestamptz NOT NULL,
    stream text NOT NULL,
    app text,
    text text NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE delivery.checks (
    app text NOT NULL REFERENCES delivery.apps,
    environment text NOT NULL,
    via text NOT NULL,
    url text NOT NULL,
    generation bigint NOT NULL,
    ok boolean NOT NULL,
    status integer,
    latency_ms double precision NOT NULL,
    error text,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (app, environment, via)
);
"""


def upgrade() -> None:
    op.execute(_TABLES)
