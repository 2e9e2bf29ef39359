"""Smaller compressed blocks and postings for the documents. `docs/decisions/026-small-blocks.md` has the figures."""

from dxops.engines.clickhouse.ddl import Alter

STEPS = (
    # a merge holds a block of each of some hundred streams (the map's buckets): at 1 MiB, 425 MB for one merge
    Alter(
        "log_events",
        "MODIFY SETTING max_compress_block_size = 131072, min_compress_block_size = 32768, "
        "text_index_posting_list_codec = 'bitpacking'",
        columns=False,
    ),
)
