"""The log room's tables in ClickHouse. See `docs/decisions/021-log-rows.md` for why they look like this."""

from __future__ import annotations

from typing import Final

EVENTS: Final = """CREATE TABLE IF NOT EXISTS logs.events (
    ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
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
    INDEX whole_values mapValues(attrs) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX ids id TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree PARTITION BY toDate(ts) ORDER BY (ts, seq)
SETTINGS map_serialization_version = 'with_buckets', map_serialization_version_for_zero_level_parts = 'basic',
    max_buckets_in_map = 32, map_buckets_strategy = 'constant', map_buckets_min_avg_size = 1,
    non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1"""
"""A row a document. `attrs` in buckets: one field of 5 million rows is read in 0.1 s instead of 1 s."""

SHAPES: Final = """CREATE TABLE IF NOT EXISTS logs.shapes (
    stream LowCardinality(String),
    day Date,
    template String CODEC(ZSTD(3)),
    fields Array(LowCardinality(String)),
    kinds Array(LowCardinality(String)),
    documents UInt64
) ENGINE = SummingMergeTree(documents) ORDER BY (stream, day, template)
SETTINGS non_replicated_deduplication_window = 10000"""
"""Which templates came, how often, and what fields they have: what stands in for a mapping."""

DEAD: Final = """CREATE TABLE IF NOT EXISTS logs.dead (seq UInt64) ENGINE = ReplacingMergeTree ORDER BY seq
SETTINGS non_replicated_deduplication_window = 10000"""
"""Sequence numbers of documents that were overwritten or deleted and are not yet gone."""

TABLES: Final = (EVENTS, SHAPES, DEAD)

EVENT_COLUMNS: Final = (
    "(ts, seq, received, stream, id, version, flags, message, template, attrs, level, service, host, environment)"
)
"""In the order that `rows` writes them."""
