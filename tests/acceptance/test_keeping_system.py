"""The spool, the quarantine's door and retention on a running system."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest

from tests.harness import System, eventually

pytestmark = pytest.mark.system


def test_what_is_sent_is_counted_and_kept_as_long_as_is_set(system: System) -> None:
    ends = system.endpoints()
    now = datetime.now(UTC)
    lines = []
    for back in (0, 1, 40):
        at = (now - timedelta(days=back)).isoformat()
        for number in range(20):
            lines += [{"create": {"_index": "kept-long"}}, {"@timestamp": at, "message": f"line {number}"}]
    body = b"\n".join(map(orjson.dumps, lines)) + b"\n"
    secret = base64.b64encode(f"{ends['elastic_user']}:{ends['elastic_password']}".encode()).decode()
    headers = {"authorization": f"Basic {secret}", "content-type": "application/x-ndjson"}
    sent = httpx.post(f"{ends['elastic_url']}/_bulk?refresh=true", content=body, headers=headers, timeout=60)
    assert (sent.status_code, sent.json()["errors"]) == (200, False)

    with httpx.Client(
        base_url=ends["api_url"], headers={"authorization": f"Bearer {ends['api_token']}"}, timeout=60
    ) as api:
        spool = api.get("/spool").json()
        logs = spool["streams"]["logs"]
        assert logs["received"] == logs["loaded"] + logs["pending"] + logs["quarantined"] + logs["lost"]
        assert logs["loaded"] >= 60
        assert (spool["roles"]["loader"], spool["disks"]["store"]["free_bytes"] > 0) == ("healthy", True)
        assert api.get("/spool/quarantine").json() == {"items": [], "next": None}
        # the door to ingest, and what it tells back
        assert api.post("/spool/quarantine/redrive", json={"stream": "logs", "all": True}).json() == {"count": 0}
        assert httpx.post(f"{ends['elastic_url']}/_dxops/redrive", content=b"{}", headers=headers).status_code >= 400

        def kept() -> dict[str, object]:
            found = api.get("/logs/retention").json()["streams"]
            return next((one for one in found if one["stream"] == "kept-long"), {})

        assert eventually(lambda: kept().get("documents") == 60, 30)
        assert kept()["rule"] == {
            "limits": {"days": None, "bytes": None, "documents": None},
            "source": "default",
            "name": "",
        }
        wish = {"pattern": "kept-l*", "days": 30}
        after = api.post("/logs/retention/preview", json=wish).json()["after"]
        assert (after["goes_documents"], after["oldest_kept"]) == (20, (now - timedelta(days=1)).date().isoformat())
        assert api.put("/logs/retention", json=wish).status_code == 200
        assert kept()["rule"]["name"] == "kept-l*"  # type: ignore[index]
        assert api.delete("/logs/retention", params={"pattern": "kept-l*"}).status_code == 204
        assert api.delete("/logs/retention", params={"pattern": "kept-l*"}).status_code == 404
    assert "trouble" in orjson.loads(system.dxops("status", "--json"))
