"""The log room's tables. `docs/decisions/021-log-rows.md` says why they look like this."""

from dxops.engines.clickhouse.ddl import Table

STEPS = (
    # a document each; `attrs` in buckets, so that one field of 5 million rows is read in 0.3 s instead of 1 s; small
    # granules, since whole ones are read and put together for each line that is shown (tables made before have 8192)
    Table(
        name="log_events",
        columns="""
            ts DateTime64(3, 'UTC') CODEC(Delta, T64, LZ4),
            seq UInt64 CODEC(DoubleDelta, ZSTD(1)),
            received DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
            stream LowCardinality(String),
            id String CODEC(ZSTD(1)),
            version UInt32 CODEC(ZSTD(1)),
            flags UInt8 CODEC(ZSTD(1)),
            level LowCardinality(String),
            service LowCardinality(String),
            host LowCardinality(String),
            environment LowCardinality(String),
            message String CODEC(ZSTD(3)),
            template LowCardinality(String),
            attrs Map(LowCardinality(String), String) CODEC(ZSTD(1)),
            INDEX words lower(message) TYPE text(tokenizer = 'splitByNonAlpha'),
            INDEX whole_values mapValues(attrs) TYPE bloom_filter(0.01) GRANULARITY 4,
            INDEX ids id TYPE bloom_filter(0.01) GRANULARITY 4,
            INDEX seqs seq TYPE minmax GRANULARITY 4
        """,
        order_by="(ts, seq)",
        partition_by="toDate(ts)",
        settings=(
            "index_granularity = 2048, "
            "map_serialization_version = 'with_buckets', map_serialization_version_for_zero_level_parts = 'basic', "
            "max_buckets_in_map = 8, map_buckets_strategy = 'constant', map_buckets_min_avg_size = 1, "
            "fsync_after_insert = 1, fsync_part_directory = 1"
        ),
    ),
    # which templates came, how often, and what fields they have: what stands in for a mapping
    Table(
        name="log_shapes",
        columns="""
            stream LowCardinality(String),
            day Date,
            template String CODEC(ZSTD(3)),
            fields Array(LowCardinality(String)),
            kinds Array(LowCardinality(String)),
            documents UInt64
        """,
        engine="SummingMergeTree(documents)",
        order_by="(stream, day, template)",
        settings="fsync_after_insert = 1",
        shard_by="cityHash64(stream, template)",
    ),
    # documents that were overwritten or deleted and are not yet gone
    Table(name="log_dead", columns="seq UInt64", engine="ReplacingMergeTree", order_by="seq", shard_by="seq"),
)
