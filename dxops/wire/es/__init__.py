"""Elasticsearch's JSON languages as values: queries, search requests, aggregations, dates. Pure: "now" is an argument.

`docs/protocols/elasticsearch.md` lists what is supported and refused. Nothing a request asks for is ignored silently:
what cannot be done raises `EsError` with Elasticsearch's error type and a reason.
"""
