"""Alembic's entry: runs on the connection that `migrate` hands over, everything in one transaction."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True, version_table_schema="public")
with context.begin_transaction():
    context.run_migrations()
