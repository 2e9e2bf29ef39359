"""The room's schema `kube`: the node's key, and which apps have a tunnel."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("CREATE SCHEMA kube")
    op.execute(
        """
        CREATE TABLE kube.node (
            id boolean PRIMARY KEY DEFAULT true CHECK (id),
            private_key bytea NOT NULL,
            made_at timestamptz NOT NULL
        )
        """
    )
    op.execute("COMMENT ON TABLE kube.node IS 'one row: the P-256 key of this node, PKCS 8 DER'")
    op.execute(
        """
        CREATE TABLE kube.tunnels (
            environment text NOT NULL,
            app text NOT NULL,
            enabled boolean NOT NULL,
            url text,
            changed_at timestamptz NOT NULL,
            PRIMARY KEY (environment, app)
        )
        """
    )
