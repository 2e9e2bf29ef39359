"""ClickHouse: our own (chDB, in the one process of the role `store`) or a cluster of yours, behind one client.

`embedded` makes and opens the data, `chdb` is the only module that knows the library, `lanes` keeps loads apart,
`front` answers the ClickHouse HTTP protocol with them. `client` is what everyone else uses, `ddl` and `migrate` move
the schema. `clickhouse.url` in `dxops.toml` replaces our own; nothing above this package notices.
"""
