"""The room's schema `accounts`: people, sessions, tokens, login throttling, the audit log."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA accounts")
    op.execute(
        """
        CREATE TABLE accounts.people (
            id text PRIMARY KEY,
            name text NOT NULL UNIQUE CHECK (name = lower(name)),
            email text,
            role text NOT NULL CHECK (role IN ('owner', 'developer', 'viewer')),
            disabled boolean NOT NULL DEFAULT false,
            password_hash text,
            oidc_issuer text,
            oidc_subject text,
            created_at timestamptz NOT NULL,
            last_login_at timestamptz,
            CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL))
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX people_email ON accounts.people (lower(email))")
    op.execute("CREATE UNIQUE INDEX people_oidc ON accounts.people (oidc_issuer, oidc_subject)")
    op.execute(
        """
        CREATE TABLE accounts.sessions (
            id text PRIMARY KEY,
            hash bytea NOT NULL UNIQUE,
            person_id text NOT NULL REFERENCES accounts.people ON DELETE CASCADE,
            method text NOT NULL,
            created_at timestamptz NOT NULL,
            seen_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            ip text,
            user_agent text
        )
        """
    )
    op.execute("CREATE INDEX sessions_person ON accounts.sessions (person_id)")
    op.execute("CREATE INDEX sessions_expiry ON accounts.sessions (expires_at)")
    op.execute(
        """
        CREATE TABLE accounts.tokens (
            id text PRIMARY KEY,
            hash bytea NOT NULL UNIQUE,
            prefix text NOT NULL,
            name text NOT NULL,
            person_id text REFERENCES accounts.people ON DELETE CASCADE,
            scopes text[] NOT NULL,
            apps text[],
            environments text[],
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            last_used_at timestamptz,
            revoked_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX tokens_person ON accounts.tokens (person_id)")
    op.execute(
        """
        CREATE TABLE accounts.login_attempts (
            key text PRIMARY KEY,
            failures integer NOT NULL,
            last_at timestamptz NOT NULL,
            blocked_until timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE accounts.audit (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            actor_kind text NOT NULL,
            actor_id text NOT NULL,
            actor_name text NOT NULL,
            action text NOT NULL,
            subject text NOT NULL,
            detail jsonb NOT NULL,
            ip text
        )
        """
    )
    op.execute("CREATE INDEX audit_subject ON accounts.audit (subject, seq DESC)")
    op.execute("CREATE INDEX audit_actor ON accounts.audit (actor_name, seq DESC)")
    op.execute(
        """
        CREATE FUNCTION accounts.audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts.audit
        FOR EACH STATEMENT EXECUTE FUNCTION accounts.audit_is_append_only()
        """
    )
