"""The store's own promises: who may do what, what a client's end does, what is kept when it dies."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from array import array
from base64 import b64encode

import httpx
import pytest

from dxops.wire.clickhouse_native import Column, block, numbers, strings
from tests.engines.store_process import ROOT, StoreProcess
from tests.harness import eventually

ESCAPES = [
    "SELECT file('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1', 'system.one')",
    "SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV', 'a String')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM Python(os)",
    "SELECT * FROM merge('system', 'processes')",
    "SELECT * FROM loop(system, processes)",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM default.`/etc/passwd`",
    "SELECT * FROM system.processes",
    'SELECT * FROM "system"."processes"',
    "SELECT * FROM system./* */processes",
    "SELECT * FROM system.server_settings",
    "SELECT 1 INTO OUTFILE '/tmp/dxops-never'",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 100000",
    "SET max_execution_time = 100000",
    "KILL QUERY WHERE 1",
    "KILL QUERY WHERE query_id = 'x'",
    "USE system",
    "SYSTEM FLUSH LOGS",
    "CREATE TABLE escaped (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE escaped (a UInt8)",
    "INSERT INTO readable VALUES (1)",
    "INSERT INTO FUNCTION file('/tmp/dxops-never') SELECT 1",
    "DROP TABLE readable",
    "ALTER TABLE readable DELETE WHERE 1",
    "TRUNCATE TABLE readable",
    "BACKUP TABLE readable TO File('x')",
    "ATTACH TABLE x",
    "SELECT 1; DROP TABLE readable",
    "SHOW PROCESSLIST",
    "SELECT * FROM {t:Identifier}",
    "SELECT $$'$$, file('/etc/passwd'), $$'$$",
    "SELECT 'a' # '\n, file('/etc/passwd') -- '",
    "SELECT ‘a’, file('/etc/passwd')",
    "SELECT 1 /* ' */, file('/etc/passwd') /* ' */",
    "SELECT 1 -- '\n, file('/etc/passwd') -- '",
    "EXPLAIN SELECT file('/etc/passwd')",
    "DESCRIBE TABLE file('/etc/passwd')",
    "WITH (x -> file(x)) AS f SELECT f('/etc/passwd')",
    "SELECT aiGenerate('x')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT sleep(3)",
    "",
    "   ;",
]


@pytest.fixture(scope="module", autouse=True)
def tables(store: StoreProcess) -> None:
    store.sql("CREATE TABLE readable (id UInt32, file String) ORDER BY id")
    store.sql("INSERT INTO readable SELECT number, 'f' FROM numbers(10)")


@pytest.mark.parametrize("sql", ESCAPES)
def test_the_reader_cannot_escape(store: StoreProcess, sql: str) -> None:
    answer = store.send(sql, "reader")
    assert answer.status_code in (400, 404), answer.text
    assert answer.headers["x-clickhouse-exception-code"]
    assert "root:" not in answer.text
    assert store.sql("SELECT count() FROM readable") == "10\n"


@pytest.mark.parametrize("key", ["allow_introspection_functions", "log_comment", "format_schema", "x"])
def test_the_reader_cannot_set_what_lifts_its_bounds(store: StoreProcess, key: str) -> None:
    assert store.send("SELECT 1", "reader", **{key: 0}).status_code == 400


def test_the_reader_stays_read_only_whatever_it_asks(store: StoreProcess) -> None:
    assert store.sql("SELECT getSetting('readonly')", "reader", readonly=0) == "1\n"


def test_the_readers_bounds_hold(store: StoreProcess) -> None:
    asked = {"max_execution_time": 1_000_000, "max_memory_usage": 0, "max_result_rows": 10**12}
    names = ", ".join(f"getSetting('{name}')" for name in asked)
    seconds, memory, rows = map(float, store.sql(f"SELECT {names}", "reader", **asked).split("\t"))
    assert (seconds, memory, rows) == (300, 100 * 2**20, 1_000_000)
    too_many = "SELECT number FROM numbers(2000000)"
    assert store.send(f"{too_many} FORMAT JSON", "reader").headers["x-clickhouse-exception-code"] == "396"
    assert "Code: 396" in store.send(too_many, "reader").text[-1000:]
    assert store.sql("SELECT count(file), max(id) FROM readable WHERE file = 'f'", "reader") == "10\t9\n"
    assert store.sql("SELECT format('{} {}', 'a', 'b')", "reader") == "a b\n"


def test_credentials_come_in_three_ways_and_from_one_place(store: StoreProcess) -> None:
    password = store.password()
    basic = {"authorization": "Basic " + b64encode(f"dxops:{password}".encode()).decode()}
    assert httpx.get(f"{store.url}/?query=SELECT+1", headers=basic).text == "1\n"
    assert httpx.get(store.url, params={"query": "SELECT 1", "user": "dxops", "password": password}).text == "1\n"
    both = httpx.get(store.url, params={"query": "SELECT 1", "user": "dxops", "password": password}, headers=basic)
    assert both.status_code == 403
    assert httpx.get(f"{store.url}/?query=SELECT+1").status_code == 401
    assert httpx.get(f"{store.url}/nothing").status_code == 404
    assert httpx.get(f"{store.url}/replicas_status").text == "Ok.\n"


def test_get_changes_nothing(store: StoreProcess) -> None:
    headers = {"X-ClickHouse-User": "dxops", "X-ClickHouse-Key": store.password()}
    for sql in ("DROP TABLE readable", "INSERT INTO readable VALUES (1, '')", "INSERT INTO readable SELECT 1, ''"):
        answer = httpx.get(store.url, params={"query": sql}, headers=headers)
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (400, "164"), answer.text
    assert store.sql("SELECT count() FROM readable") == "10\n"


def test_requests_do_not_see_each_others_settings(store: StoreProcess) -> None:
    store.sql("SET max_threads = 1")
    store.sql("USE system")
    assert store.sql("SELECT currentDatabase(), getSetting('max_threads')") == "dxops\t2\n"
    assert store.sql("SELECT 1", database="default") == "1\n"
    assert store.send("SELECT 1", database="nowhere").status_code == 404


def test_bad_requests_get_clear_answers(store: StoreProcess) -> None:
    for sent, status, text in (
        (store.send("SELECT 1; SELECT 2"), 400, "Multi-statements"),
        (store.send("SELECT 1", nosuchsetting=1), 404, "nosuchsetting"),
        (store.send("SELECT 1", **{"a b": 1}), 404, "a b"),
        (store.send(b"SELECT '\xff'"), 400, "UTF-8"),
        (store.send("SELECT 1", compress=1), 501, "Accept-Encoding"),
        (store.send("SELECT {a:UInt8}", param_a="x"), 400, "query parameter 'a'"),
        (store.send("SELECT 1 FORMAT Nonsense"), 404, "Nonsense"),
        (store.send("x" * (2 << 20)), 400, "longer"),
    ):
        assert sent.status_code == status, sent.text
        assert text in sent.text
        assert "Traceback" not in sent.text


def test_inserts_in_every_shape(store: StoreProcess) -> None:
    store.sql("CREATE TABLE shapes (id UInt32, text String) ORDER BY id")
    store.sql("INSERT INTO shapes VALUES (1, 'a'), (2, 'b')")
    store.sql('INSERT INTO shapes FORMAT JSONEachRow\n{"id": 3, "text": "c"}')
    store.sql("INSERT INTO shapes (id, text) FORMAT CSV\r\n4,d\r\n")
    store.sql(b"(5, 'e')", query="INSERT INTO shapes VALUES")
    store.sql(b"6\tf\n", query="INSERT INTO shapes FORMAT TSV")
    store.sql("INSERT INTO shapes SELECT 7, 'g'")
    data = block([Column("id", "UInt32", numbers("UInt32", [8])), Column("text", "String", strings([b"\xff"]))], 1)
    store.sql(b"INSERT INTO shapes FORMAT Native\n" + data)
    assert store.sql("SELECT id, hex(text) FROM shapes ORDER BY id FORMAT CSV").split() == [
        *(f'{number},"{ord(letter):X}"' for number, letter in enumerate("abcdefg", 1)),
        '8,"FF"',
    ]
    broken = store.send(b"INSERT INTO shapes FORMAT Native\n" + data[:-1])
    assert (broken.status_code, "33" in broken.text) == (500, True)
    assert store.send('INSERT INTO shapes FORMAT JSONEachRow {"id": "x"}').status_code == 400
    assert store.sql("SELECT count() FROM shapes") == "8\n"


def test_an_insert_that_fails_behind_the_parser_is_told(store: StoreProcess) -> None:
    """chDB itself calls it written."""
    store.sql("CREATE TABLE bounded (n UInt64, CONSTRAINT small CHECK n < 5) ENGINE = MergeTree ORDER BY n")
    failed = store.send('{"n":7}', query="INSERT INTO bounded FORMAT JSONEachRow")
    assert failed.status_code == 500
    assert "VIOLATED_CONSTRAINT" in failed.text
    assert failed.headers["x-clickhouse-exception-code"] == "469"
    store.sql('{"n":3}', query="INSERT INTO bounded FORMAT JSONEachRow")  # what failed before is not held against it
    assert store.sql("SELECT n FROM bounded").split() == ["3"]


def test_a_bomb_is_refused(store: StoreProcess) -> None:
    store.sql("CREATE TABLE bombed (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    headers = {"X-ClickHouse-User": "dxops", "X-ClickHouse-Key": store.password(), "content-encoding": "gzip"}
    params = {"query": "INSERT INTO bombed FORMAT TSV"}
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(600)) + packer.flush()
    before = store.rss_mb()
    answer = httpx.post(store.url, params=params, content=bomb, headers=headers, timeout=60)
    assert answer.status_code in (413, 400, 503, 500)
    assert store.rss_mb() - before < 300
    cut = httpx.post(store.url, params=params, content=gzip.compress(b"1\ta\n")[:-9], headers=headers)
    assert (cut.status_code, store.sql("SELECT count() FROM bombed")) == (500, "0\n")
    wrong = httpx.post(store.url, params=params, content=b"nonsense", headers=headers)
    assert wrong.status_code >= 400


def rows_of(first: int, count: int) -> bytes:
    ids = numbers("UInt64", array("Q", range(first, first + count)))
    texts = strings([b"x" * 100] * count)
    return block([Column("id", "UInt64", ids), Column("text", "String", texts)], count)


DEDUPLICATED = (
    "CREATE TABLE once (id UInt64, text String) ENGINE = MergeTree PARTITION BY id % 3 ORDER BY id "
    "SETTINGS non_replicated_deduplication_window = 100"
)


def test_a_token_makes_an_insert_once(own_store: StoreProcess) -> None:
    own_store.start()
    own_store.sql(DEDUPLICATED)
    insert = {"query": "INSERT INTO once FORMAT Native"}
    for _ in range(3):
        own_store.sql(rows_of(0, 999), **insert, insert_deduplication_token="a")
    assert own_store.sql("SELECT count() FROM once") == "999\n"
    own_store.stop()
    own_store.start()
    own_store.sql(rows_of(0, 999), **insert, insert_deduplication_token="a")
    assert own_store.sql("SELECT count() FROM once") == "999\n"
    own_store.sql(rows_of(0, 999), **insert, insert_deduplication_token="b")
    for _ in range(2):  # without a token the same rows are rows again
        own_store.sql(rows_of(0, 999), **insert)
    assert own_store.sql("SELECT count() FROM once") == f"{4 * 999}\n"


def test_a_second_process_is_told_who_has_it(own_store: StoreProcess) -> None:
    own_store.start()
    assert own_store.process is not None
    code = (
        "import sys; from pathlib import Path; from dxops.engines.clickhouse.embedded import EmbeddedClickHouse; "
        "from dxops.engines.clickhouse.config import ClickHouseConfig; "
        f"EmbeddedClickHouse(Path({str(own_store.data)!r}), ClickHouseConfig()).open()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert f"is open in process {own_store.process.pid}" in done.stderr
    assert own_store.answers()


def open_query(store: StoreProcess, sql: str, receive_buffer: int = 4096) -> socket.socket:
    """A request by hand, its answer not read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.connect(("127.0.0.1", store.port))
    head = f"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: dxops\r\nX-ClickHouse-Key: {store.password()}\r\n"
    made.sendall(f"{head}Content-Length: {len(sql)}\r\n\r\n{sql}".encode())
    return made


def running(store: StoreProcess, part: str) -> int:
    """How many queries with `part` run. Asks in the heavy lane, which the tests leave free."""
    found = "query LIKE {part:String} AND query NOT LIKE '%system.processes%'"
    sql = f"SELECT count() FROM system.processes WHERE {found}"
    return int(store.sql(sql, param_part=f"%{part}%", workload="heavy"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 11 FORMAT JSON",
        "SELECT number FROM numbers(100000000000) WHERE sipHash64(number) = 11",
        "SELECT number, repeat('x', 1000) FROM numbers(1000000000) WHERE number != 11",
    ],
)
def test_a_query_ends_with_its_client(store: StoreProcess, sql: str) -> None:
    client = open_query(store, sql)
    eventually(lambda: running(store, " 11") == 1)
    client.close()
    eventually(lambda: running(store, " 11") == 0, timeout_s=5)


def test_slow_clients_neither_fill_memory_nor_stop_others(store: StoreProcess) -> None:
    before = store.rss_mb()
    sql = "SELECT number, repeat('x', 1000) FROM numbers(5000000)"
    clients = [open_query(store, sql) for _ in range(3)]
    eventually(lambda: running(store, "numbers(5000000)") == 3)
    for _ in range(20):
        store.sql("SELECT 1")
        store.sql(b"9\tz\n", query="INSERT INTO readable FORMAT TSV")
    assert store.rss_mb() - before < 200
    for client in clients:
        client.close()
    eventually(lambda: running(store, "numbers(5000000)") == 0, timeout_s=5)
    store.sql("ALTER TABLE readable DELETE WHERE file = 'z'", mutations_sync=1)


def test_a_heavy_query_does_not_hold_up_inserts(store: StoreProcess) -> None:
    heavy = [
        open_query(store, "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 22") for _ in range(8)
    ]
    eventually(lambda: running(store, " 22") == 4)  # the lane's slots; the others wait
    began = time.monotonic()
    store.sql(b"8\tz\n", query="INSERT INTO readable FORMAT TSV")
    assert time.monotonic() - began < 5
    for client in heavy:
        client.close()
    eventually(lambda: running(store, " 22") == 0, timeout_s=10)
    store.sql("ALTER TABLE readable DELETE WHERE file = 'z'", mutations_sync=1)


def test_hundreds_of_idle_connections(store: StoreProcess) -> None:
    idle = [socket.create_connection(("127.0.0.1", store.port)) for _ in range(500)]
    assert store.sql("SELECT 1") == "1\n"
    for one in idle:
        one.close()


def test_an_insert_that_is_cut_off_leaves_nothing(store: StoreProcess) -> None:
    store.sql("CREATE OR REPLACE TABLE cut (id UInt64, text String) ORDER BY id")
    data = rows_of(0, 10000)
    head = (
        f"POST /?query=INSERT%20INTO%20cut%20FORMAT%20Native HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: dxops\r\n"
        f"X-ClickHouse-Key: {store.password()}\r\nContent-Length: {2 * len(data)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", store.port)) as client:
        client.sendall(head.encode() + data)
    store.sql(rows_of(0, 10), query="INSERT INTO cut FORMAT Native")
    assert store.sql("SELECT count() FROM cut") == "10\n"


@pytest.mark.fault
def test_acknowledged_batches_survive_kill_9(own_store: StoreProcess) -> None:
    own_store.start()
    own_store.sql(DEDUPLICATED)
    acknowledged: list[int] = []
    for round_number in range(4):
        stop = threading.Event()

        def load(base: int = round_number * 3_000_000, stop: threading.Event = stop) -> None:
            batch = base
            while not stop.is_set():
                try:
                    token = {"insert_deduplication_token": f"t{batch}"}
                    own_store.sql(rows_of(batch, 300), query="INSERT INTO once FORMAT Native", **token)
                except (httpx.HTTPError, AssertionError):
                    return
                acknowledged.append(batch)
                batch += 300

        loader = threading.Thread(target=load)
        loader.start()
        count = len(acknowledged)
        eventually(lambda count=count: len(acknowledged) > count + 20)
        own_store.kill()
        stop.set()
        loader.join()
        assert own_store.start() < 5
    found = set(map(int, own_store.sql("SELECT DISTINCT intDiv(id, 300) * 300 FROM once").split()))
    partial = own_store.sql("SELECT intDiv(id, 300) b, count() c FROM once GROUP BY b HAVING c != 300 AND c % 100 != 0")
    assert set(acknowledged) - found == set()
    assert partial == ""


def test_sigterm_drains_quickly_though_a_query_runs(own_store: StoreProcess) -> None:
    own_store.start()
    client = open_query(own_store, "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1 FORMAT JSON")
    eventually(lambda: running(own_store, "numbers(100000000000)") == 1)
    began = time.monotonic()
    assert own_store.stop() == 0
    assert time.monotonic() - began < 9
    client.close()
    assert own_store.start() < 3


def test_sigint_stops_it_too(own_store: StoreProcess) -> None:
    own_store.start()
    assert own_store.process is not None
    os.kill(own_store.process.pid, 2)
    assert own_store.process.wait(10) == 0
