"""Elasticsearch's wire, except queries: bulk bodies and answers, names, errors, negotiation, cat tables, pipelines.

Called by the logs room's hot receiver and HTTP routes. Everything here is pure: bytes and values in, bytes and values
out; the time is an argument. Nothing is kept but small bounded caches of texts that repeat (action lines, patterns).

| module | what |
|---|---|
| `bulk`, `bulk_actions`, `bulk_answer` | the `_bulk` body as columns, and its answer |
| `documents`, `times`, `auto_ids` | reading a source leniently; timestamps; ids made from sequence numbers |
| `names`, `date_math` | index expressions |
| `errors`, `filter_path`, `media`, `cat`, `handshake` | the frame of every answer |
| `ingest` | pipelines: definition, check, run, simulate |
"""
