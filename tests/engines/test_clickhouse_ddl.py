"""Statements as they are written for a single server and for a cluster."""

from __future__ import annotations

import pytest

from dxops.engines.clickhouse.ddl import Alter, Statement, Table, render

TABLE = Table(
    name="logs",
    columns="ts DateTime64(3), text String",
    engine="ReplacingMergeTree(ts)",
    partition_by="toDate(ts)",
    order_by="ts",
    ttl="toDateTime(ts) + INTERVAL 7 DAY",
    settings="index_granularity = 8192",
    shard_by="cityHash64(text)",
)


def test_a_single_server_gets_one_table_that_knows_tokens() -> None:
    (sql,) = render([TABLE])
    assert sql == (
        "CREATE TABLE IF NOT EXISTS logs (\nts DateTime64(3), text String\n)\n"
        "ENGINE = ReplacingMergeTree(ts)\nPARTITION BY toDate(ts)\nORDER BY ts\n"
        "TTL toDateTime(ts) + INTERVAL 7 DAY\n"
        "SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000"
    )


def test_a_cluster_gets_a_replicated_and_a_distributed_table() -> None:
    local, spread = render([TABLE], "main")
    assert local.startswith("CREATE TABLE IF NOT EXISTS logs_local ON CLUSTER `main` (")
    place = "'/clickhouse/tables/{shard}/{database}/logs', '{replica}'"
    assert f"ENGINE = ReplicatedReplacingMergeTree({place}, ts)" in local
    assert "non_replicated" not in local
    assert spread == (
        "CREATE TABLE IF NOT EXISTS logs ON CLUSTER `main` AS logs_local\n"
        "ENGINE = Distributed('main', currentDatabase(), 'logs_local', cityHash64(text))"
    )


def test_changes_reach_both_tables_of_a_cluster() -> None:
    column = Alter("logs", "ADD COLUMN IF NOT EXISTS level String")
    index = Alter("logs", "ADD INDEX IF NOT EXISTS i text TYPE text(tokenizer = 'splitByNonAlpha')", columns=False)
    assert render([column]) == ["ALTER TABLE logs ADD COLUMN IF NOT EXISTS level String"]
    assert [sql.split(" ADD")[0] for sql in render([column, index], "main")] == [
        "ALTER TABLE logs_local ON CLUSTER `main`",
        "ALTER TABLE logs ON CLUSTER `main`",
        "ALTER TABLE logs_local ON CLUSTER `main`",
    ]


def test_other_statements_name_the_table_with_the_rows() -> None:
    view = Statement(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v${on_cluster} TO ${local_sums} AS SELECT 1 FROM ${local_logs}"
    )
    assert render([view]) == ["CREATE MATERIALIZED VIEW IF NOT EXISTS v TO sums AS SELECT 1 FROM logs"]
    assert render([view], "c") == [
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER `c` TO sums_local AS SELECT 1 FROM logs_local"
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a UInt8) ENGINE = Memory",
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN a UInt8",
        "ALTER TABLE t DROP COLUMN a",
        "INSERT INTO t VALUES (1)",
        "RENAME TABLE a TO b",
    ],
)
def test_what_cannot_be_run_twice_is_refused(sql: str) -> None:
    with pytest.raises(ValueError, match=r"without|twice"):
        render([Statement(sql)])
