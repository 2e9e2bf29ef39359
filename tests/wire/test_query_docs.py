"""The page about queries names everything that is supported."""

from __future__ import annotations

import re
from pathlib import Path

from dxops.wire.es.agg_bucket_request import BUCKET_AGGREGATIONS
from dxops.wire.es.agg_metrics import METRIC_AGGREGATIONS
from dxops.wire.es.agg_pipelines import PIPELINE_AGGREGATIONS
from dxops.wire.es.term_queries import TERM_QUERIES
from dxops.wire.es.text_queries import TEXT_QUERIES
from dxops.wire.esql.functions import EVERY

PAGE = Path(__file__).parents[2] / "docs" / "protocols" / "elasticsearch-queries.md"


def test_the_page_lists_every_query_aggregation_and_function() -> None:
    named = set(re.findall(r"`([\w]+)`", PAGE.read_text()))
    aggregations = {*BUCKET_AGGREGATIONS, *METRIC_AGGREGATIONS, *PIPELINE_AGGREGATIONS}
    assert {*TERM_QUERIES, *TEXT_QUERIES, *aggregations} - named == set()
    assert {name.upper() for name in EVERY} - named == set()
