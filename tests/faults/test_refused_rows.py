"""A store that refuses certain rows for a reason that is on no list: neighbours are loaded, the row is put aside."""

from __future__ import annotations

import asyncio
from array import array
from pathlib import Path

import pytest

from dxops.engines.clickhouse.client import connected
from dxops.engines.clickhouse.migrate import migrate
from dxops.engines.spool import Consumer, Loader, Patience, Quarantine, Spool, this_machine
from dxops.rooms.logs.sink import CONSUMER, STREAM, LogSink
from dxops.wire.logs.frame import LogFrame, decode_frame, encode_frame
from tests.engines.spool.driving import QUICK
from tests.engines.store_process import StoreProcess

pytestmark = [pytest.mark.fault, pytest.mark.system]

_NOW_MS = 1_790_000_000_000
_EACH = 50


def frame(documents: list[bytes]) -> list[bytes]:
    return encode_frame(
        LogFrame(indices=("app",), times_ms=array("q", [_NOW_MS] * len(documents)), documents=documents)
    )


async def test_a_row_against_a_constraint_goes_into_quarantine_alone(tmp_path: Path) -> None:
    root, machine = str(tmp_path / "spool"), this_machine()
    store = StoreProcess(tmp_path)
    await asyncio.to_thread(store.start)
    try:
        async with connected(f"http://dxops:{store.password()}@127.0.0.1:{store.port}/dxops") as client:
            await migrate(client)
            await client.execute("ALTER TABLE log_events ADD CONSTRAINT polite CHECK message NOT LIKE '%damn%'")
            spool = await Spool.open(root)
            documents = [b'{"message":"line %d"}' % number for number in range(_EACH)]
            documents[33] = b'{"message":"damn"}'
            await spool.append(STREAM, frame(documents), records=_EACH)
            consumer = await Consumer.open(machine, root, STREAM, CONSUMER)
            patience = Patience(tries=3, for_s=1.0, alone_tries=2)
            loader = Loader(machine, consumer, LogSink(client), QUICK, most_pause_s=0.3, patience=patience)
            loading = asyncio.create_task(loader.run())
            try:
                async with asyncio.timeout(60):
                    await spool.loaded(STREAM, _EACH - 1, consumer=CONSUMER)
            finally:
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)
                await consumer.close()
                await spool.close()
            (record,) = await Quarantine(machine, root, STREAM, CONSUMER).records()
            ((count, different),) = (await client.query("SELECT count(), uniqExact(seq) FROM log_events")).rows
            ((sized,),) = (await client.query("SELECT sum(documents) FROM log_sizes")).rows
    finally:
        store.kill()
    assert (record.seq, decode_frame(record.data).documents) == (33, [documents[33]])
    assert "clickhouse_469" in record.reason
    assert (count, different, sized) == (_EACH - 1, _EACH - 1, _EACH - 1)
