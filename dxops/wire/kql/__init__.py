"""KQL, the filter language of log explorers: text in, `query_tree` out; completion, hints and rendering.

    status:500 and not path:"/health" and @timestamp >= now-1h and items:{ name:tea and count > 3 }

Written from the public description of the language. Two differences: `field:{…}` is the same as prefixed fields (one
array element need not match all of it), and an escaped `*` in a field name is a wildcard there like any other.
"""

from dxops.wire.kql.complete import Completion, complete
from dxops.wire.kql.hints import hints
from dxops.wire.kql.parser import parse
from dxops.wire.kql.render import render
from dxops.wire.query_terms import terms
from dxops.wire.query_tree import Hint

__all__ = ["Completion", "Hint", "complete", "hints", "parse", "render", "terms"]
