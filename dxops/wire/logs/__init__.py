"""How documents of logs are laid out in columns and put together again, to the byte (`document`, `shapes`).

A stored row is `(ts, message, template, attrs)` beside its keys. The template is the document's JSON text with every
value cut out; equal programs write equal templates, so that it costs a byte a row. Cut-out values are in `attrs`, by
dotted name and as plain text, where queries find them; the two that have columns of their own, the time and the
message, are not stored twice.
"""
