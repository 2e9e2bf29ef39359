"""The unmodified `clickhouse-connect` against our store."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.engines.store_process import StoreProcess
from tests.harness import eventually


def connect(store: StoreProcess, user: str = "dxops", **options: object) -> Client:
    password = options.pop("password", None) or store.password(user)
    return clickhouse_connect.get_client(
        host="127.0.0.1",
        port=store.port,
        username=user,
        password=str(password),
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture
def client(store: StoreProcess) -> Iterator[Client]:
    made = connect(store)
    yield made
    made.close()


def test_it_connects_and_knows_the_server(client: Client) -> None:
    assert client.server_version.startswith("26.")
    assert str(client.server_tz) == "UTC"
    assert client.ping()
    assert client.database in (None, "__default__", "default", "dxops")


def test_what_is_inserted_comes_back(client: Client) -> None:
    client.command("CREATE TABLE people (id UInt32, name String, born DateTime64(3), tags Array(String)) ORDER BY id")
    rows = [
        [1, "Ada", datetime.datetime(1815, 12, 10, tzinfo=datetime.UTC), ["a", "b"]],
        [2, "Bob's \\ \n", datetime.datetime(2001, 2, 3, 4, 5, 6, 7000, tzinfo=datetime.UTC), []],
    ]
    summary = client.insert("people", rows, column_names=["id", "name", "born", "tags"])
    assert summary.written_rows == 2
    found = client.query("SELECT id, name, tags FROM people ORDER BY id").result_rows
    assert found == [(1, "Ada", ["a", "b"]), (2, "Bob's \\ \n", [])]
    assert client.command("SELECT count() FROM people") == 2
    client.command("DROP TABLE people")


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", False])
def test_every_compression_works_both_ways(store: StoreProcess, compression: str | bool) -> None:
    client = connect(store, compress=compression)
    client.command("CREATE OR REPLACE TABLE squeezed (id UInt32, text String) ENGINE = Memory")
    client.insert("squeezed", [[number, "x" * 100] for number in range(20000)], column_names=["id", "text"])
    assert client.query("SELECT sum(id), sum(length(text)) FROM squeezed").result_rows == [(199990000, 2000000)]
    assert len(client.query("SELECT * FROM squeezed").result_rows) == 20000
    client.close()


def test_parameters_stay_values(client: Client) -> None:
    hostile = "x' OR 1=1 --\n\t\\"
    found = client.query(
        "SELECT {text:String} AS text, {number:UInt32} + 1, {list:Array(String)}",
        parameters={"text": hostile, "number": 41, "list": ["a'b", "c"]},
    )
    assert found.result_rows == [(hostile, 42, ["a'b", "c"])]


def test_settings_and_formats_of_a_request(client: Client) -> None:
    assert client.command("SELECT getSetting('max_block_size')", settings={"max_block_size": 77}) == 77
    assert client.raw_query("SELECT 1 AS a FORMAT JSONEachRow") == b'{"a":1}\n'
    assert client.raw_query("SELECT 1 AS a", fmt="CSVWithNames") == b'"a"\n1\n'


def test_errors_have_their_code(client: Client) -> None:
    with pytest.raises(DatabaseError, match=r"Code: 60\."):
        client.query("SELECT * FROM nowhere")
    with pytest.raises(DatabaseError, match=r"Code: 62\."):
        client.query("SELECT FROM WHERE")
    with pytest.raises(DatabaseError, match=r"Code: 241\."):
        client.query("SELECT groupArray(repeat('x', 1000)) FROM numbers(1000000)")
    with pytest.raises(DatabaseError, match=r"Code: 159\."):
        client.query(
            "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1", settings={"max_execution_time": 1}
        )
    assert client.command("SELECT 1") == 1


def test_a_large_answer_is_streamed_and_whole(client: Client) -> None:
    total = rows = 0
    with client.query_row_block_stream("SELECT number, repeat('x', 100) FROM numbers(500000)") as stream:
        for block in stream:
            rows += len(block)
            total += sum(row[0] for row in block)
    assert (rows, total) == (500000, 124999750000)
    text = client.raw_query("SELECT number, repeat('x', 50) AS s FROM numbers(300000)", fmt="TSVWithNamesAndTypes")
    lines = text.decode().splitlines()
    assert lines[:2] == ["number\ts", "UInt64\tString"]
    assert len(lines) == 300002


def test_an_error_half_way_reaches_the_client(client: Client) -> None:
    with pytest.raises(DatabaseError, match="395"):
        client.query("SELECT number, repeat('x', 200), throwIf(number = 400000) FROM numbers(500000)")
    assert client.command("SELECT 1") == 1


def test_wrong_credentials_are_refused(store: StoreProcess) -> None:
    for user, password in (("dxops", "wrong"), ("nobody", "x"), ("reader", store.password())):
        with pytest.raises(DatabaseError, match="516"):
            connect(store, user, password=password)


def test_the_reader_reads(store: StoreProcess) -> None:
    store.sql("CREATE TABLE IF NOT EXISTS readable (id UInt32) ORDER BY id")
    store.sql("INSERT INTO readable SELECT number FROM numbers(10)")
    reader = connect(store, "reader")
    assert reader.command("SELECT count() FROM readable") == 10
    assert reader.query("SHOW TABLES").result_rows
    with pytest.raises(DatabaseError, match=r"Code: 164\."):
        reader.insert("readable", [[1]], column_names=["id"])
    reader.close()


def test_many_clients_at_once(store: StoreProcess) -> None:
    failures: list[object] = []

    def work(number: int) -> None:
        try:
            client = connect(store)
            for _ in range(10):
                assert client.command(f"SELECT {number}") == number
            client.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_query_can_be_killed_by_its_id(store: StoreProcess) -> None:
    client = connect(store)
    errors: list[str] = []

    def long() -> None:
        try:
            connect(store).query(
                "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1", settings={"query_id": "to-end"}
            )
        except DatabaseError as error:
            errors.append(str(error))

    thread = threading.Thread(target=long)
    thread.start()
    running = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number) = 1'"
    eventually(lambda: client.command(running) == 1)
    client.command("KILL QUERY WHERE query_id = 'to-end'")
    thread.join(10)
    assert not thread.is_alive()
    assert "394" in errors[0]
    client.close()
