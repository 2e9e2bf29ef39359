"""Bulk bodies as only the outside world makes them, over HTTP: what is wrong is named, and what is good is kept."""

from __future__ import annotations

import gzip
import json
import socket
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.shipping import sql
from tests.harness import System

pytestmark = pytest.mark.system

NDJSON = {"content-type": "application/x-ndjson"}
LIMIT = 100 << 20


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    found = system.endpoints()
    auth = (found["elastic_user"], found["elastic_password"])
    with httpx.Client(base_url=found["elastic_url"], auth=auth, timeout=60) as made:
        yield made


@pytest.fixture
def index() -> str:
    return f"bad-{uuid.uuid4().hex[:12]}"


def line(index: str, source: bytes) -> bytes:
    return json.dumps({"create": {"_index": index}}).encode() + b"\n" + source + b"\n"


def send(client: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    return client.post("/_bulk", content=body, headers=NDJSON | headers, params={"refresh": "wait_for"})


def kept(system: System, index: str) -> list[str]:
    """Messages of the stream, in the order in which they came."""
    return [
        message for (message,) in sql(system, f"SELECT message FROM log_events WHERE stream='{index}' ORDER BY seq")
    ]


def document(message: str) -> bytes:
    return json.dumps({"@timestamp": "2026-01-01T00:00:00Z", "message": message}).encode()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("half a document", b'{"message": "ha'),
        ("no JSON", b"Jan  1 00:00:00 host app: text"),
        ("an array", b"[1, 2]"),
        ("a text", b'"text"'),
        ("not UTF-8", b'{"message": "\xff\xfe"}'),
        ("a raw control character", b'{"message": "a\x01b"}'),
        ("a raw NUL", b'{"message": "a\x00b"}'),
        ("NaN", b'{"n": NaN}'),
        ("a byte order mark", b'\xef\xbb\xbf{"message": "x"}'),
        ("deeper than 1,024", b'{"a":' * 1100 + b"1" + b"}" * 1100),
        ("very deep", b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
        ("arrays very deep", b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        ("a time that is none", b'{"@timestamp": "yesterday"}'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_document_leaves_its_neighbours(
    system: System, client: httpx.Client, index: str, name: str, source: bytes
) -> None:
    body = line(index, document("before")) + line(index, source) + line(index, document("behind"))
    answer = send(client, body)
    assert answer.status_code == 200, answer.text
    items = [next(iter(item.values())) for item in answer.json()["items"]]
    assert [item["status"] for item in items] == [201, 400, 201]
    assert items[1]["error"]["type"] == "document_parsing_exception"
    assert items[1]["error"]["reason"]
    assert kept(system, index) == ["before", "behind"]


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("a name twice", b'{"message": "one", "message": "two"}', "two"),
        ("an escaped NUL", b'{"message": "a\\u0000b"}', "a\x00b"),
        ("a lone surrogate", b'{"message": "a\\ud800b"}', "a\ufffdb"),
        ("a huge number", b'{"message": "n", "n": 1' + b"0" * 5000 + b"}", "n"),
        ("a number too large for a float", b'{"message": "n", "n": 1e400}', "n"),
        ("deep but allowed", b'{"message": "d", "a":' + b'{"a":' * 900 + b"1" + b"}" * 901, "d"),
        ("ten thousand names", json.dumps({"message": "wide"} | {f"f{n}": n for n in range(10_000)}).encode(), "wide"),
        ("long names", json.dumps({"message": "long", "k" * 50_000: 1}).encode(), "long"),
        ("an empty name", b'{"message": "e", "": {"": 1}}', "e"),
        ("dots", b'{"message": "dots", "a.b": 1, "a": {"b": 2}, ".": 3, "..": 4}', "dots"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_an_odd_document_is_kept_as_it_was_sent(
    system: System, client: httpx.Client, index: str, name: str, source: bytes, message: str
) -> None:
    answer = send(client, line(index, document("before")) + line(index, source) + line(index, document("behind")))
    assert not answer.json()["errors"], answer.text[:1000]
    assert kept(system, index) == ["before", message, "behind"]
    id_ = answer.json()["items"][1]["create"]["_id"]
    found = client.get(f"/{index}/_source/{id_}")
    assert found.content == source


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("broken action", b'{"create": {"_index": "INDEX"}\n{"message": "x"}\n'),
        ("wrong order", b'{"message": "x"}\n{"create": {"_index": "INDEX"}}\n'),
        ("unknown action", b'{"upsert": {"_index": "INDEX"}}\n{"message": "x"}\n'),
        ("no source", b'{"create": {"_index": "INDEX"}}\n'),
        ("no index", b'{"create": {}}\n{"message": "x"}\n'),
        ("only line ends", b"\n\n\n"),
        ("nothing", b""),
        ("a broken action behind good ones", line("INDEX", document("x")) * 50 + b"oops\n{}\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_body_is_refused_whole(
    system: System, client: httpx.Client, index: str, name: str, body: bytes
) -> None:
    answer = send(client, body.replace(b"INDEX", index.encode()))
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["type"] in ("illegal_argument_exception", "parse_exception", "action_request_validation_exception")
    assert error["reason"]
    assert kept(system, index) == []


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n\n\n"])
def test_line_ends_of_any_kind(system: System, client: httpx.Client, index: str, end: bytes) -> None:
    body = (line(index, document("a")) + line(index, document("b"))).removesuffix(b"\n") + end
    answer = send(client, body.replace(b"\n", b"\r\n") if end == b"\r\n" else body)
    assert not answer.json()["errors"], answer.text
    assert kept(system, index) == ["a", "b"]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"this is not gzip"),
        ("gzip", gzip.compress(line("x", document("cut")))[:-12]),
        ("gzip", gzip.compress(line("x", document("rot")))[:-8] + b"\0" * 8),
        ("deflate", b"\x00\x01\x02"),
        ("br", b"anything"),
        ("zstd", b"nonsense"),
    ],
    ids=["no gzip", "cut off", "wrong checksum", "no deflate", "unknown", "no zstd"],
)
def test_bad_compression(client: httpx.Client, encoding: str, body: bytes) -> None:
    answer = send(client, body, **{"content-encoding": encoding})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "illegal_argument_exception"


def test_good_compression(system: System, client: httpx.Client, index: str) -> None:
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("gzip", two_members)):
        answer = send(client, pack(line(index, document(encoding)) * 2), **{"content-encoding": encoding})
        assert not answer.json()["errors"]
    assert kept(system, index) == ["gzip"] * 2 + ["deflate"] * 2 + ["gzip"] * 2


def two_members(data: bytes) -> bytes:
    return gzip.compress(data[:20]) + gzip.compress(data[20:])


def resident_mb(system: System) -> float:
    pid = system.status()["ingest"]["pid"]
    with open(f"/proc/{pid}/status") as file:
        return next(int(row.split()[1]) / 1024 for row in file if row.startswith("VmRSS"))


def test_a_gzip_bomb_is_413_and_costs_little(system: System, client: httpx.Client) -> None:
    before = resident_mb(system)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([packer.compress(b"0" * (1 << 20)) for _ in range(300)] + [packer.flush()])
    assert len(bomb) < 1 << 20
    answer = send(client, bomb, **{"content-encoding": "gzip"})
    assert answer.status_code == 413
    assert str(LIMIT) in answer.json()["error"]["reason"]
    assert resident_mb(system) - before < 250


def test_a_line_of_almost_the_limit_is_kept_and_found(system: System, client: httpx.Client, index: str) -> None:
    huge = "x" * 20_000_000
    answer = send(client, line(index, document(huge)) + line(index, document("behind")))
    assert not answer.json()["errors"]
    sizes = sql(system, f"SELECT length(message) FROM log_events WHERE stream='{index}' ORDER BY seq")
    assert [size for (size,) in sizes] == [20_000_000, 6]


def test_more_than_the_limit_is_413_before_it_is_read(client: httpx.Client) -> None:
    address = client.base_url
    with socket.create_connection((address.host, address.port or 80), timeout=20) as raw:
        request = client.build_request("POST", "/_bulk", headers=NDJSON | {"content-length": str(LIMIT + 1)})
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        password = client.auth._auth_header  # type: ignore[union-attr]
        raw.sendall(f"POST /_bulk HTTP/1.1\r\n{head}authorization: {password}\r\n\r\n".encode())
        said = raw.recv(65536)
    assert said.startswith(b"HTTP/1.1 413")
    assert str(LIMIT).encode() in said


def test_clocks_that_are_wrong(system: System, client: httpx.Client, index: str) -> None:
    times = ["1970-01-01T00:00:00Z", "1999-12-31T23:59:59.999Z", "2106-02-07T06:28:16Z", "2262-04-11T23:47:16Z"]
    far = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", -1, 253402300799000]
    sources = [json.dumps({"@timestamp": each, "message": str(each)}).encode() for each in (*times, *far)]
    answer = send(client, b"".join(line(index, source) for source in sources))
    statuses = [item["create"]["status"] for item in answer.json()["items"]]
    assert statuses == [201] * len(sources), answer.text
    assert kept(system, index) == [str(each) for each in (*times, *far)]
    hits = client.get(f"/{index}/_search", params={"size": 20, "sort": "@timestamp:asc"}).json()["hits"]["hits"]
    assert {hit["_source"]["message"] for hit in hits} == {str(each) for each in (*times, *far)}
    query = {"query": {"range": {"@timestamp": {"gte": "2100-01-01", "lt": "2200-01-01"}}}}
    found = client.request("GET", f"/{index}/_search", json=query).json()["hits"]["hits"]
    assert [hit["_source"]["message"] for hit in found] == ["2106-02-07T06:28:16Z"]


def test_a_thousand_indices(system: System, client: httpx.Client, index: str) -> None:
    body = b"".join(line(f"{index}-{n:04}", document(f"m{n}")) for n in range(1000))
    answer = send(client, body)
    assert not answer.json()["errors"]
    listed = client.get(f"/_cat/indices/{index}-*", params={"format": "json"}).json()
    assert {row["index"] for row in listed} == {f"{index}-{n:04}" for n in range(1000)}
    assert client.get(f"/{index}-*/_count").json()["count"] == 1000
    found = client.get(f"/{index}-0777/_search").json()["hits"]["hits"]
    assert [hit["_source"]["message"] for hit in found] == ["m777"]
