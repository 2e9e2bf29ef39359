"""ES|QL and SQL over the log room: a plan of `wire.esql` becomes one statement, and its rows a table.

`values` are typed SQL, `scalars`, `dates` and `aggregates` the functions, `expressions` puts them together, `stages`
makes nested SELECTs of a plan's commands, `tables` runs it. Everything is NULL where Elasticsearch says null.
"""
