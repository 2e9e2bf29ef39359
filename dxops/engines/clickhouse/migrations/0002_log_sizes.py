"""What came in by log stream and day: what sizes, retention and cost are worked out from."""

from dxops.engines.clickhouse.ddl import Table

STEPS = (
    # documents and their bytes as they were sent; overwritten ones count too
    Table(
        name="log_sizes",
        columns="""
            stream LowCardinality(String),
            day Date,
            documents UInt64,
            bytes UInt64
        """,
        engine="SummingMergeTree((documents, bytes))",
        order_by="(stream, day)",
        settings="fsync_after_insert = 1",
        shard_by="cityHash64(stream)",
    ),
)
