"""Who may do what in our own ClickHouse, decided without it: chDB has no users and no quotas.

Two users: `dxops` does everything, `reader` only reads. ClickHouse's own `readonly=1` is set for the reader as well,
but it is not enough here: it lets `file('/etc/passwd')`, INTO OUTFILE, KILL QUERY and USE pass (chDB 26.9). So the
statement is looked at first, token by token, and what could mislead this look (here documents, `#` comments,
typographic quotes) is refused rather than understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dxops.wire.clickhouse_sql import Kind, Token, tokens

OWNER = "dxops"
READER = "reader"

_VERBS = frozenset({"select", "with", "show", "describe", "desc", "explain", "exists"})
_SHOWN = frozenset({"tables", "databases", "columns", "create", "full", "indexes", "index", "keys", "functions"})
_SAFE_TABLE_FUNCTIONS = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "values", "view", "null"}
    | {"format"}  # also a function: text with placeholders
)
_BASE_DENIED = frozenset(
    {"file", "url", "s3", "remote", "remotesecure", "mysql", "postgresql", "sqlite", "executable", "cluster", "python",
     "clusterallreplicas", "merge", "loop", "eval", "dictionary", "filesystem", "input", "jdbc", "odbc", "hdfs",
     "mongodb", "redis", "azureblobstorage", "gcs", "urlcluster", "s3cluster", "filecluster", "viewifpermitted",
     "generaterandom", "fuzzquery", "fuzzjson", "getserversetting", "getserverport", "catboostevaluate", "sleep",
     "sleepeachrow", "addresstoline", "addresstosymbol", "addresstolinewithinlines", "joinget", "joingetornull",
     "airedact", "aisimilarity", "aifilter", "aiclassify", "aiembed", "aiextract", "aigenerate", "aitranslate"}
)  # fmt: skip
_DENIED_PREFIXES = ("iceberg", "deltalake", "paimon", "hudi", "mergetree", "timeseries", "prometheus")
_SYSTEM_TABLES = frozenset(
    {"one", "numbers", "numbers_mt", "zeros", "zeros_mt", "settings", "tables", "columns", "databases", "functions",
     "data_type_families", "formats", "time_zones", "keywords", "table_engines", "parts", "metrics", "events",
     "asynchronous_metrics", "build_options"}
)  # fmt: skip


def read_only_fault(sql: bytes, table_functions: frozenset[str] = frozenset()) -> str | None:
    """Why the reader may not run this, or None. `table_functions` are the engine's, in lower case."""
    found = list(tokens(sql))
    while found and found[-1].text == ";":
        found.pop()
    odd = next((token for token in found if token.kind is Kind.ODD), None)
    if odd is not None:
        return f"'{odd.text[:20]}' at position {odd.start + 1} is not accepted from a read-only user"
    first = next((token for token in found if token.text != "("), None)
    if first is None or first.kind is not Kind.WORD or first.text not in _VERBS:
        return "only SELECT, WITH, SHOW, DESCRIBE, EXPLAIN and EXISTS are allowed"
    if first.text == "show" and (len(found) < 2 or found[1].text not in _SHOWN):
        return "SHOW is allowed for TABLES, DATABASES, COLUMNS, CREATE, INDEXES and FUNCTIONS"
    for index, token in enumerate(found):
        before = [other.text for other in found[max(0, index - 2) : index]]
        after = [other.text for other in found[index + 1 : index + 3]]
        if (fault := _fault_at(token, before, after, table_functions)) is not None:
            return fault
    return None


def _fault_at(token: Token, before: Sequence[str], after: Sequence[str], known: frozenset[str]) -> str | None:
    """Looks at two tokens on each side. `SELECT * APPLY(f)` calls f without an argument list of its own."""
    if token.text == ";":
        return "one statement at a time"
    if token.kind not in (Kind.WORD, Kind.QUOTED):
        return None
    name = token.text.lower()
    if token.kind is Kind.WORD and name == "outfile":
        return "INTO OUTFILE is not allowed"
    if name == "identifier" and before[-1:] == [":"]:
        return "parameters of type Identifier are not allowed"
    called = after[:1] == ["("] or before[-1:] == ["apply"] or before == ["apply", "("]
    if called and _is_denied(name, known):
        return f"{token.text}() is not allowed"
    if after[:1] == ["."] and len(after) > 1 and before[-1:] != ["."]:
        if name == "default":
            return "the database 'default' is not for reading"
        if name in ("system", "information_schema") and after[1].lower() not in _SYSTEM_TABLES:
            return f"{token.text}.{after[1]} is not for reading"
    return None


def _is_denied(name: str, known: frozenset[str]) -> bool:
    if name in _SAFE_TABLE_FUNCTIONS:
        return False
    return name in known or name in _BASE_DENIED or name.startswith(_DENIED_PREFIXES)


_READER_SETTINGS = re.compile(
    r"(output_format_|format_csv|date_time_output|join_|optimize_|max_execution_time$|max_memory_usage$|max_threads$"
    r"|max_block_size$|max_result_(rows|bytes)$|max_rows_to_read$|max_bytes_to_read$|result_overflow_mode$|extremes$"
    r"|session_timezone$|workload$|priority$|use_|limit$|offset$|prefer_|transform_null_in$|group_by_|totals_|query_"
    r"|enable_|readonly$|allow_experimental_|cast_|any_join|short_circuit|date_time_input_format$|union_default_mode$|final$)"
)


def setting_fault(key: str) -> str | None:
    """Why the reader may not set this, or None."""
    if _READER_SETTINGS.match(key) is None or key.startswith("allow_experimental_") or "introspection" in key:
        return f"the setting '{key}' is not for read-only users"
    return None


def clamped(asked: Mapping[str, str], ceilings: Mapping[str, int], defaults: Mapping[str, int]) -> dict[str, str]:
    """The settings to use: each ceiling's key at most the ceiling (0 and nonsense mean unlimited, hence the ceiling),
    absent ones at their default."""
    found = dict(asked)
    for key, ceiling in ceilings.items():
        value = _number(asked[key]) if key in asked else defaults.get(key, ceiling)
        found[key] = str(value if 0 < value <= ceiling else ceiling)
    return found


def _number(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        return 0
    return max(1, int(value)) if 0 < value < 1e18 else 0


_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def set_statement(settings: Mapping[str, str]) -> str:
    """`SET a = '1', …`. Raises ValueError for a key that is no name."""
    for key in settings:
        if not _SETTING_NAME.fullmatch(key):
            raise ValueError(f"'{key}' is not the name of a setting")
    return "SET " + ", ".join(f"{key} = {quoted(value)}" for key, value in settings.items())


def quoted(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def name_quoted(text: str) -> str:
    """A name as an identifier."""
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"
