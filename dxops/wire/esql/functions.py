"""The functions of ES|QL that dxops has: name, least and most arguments."""

from __future__ import annotations

from typing import Final

MANY: Final = 64

SCALARS: Final[dict[str, tuple[int, int]]] = {
    # texts
    "concat": (1, MANY),
    "substring": (2, 3),
    "length": (1, 1),
    "byte_length": (1, 1),
    "trim": (1, 1),
    "ltrim": (1, 1),
    "rtrim": (1, 1),
    "to_lower": (1, 1),
    "to_upper": (1, 1),
    "replace": (3, 3),
    "left": (2, 2),
    "right": (2, 2),
    "starts_with": (2, 2),
    "ends_with": (2, 2),
    "locate": (2, 3),
    "reverse": (1, 1),
    "repeat": (2, 2),
    "split": (2, 2),
    "md5": (1, 1),
    "sha1": (1, 1),
    "sha256": (1, 1),
    # numbers
    "abs": (1, 1),
    "ceil": (1, 1),
    "floor": (1, 1),
    "round": (1, 2),
    "sqrt": (1, 1),
    "cbrt": (1, 1),
    "pow": (2, 2),
    "exp": (1, 1),
    "log": (1, 2),
    "log10": (1, 1),
    "signum": (1, 1),
    "greatest": (1, MANY),
    "least": (1, MANY),
    # dates
    "now": (0, 0),
    "date_trunc": (2, 2),
    "date_extract": (2, 2),
    "date_format": (1, 2),
    "date_parse": (1, 2),
    "date_diff": (3, 3),
    "bucket": (2, 4),
    # conditions
    "case": (2, MANY),
    "coalesce": (1, MANY),
    # types
    "to_string": (1, 1),
    "to_long": (1, 1),
    "to_integer": (1, 1),
    "to_double": (1, 1),
    "to_boolean": (1, 1),
    "to_datetime": (1, 1),
    "to_ip": (1, 1),
    # arrays
    "mv_count": (1, 1),
    "mv_first": (1, 1),
    "mv_last": (1, 1),
    "mv_min": (1, 1),
    "mv_max": (1, 1),
    "mv_sum": (1, 1),
    "mv_avg": (1, 1),
    "mv_concat": (2, 2),
    "mv_dedupe": (1, 1),
}
AGGREGATES: Final[dict[str, tuple[int, int]]] = {
    "count": (0, 1),
    "count_distinct": (1, 2),
    "sum": (1, 1),
    "avg": (1, 1),
    "min": (1, 1),
    "max": (1, 1),
    "median": (1, 1),
    "percentile": (2, 2),
    "std_dev": (1, 1),
    "variance": (1, 1),
    "values": (1, 1),
}
SEARCHES: Final[dict[str, tuple[int, int]]] = {"match": (2, 2), "match_phrase": (2, 2), "qstr": (1, 1), "kql": (1, 1)}

ALIASES: Final = {
    "to_str": "to_string",
    "to_int": "to_integer",
    "to_dbl": "to_double",
    "to_bool": "to_boolean",
    "to_dt": "to_datetime",
    "substr": "substring",
    "lower": "to_lower",
    "upper": "to_upper",
    "power": "pow",
    "bin": "bucket",
    "stddev": "std_dev",
}
CASTS: Final = {
    "string": "to_string",
    "keyword": "to_string",
    "text": "to_string",
    "long": "to_long",
    "integer": "to_integer",
    "int": "to_integer",
    "double": "to_double",
    "boolean": "to_boolean",
    "bool": "to_boolean",
    "datetime": "to_datetime",
    "date": "to_datetime",
    "ip": "to_ip",
}
UNITS: Final = {
    **dict.fromkeys(("millisecond", "milliseconds", "ms"), "millisecond"),
    **dict.fromkeys(("second", "seconds", "sec", "s"), "second"),
    **dict.fromkeys(("minute", "minutes", "min", "m"), "minute"),
    **dict.fromkeys(("hour", "hours", "h"), "hour"),
    **dict.fromkeys(("day", "days", "d"), "day"),
    **dict.fromkeys(("week", "weeks", "w"), "week"),
    **dict.fromkeys(("month", "months", "mo"), "month"),
    **dict.fromkeys(("quarter", "quarters", "q"), "quarter"),
    **dict.fromkeys(("year", "years", "yr", "y"), "year"),
}
EVERY: Final = {**SCALARS, **AGGREGATES, **SEARCHES}
