"""Logs (the Elasticsearch and Kibana role): every line that servers and clients write, kept whole and found fast.

Called by shippers and clients on port 9200, by the console's explorer, by `dxops logs`, and by our own roles for their
logs. Documents are kept in ClickHouse (`log_events`, a row each; `schema`), what describes them (data streams,
templates, pipelines, aliases, retention, saved searches) in PostgreSQL. `filters` and `fields` turn the query tree of
every language into SQL; nothing has a mapping.
"""
