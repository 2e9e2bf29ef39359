"""Background jobs: procrastinate's own tables, in the schema `jobs`."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("CREATE SCHEMA jobs")
    op.execute("SET LOCAL search_path TO jobs")
    # the driver reads % as a parameter mark; the version of procrastinate is pinned, so this text is too
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    op.execute("SET LOCAL search_path TO public")
