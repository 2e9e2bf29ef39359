"""Lucene's query languages: text in, `query_tree` out.

`parse` reads `query_string` (built on luqum, which reads the grammar; what Lucene means by it is decided here), and
`parse_simple` reads `simple_query_string`, which has no errors.
"""

from dxops.wire.lucene.complete import complete
from dxops.wire.lucene.convert import parse
from dxops.wire.lucene.options import Options
from dxops.wire.lucene.scan import hints
from dxops.wire.lucene.simple import FLAGS, parse_simple
from dxops.wire.query_terms import terms
from dxops.wire.query_tree import Hint

__all__ = ["FLAGS", "Hint", "Options", "complete", "hints", "parse", "parse_simple", "terms"]
