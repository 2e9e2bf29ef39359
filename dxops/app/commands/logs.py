"""`dxops logs`: find lines, follow them, count them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from dxops.app.client import ApiClient, open_client
from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, put, put_json, say, shows_errors, table
from dxops.app.log_screen import COLUMNS, bar, caret, histogram_rows, line_text
from dxops.base.errors import Refused, Unreadable

MAX_LIMIT: Final = 10_000
_SPAN: Final = re.compile(r"[0-9]+(ms|[smhdwMy])")
_EXAMPLES: Final = """\
Examples:

  dxops logs 'level:error and service:api' --since 1d

  dxops logs --follow --stream 'nginx-*'

  dxops logs 'status >= 500' --columns time,host,url.path,message --json

  dxops logs --histogram --since 6h   (then --fields, --values host)
"""


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command(epilog=_EXAMPLES)(shows_errors(logs))


def logs(
    query: Annotated[str, typer.Argument(help="What to find. Empty: everything.", show_default=False)] = "",
    lang: Annotated[str, typer.Option(help="kql or lucene.")] = "kql",
    since: Annotated[str, typer.Option(help="Begin: 15m, 2h, 7d, a time, or date math like now/d.")] = "1h",
    until: Annotated[str, typer.Option(help="End, in the same forms.")] = "now",
    stream: Annotated[list[str] | None, typer.Option(help="Only these streams; `*` and -exclusions.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what arrives.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help=f"The newest lines, at most {MAX_LIMIT}.")] = 200,
    columns: Annotated[str, typer.Option(help="Comma list: time, level, host … or fields.")] = ",".join(COLUMNS),
    fields: Annotated[bool, typer.Option("--fields", help="Show which fields there are.")] = False,
    values: Annotated[str, typer.Option(help="Show the most frequent values of this field.", metavar="FIELD")] = "",
    histogram: Annotated[bool, typer.Option("--histogram", help="Show counts over time.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Show the SQL that ran, on stderr.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find log lines, the newest last. With --json one object a line, the document in `source`."""
    if lang not in ("kql", "lucene"):
        raise Refused(f"no query language '{lang}'", field="lang", hint="there are kql and lucene")
    if not 0 <= limit <= MAX_LIMIT:
        raise Refused(f"--limit is 0 to {MAX_LIMIT}", hint="more lines at once: GET /api/logs/export")
    common: dict[str, Any] = {"query": query, "lang": lang, "stream": stream or []}
    ranged = common | {"from": _begin(since), "to": _begin(until)}
    asked = _Asked(ranged, [name.strip() for name in columns.split(",") if name.strip()] or list(COLUMNS), as_json, sql)
    try:
        with open_client(choose(data, config)) as client:
            if fields:
                asked.fields(client)
            elif values:
                asked.values(client, values)
            elif histogram:
                asked.histogram(client)
            elif follow:
                asked.follow(client, common, limit)
            else:
                asked.lines(client, limit)
    except Unreadable as error:
        say(f"error: {error.message}")
        say(caret(query, error.position or 0, error.length or 1))
        if error.hint:
            say(f"  {error.hint}")
        raise typer.Exit(1) from None
    except BrokenPipeError:  # `| head`: nobody wants more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Asked:
    """One call of the command."""

    def __init__(self, parameters: dict[str, Any], columns: list[str], as_json: bool, shows_sql: bool) -> None:
        self._parameters = parameters
        self._columns = columns
        self._as_json = as_json
        self._shows_sql = shows_sql
        self._colors = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def lines(self, client: ApiClient, limit: int, *, up_to_seq: int | None = None) -> None:
        """The newest `limit`, oldest first."""
        if limit == 0:
            return
        found = self._get(client, "/logs/search", limit=limit)
        for line in reversed(found["items"]):
            if up_to_seq is None or int(line["seq"]) <= up_to_seq:
                self._put(line)
        if found["next"] is not None and up_to_seq is None:
            more = "more than " if found["total_relation"] == "gte" else ""
            say(f"the newest {len(found['items'])} of {more}{found['total']:,} lines; --limit shows more")
        elif not found["items"] and up_to_seq is None:
            say("no line matches; --since reaches further back")

    def follow(self, client: ApiClient, parameters: dict[str, Any], limit: int) -> None:
        """What there is, then what arrives. Nothing is lost in between, nor when the connection breaks."""
        from dxops.app.log_following import follow

        for line in follow(client, parameters, say, began=lambda seq: self.lines(client, limit, up_to_seq=seq)):
            self._put(line)

    def fields(self, client: ApiClient) -> None:
        found = self._get(client, "/logs/fields")["items"]
        rows = [
            [
                each["name"],
                " ".join(each["kinds"]) + (" (conflict)" if each["conflict"] else ""),
                str(each["documents"]),
            ]
            for each in found
        ]
        self._table(found, rows, ["field", "kinds", "documents"])

    def values(self, client: ApiClient, field: str) -> None:
        from urllib.parse import quote

        found = self._get(client, f"/logs/fields/{quote(field, safe='')}/values", limit=20)
        if found["sampled"]:
            say(f"among the newest {found['documents']:,} lines")
        rows = [[each["value"], str(each["count"])] for each in found["values"]]
        self._table(found, rows, [field, "documents"])

    def histogram(self, client: ApiClient) -> None:
        found = self._get(client, "/logs/histogram", buckets=30, by="")
        counted = histogram_rows(found)
        most = max((count for _, count in counted), default=0)
        shown: Callable[[int], list[str]] = lambda count: [bar(count, most)] if sys.stdout.isatty() else []  # noqa: E731
        self._table(found, [[at, str(count), *shown(count)] for at, count in counted], ["time", "documents", *shown(0)])

    def _get(self, client: ApiClient, path: str, **more: Any) -> Any:
        found = client.get(path, **self._parameters, **more)
        if self._shows_sql:
            say(found["sql"])
        return found

    def _table(self, found: Any, rows: list[list[str]], head: list[str]) -> None:
        if self._as_json:
            put_json(found)
        else:
            table(rows, head)

    def _put(self, line: dict[str, Any]) -> None:
        if self._as_json:
            put(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
        else:
            put(line_text(line, self._columns, terminal=self._colors))


def _begin(text: str) -> str:
    """`15m` as date math; anything else as it is."""
    return f"now-{text}" if _SPAN.fullmatch(text) else text
