"""PostgreSQL: `embedded` makes and starts our own server, `database` reaches any server, `migrate` moves its schema.

`postgres.url` in `dxops.toml` replaces the embedded server; nothing above this package notices.
"""
