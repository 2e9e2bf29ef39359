"""Errors' shapes, key order included."""

from __future__ import annotations

import orjson
import pytest

from dxops.base import errors as base
from dxops.wire.elastic import errors
from dxops.wire.elastic.errors import Fault, fault_of


def test_shape() -> None:
    assert errors.index_not_found("x").to_json() == (
        b'{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [x]",'
        b'"resource.type":"index_or_alias","resource.id":"x","index_uuid":"_na_","index":"x"}],'
        b'"type":"index_not_found_exception","reason":"no such index [x]","resource.type":"index_or_alias",'
        b'"resource.id":"x","index_uuid":"_na_","index":"x"},"status":404}'
    )


def test_causes_and_roots() -> None:
    cause = Fault(type="c", reason="because")
    value = Fault(type="t", reason="r", caused_by=cause, root=errors.parsing_exception("p", 1, 9)).to_value()
    assert value == {
        "error": {
            "root_cause": [{"type": "parsing_exception", "reason": "p", "line": 1, "col": 9}],
            "type": "t",
            "reason": "r",
            "caused_by": {"type": "c", "reason": "because"},
        },
        "status": 400,
    }


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (base.Refused("no", hint="do so"), 400, "illegal_argument_exception"),
        (base.Unauthenticated("who"), 401, "security_exception"),
        (base.Forbidden("no"), 403, "security_exception"),
        (base.Missing("gone"), 404, "resource_not_found_exception"),
        (base.Conflict("moved"), 409, "version_conflict_engine_exception"),
        (base.TooLarge("big"), 413, "content_too_long_exception"),
        (base.Throttled("slow", retry_after_s=1), 429, "es_rejected_execution_exception"),
        (base.Unavailable("away"), 503, "cluster_block_exception"),
        (errors.ElasticRefused(errors.index_not_found("x")), 404, "index_not_found_exception"),
        (RuntimeError("a secret"), 500, "exception"),
    ],
)
def test_every_error_of_the_tree(error: Exception, status: int, kind: str) -> None:
    fault = fault_of(error)
    assert (fault.status, fault.type) == (status, kind)
    assert "secret" not in fault.reason
    assert orjson.loads(fault.to_json())["status"] == status


def test_a_challenge_comes_with_401_only() -> None:
    assert "WWW-Authenticate" in str(errors.security("x", status=401).cause()["header"])
    assert "header" not in errors.security("x", status=403).cause()


def test_reasons_are_short_and_always_json() -> None:
    fault = Fault(type="t", reason="\ud800" + "x" * 100_000, extra={"n": 1 << 70})
    assert len(fault.to_json()) < 10_000
    assert orjson.loads(fault.to_json())["error"]["reason"].startswith("?xxx")
