"""ES|QL (and a small SQL) as a plan of commands: text in, `plan.Plan` out. Pure; nothing is resolved or run here."""

from dxops.wire.esql.errors import EsqlError
from dxops.wire.esql.parser import parse
from dxops.wire.esql.sql import parse_sql

__all__ = ["EsqlError", "parse", "parse_sql"]
