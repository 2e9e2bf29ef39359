"""Errors of ES|QL, with the place as Elasticsearch writes it: `line 1:23: …` (both from 1)."""

from __future__ import annotations

from typing import Final

from dxops.wire.es.errors import PARSING, EsError

VERIFICATION: Final = "verification_exception"


class EsqlError(EsError):
    """`message` without the place; `line` and `column` count from 1."""

    def __init__(self, problem: str, text: str, position: int, type_: str = PARSING) -> None:
        self.problem = problem
        self.line = text.count("\n", 0, position) + 1
        self.column = position - text.rfind("\n", 0, position)
        prefix = "Found 1 problem\n" if type_ == VERIFICATION else ""
        super().__init__(type_, f"{prefix}line {self.line}:{self.column}: {problem}")
