"""Ingest pipelines: definitions read and checked as a whole, then run on documents, in memory and without I/O.

The logs room keeps definitions, hands in a `lookup` by name and the time, and stores what comes out. `pipeline` is the
door (`read_pipeline`, `ingest`), `simulate` answers `_simulate`. Processors come in families: `fields_processors`,
`text_processors`, `parse_processors`, `flow_processors`; `grok`, `dissect` and `conditions` are languages of their own.

Scripts are refused when a pipeline is defined, with the processors to use instead. Hostile patterns end in a failure of
the one document: regular expressions have a time limit and a cap on their input.
"""
