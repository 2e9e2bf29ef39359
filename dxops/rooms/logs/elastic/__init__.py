"""Elasticsearch's HTTP API on the log room: what shippers and clients speak on port 9200.

`app` routes, `asking` reads requests, `access` knows callers; `writes` and `cluster` answer. What has no route here is
refused in Elasticsearch's shape, never ignored. docs/protocols/elasticsearch.md lists what there is.
"""
