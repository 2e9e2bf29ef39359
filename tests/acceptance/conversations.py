"""Recorded conversations of shippers, and the rules by which each reads its answers. See recordings/README.md."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

RECORDINGS = Path(__file__).parent / "recordings"
_ROOTS = (
    "agent", "client", "cloud", "container", "destination", "dns", "event", "file", "host", "http", "log", "network",
    "observer", "process", "server", "service", "source", "tls", "url", "user", "apache", "nginx", "mysql",
    "postgresql", "kafka", "redis", "haproxy", "iis", "system", "auditd", "aws.cloudtrail", "azure.activitylogs",
    "gcp.audit", "okta", "suricata.eve", "zeek.connection", "cisco.asa", "panw.panos", "fortinet.firewall",
    "o365.audit",
)  # fmt: skip
_TYPES = (
    {"type": "keyword", "ignore_above": 1024}, {"type": "long"}, {"type": "date"}, {"type": "boolean"}, {"type": "ip"},
    {"type": "geo_point"}, {"type": "wildcard"}, {"type": "match_only_text"},
    {"type": "scaled_float", "scaling_factor": 1000},
    {"type": "keyword", "ignore_above": 1024, "fields": {"text": {"type": "match_only_text"}}},
    {"type": "flattened"}, {"type": "nested"}, {"type": "object", "enabled": False}, {"type": "constant_keyword"},
    {"type": "alias", "path": "message"},
)  # fmt: skip


def template(name: str, *, data_stream: bool, lifecycle: str | None) -> dict[str, Any]:
    """An index template of a Beat's size: some 4,000 fields of every type, half a megabyte."""
    properties: dict[str, Any] = {"@timestamp": {"type": "date"}, "message": {"type": "match_only_text"}}
    names = ["message"]
    for root in _ROOTS:
        place = properties
        for part in root.split("."):
            place = place.setdefault(part, {"properties": {}})["properties"]
        for number in range(100):
            field = f"{('id', 'name', 'version', 'bytes', 'original')[number % 5]}_{number}"
            place[field] = dict(_TYPES[number % len(_TYPES)])
            names.append(f"{root}.{field}")
    index: dict[str, Any] = {
        "refresh_interval": "5s", "mapping": {"total_fields": {"limit": 12500}}, "max_docvalue_fields_search": 200,
        "query": {"default_field": names[:1020]}, "number_of_shards": 1,
    }  # fmt: skip
    if lifecycle is not None:
        index["lifecycle"] = {"name": lifecycle} | ({} if data_stream else {"rollover_alias": name})
    labels = {"labels": {"path_match": "labels.*", "match_mapping_type": "string", "mapping": {"type": "keyword"}}}
    texts = {
        "strings_as_keyword": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 1024}}
    }
    made = {
        "index_patterns": [name if data_stream else f"{name}-*"],
        "priority": 150,
        "template": {
            "settings": {"index": index},
            "mappings": {
                "_meta": {"beat": "filebeat", "version": name.rpartition("-")[2]},
                "date_detection": False,
                "dynamic_templates": [labels, texts],
                "properties": properties,
            },
        },
    }
    return made | ({"data_stream": {}} if data_stream else {})


def events(given: dict[str, Any]) -> list[Any]:
    """Action and document by turns."""
    lines: list[Any] = []
    for n in range(given.get("from", 0), given.get("from", 0) + given["count"]):
        document = {
            "@timestamp": f"2026-01-01T{12 + n // 3600 % 10}:{n // 60 % 60:02}:{n % 60:02}.{n * 7 % 1000:03}Z",
            "log": {"offset": n * 173, "file": {"path": "/var/log/app/app.log"}},
            "message": f"GET /cart/{n} 200 {n * 3} ms",
            "input": {"type": "filestream"},
            "agent": {"type": given["agent"], "version": given["version"], "ephemeral_id": "5d4f0b0e", "name": "web-1"},
            "host": {"name": "web-1", "os": {"type": "linux"}, "ip": ["10.0.0.7", "fe80::1"]},
        }
        lines += [given["action"], document | given.get("extra", {})]
    return lines


def speak(client: httpx.Client, recording: dict[str, Any]) -> None:
    """The whole conversation. Fails at the first answer that the program could not work with."""
    for number, exchange in enumerate(recording["exchanges"]):
        send = exchange["send"]
        headers, content = dict(recording["headers"]), b""
        if "template" in send:
            content = json.dumps(template(**send["template"])).encode()
        elif "body" in send:
            content = json.dumps(send["body"]).encode()
        elif "ndjson" in send or "events" in send:
            lines = send.get("ndjson") or events(send["events"])
            content = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        if content:
            headers |= recording["body_headers"]
        if send.get("gzip"):
            content, headers["content-encoding"] = gzip.compress(content), "gzip"
        answer = client.request(send["method"], send["path"], content=content or None, headers=headers)
        where = f"{recording['program']} #{number} ({exchange['say']}): {answer.status_code} {answer.text[:600]}"
        _check(exchange["needs"], send, answer, where, headers.get("accept", ""))


def _check(needs: dict[str, Any], send: dict[str, Any], answer: httpx.Response, where: str, accept: str) -> None:
    assert answer.status_code in needs["status"], where
    assert answer.headers["x-elastic-product"] == "Elasticsearch", where
    if send["method"] == "HEAD":
        assert answer.content == b"", where
        return
    if "vnd.elasticsearch" in accept:
        assert answer.headers["content-type"] == accept, where
    value = answer.json()
    assert _within(needs.get("json", {}), value), where
    assert all(key in value for key in needs.get("has", ())), where
    if "version_at_least" in needs:
        major, minor, _ = value["version"]["number"].split(".")
        assert [int(major), int(minor)] >= needs["version_at_least"], where
    if "error_says" in needs:
        assert needs["error_says"] in value["error"]["reason"], where
        assert value["status"] == answer.status_code, where
    if needs.get("publish_address"):
        (node,) = value["nodes"].values()
        host, _, port = node["http"]["publish_address"].rpartition(":")
        assert host, where
        assert port.isdigit(), where
    if "bulk" in needs:
        statuses = RULES[needs["bulk"]](answer.text, len(send.get("ndjson") or events(send["events"])) // 2, where)
        assert {str(status): count for status, count in statuses.items()} == needs["statuses"], where


def _within(least: Any, value: Any) -> bool:
    if isinstance(least, dict):
        return isinstance(value, dict) and all(
            key in value and _within(each, value[key]) for key, each in least.items()
        )
    return bool(least == value)


def _items(text: str, count: int, where: str) -> list[dict[str, Any]]:
    """One key per item, one item per operation, an integer status; what every reader asks."""
    value = json.loads(text)
    assert isinstance(value["errors"], bool), where
    assert len(value["items"]) == count, where
    found = []
    for item in value["items"]:
        assert len(item) == 1, where
        (body,) = item.values()
        assert type(body["status"]) is int, where
        assert ("error" in body) == (body["status"] >= 400), where
        found.append(body)
    assert value["errors"] == any("error" in body for body in found), where
    return found


def beats(text: str, count: int, where: str) -> Counter[int]:
    """Reads a stream: `errors` comes first after the filter, `items` behind it. No items when nothing is left of them
    would be read as an error."""
    assert text.startswith('{"errors":'), where
    keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    assert keys == ["errors", "items"], where
    return Counter(body["status"] for body in _items(text, count, where))


def logstash(text: str, count: int, where: str) -> Counter[int]:
    """Statuses decide; an error's type and reason go to the log and the dead letters."""
    found = _items(text, count, where)
    for body in found:
        if body["status"] not in (200, 201):
            assert isinstance(body["error"]["type"], str), where
            assert isinstance(body["error"]["reason"], str), where
    return Counter(body["status"] for body in found)


def fluent_bit(text: str, count: int, where: str) -> Counter[int]:
    """Looks for this text when the answer is larger than its buffer."""
    assert '"errors":false,"items":[' in text, where
    return Counter(body["status"] for body in _items(text, count, where))


def vector(text: str, count: int, where: str) -> Counter[int]:
    """All is well as long as this text is absent."""
    assert '"errors":true' not in text, where
    return Counter(body["status"] for body in _items(text, count, where))


def vector_partial(text: str, count: int, where: str) -> Counter[int]:
    """With that text, it reads types and reasons."""
    assert '"errors":true' in text, where
    return logstash(text, count, where)


RULES = {
    "beats": beats, "logstash": logstash, "fluent-bit": fluent_bit, "vector": vector, "vector-partial": vector_partial,
}  # fmt: skip
