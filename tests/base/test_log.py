"""Log calls cannot fail: a field that logging itself uses raises only when the level is on."""

from __future__ import annotations

import ast
import io
import json
import logging
from pathlib import Path

from dxops.base.log import JsonFormatter

SOURCES = sorted((Path(__file__).parents[2] / "dxops").rglob("*.py"))
RESERVED = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def test_no_log_call_uses_a_reserved_field() -> None:
    bad = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                names = {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
                bad += [f"{path.name}:{node.value.lineno}: {name}" for name in sorted(names & RESERVED)]
    assert bad == []


def test_a_line_is_json_with_its_fields() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("web"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning("released %s", "hello", extra={"app": "hello"})
    line = json.loads(stream.getvalue())
    assert (line["role"], line["level"], line["message"], line["app"]) == ("web", "warning", "released hello", "hello")
