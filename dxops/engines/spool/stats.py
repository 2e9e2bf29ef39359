"""How a spool is doing, for any process to read: from its files alone."""

from __future__ import annotations

import contextlib

import msgspec

from dxops.engines.spool.disk import Disk, Machine, read_whole, write_whole
from dxops.engines.spool.doubt import Refusal, read_refusal
from dxops.engines.spool.frames import NO_SEGMENT
from dxops.engines.spool.identity import list_streams, read_id
from dxops.engines.spool.ledger import Amount
from dxops.engines.spool.model import (
    ConsumerState,
    Mark,
    Position,
    SpoolPaths,
    decode_mark,
    decode_state,
    encode_state,
    failed,
    is_name,
)
from dxops.engines.spool.quarantine import QuarantineCounts, read_counts
from dxops.engines.spool.reader import StreamReader
from dxops.engines.spool.slots import EMPTY, Slots, read_slots


class TenantStats(msgspec.Struct, frozen=True):
    """One tenant in one stream, since the stream began. `on_disk` is what lies in segments now, loaded or not: a
    segment goes as a whole. `refused` and `held` count requests."""

    received: Amount = Amount()
    on_disk: Amount = Amount()
    refused: int = 0
    held: int = 0


class WriterSnapshot(msgspec.Struct, frozen=True):
    """What only the writer knows."""

    tenants: dict[str, TenantStats] = {}


class ConsumerStats(msgspec.Struct, frozen=True, kw_only=True):
    """`received = loaded + quarantined + lost + pending` for a consumer that began with the oldest record.

    `quarantined` counts all there ever were, `in_quarantine` those that are there now. `oldest_pending_s` is how long
    the next record waits, None when none does.
    """

    name: str
    loaded: int
    loaded_bytes: int
    pending: int
    quarantined: int
    in_quarantine: int
    quarantine_dropped: int
    lost: int
    oldest_pending_s: float | None
    updated_at_ms: int
    refusal: Refusal | None = None


class StreamStats(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, counted since it began. `disk_bytes` is what its segments take now. What the writer knows (`refused`,
    `held`, `tenants`) is up to a second old."""

    stream: str
    received: int
    received_bytes: int
    refused: int
    held: int
    disk_bytes: int
    tenants: dict[str, TenantStats]
    consumers: tuple[ConsumerStats, ...]


async def read_stats(machine: Machine, root: str) -> list[StreamStats]:
    """Every stream of the spool in `root`, by name; none where there is no spool. Raises `SpoolFailed`."""

    def read() -> list[StreamStats]:
        spool_id = read_id(machine.disk, root) or ""
        return [_stream(machine, root, name, spool_id) for name in sorted(list_streams(machine.disk, root))]

    try:
        return await machine.runner.run(read)
    except OSError as error:
        raise failed(error, f"the spool in {root} cannot be read") from error


def consumer_states(disk: Disk, paths: SpoolPaths) -> dict[str, ConsumerState]:
    """What the consumers' files say. One that cannot be read counts as one that has read nothing."""
    found: dict[str, ConsumerState] = {}
    for name in disk.names(paths.consumers):
        if is_name(name):
            with contextlib.suppress(IsADirectoryError):  # somebody's, no consumer
                found[name] = decode_state(read_slots(disk, f"{paths.consumers}/{name}")) or ConsumerState()
    return found


def make_spares(disk: Disk, paths: SpoolPaths) -> None:
    """Files that the first consumer makes its own of, where the disk is full by the time that it begins. Blocks."""
    if not any(is_name(name) for name in disk.names(paths.consumers)):
        with contextlib.suppress(OSError):
            for spare in (paths.spare_place, paths.spare_seen):
                write_whole(disk, spare, EMPTY)


def write_seen(disk: Disk, paths: SpoolPaths, name: str, state: ConsumerState, *, spare: str = "") -> None:
    """Durable, before segments go: the place that lets them go may itself not be durable yet, and a power loss must not
    take the consumer back to where nothing is any more. `spare`: see `Slots.renew`. Blocks; raises `OSError`."""
    slots = Slots(disk, f"{paths.consumers}/{name}.seen")
    try:
        slots.read()
        slots.write(encode_state(state), sync=True)  # in place: a full disk must not keep segments from going
    except OSError:
        slots.renew(encode_state(state), spare=spare)
    finally:
        slots.close()


def read_seen(disk: Disk, paths: SpoolPaths, name: str) -> ConsumerState | None:
    """The consumer's place as the writer last acted on it."""
    return decode_state(read_slots(disk, f"{paths.consumers}/{name}.seen"))


def read_snapshot(disk: Disk, paths: SpoolPaths) -> WriterSnapshot:
    data = read_whole(disk, f"{paths.directory}/writer.json")
    try:
        return msgspec.json.decode(data, type=WriterSnapshot) if data else WriterSnapshot()
    except (msgspec.DecodeError, msgspec.ValidationError):
        return WriterSnapshot()


def write_snapshot(disk: Disk, paths: SpoolPaths, snapshot: WriterSnapshot) -> None:
    with contextlib.suppress(OSError):
        write_whole(disk, f"{paths.directory}/writer.json", msgspec.json.encode(snapshot), durable=False)


def _stream(machine: Machine, root: str, name: str, spool_id: str) -> StreamStats:
    disk, paths = machine.disk, SpoolPaths(root, name)
    mark = decode_mark(read_slots(disk, paths.mark)) or Mark(NO_SEGMENT, 0, 0, 0, 0)
    snapshot = read_snapshot(disk, paths)
    reader = StreamReader(disk, root, name, spool_id)
    try:
        consumers = tuple(
            _consumer(
                consumer,
                state,
                mark,
                read_counts(machine, f"{paths.quarantine}/{consumer}"),
                _oldest_s(machine, reader, state.position, mark),
                read_refusal(disk, paths, consumer),
            )
            for consumer, state in sorted(consumer_states(disk, paths).items())
        )
    finally:
        reader.close()
    return StreamStats(
        stream=name,
        received=mark.records,
        received_bytes=mark.payload_bytes,
        refused=sum(tenant.refused for tenant in snapshot.tenants.values()),
        held=sum(tenant.held for tenant in snapshot.tenants.values()),
        disk_bytes=_disk_bytes(disk, paths),
        tenants=snapshot.tenants,
        consumers=consumers,
    )


def _consumer(
    name: str,
    state: ConsumerState,
    mark: Mark,
    counts: QuarantineCounts,
    oldest_s: float | None,
    refusal: Refusal | None,
) -> ConsumerStats:
    return ConsumerStats(
        name=name,
        loaded=state.loaded,
        loaded_bytes=state.loaded_bytes,
        pending=max(0, mark.records - state.position.passed),
        quarantined=state.quarantined,
        in_quarantine=counts.present,
        quarantine_dropped=counts.dropped,
        lost=state.lost,
        oldest_pending_s=oldest_s,
        updated_at_ms=state.updated_at_ms,
        refusal=refusal,
    )


def _oldest_s(machine: Machine, reader: StreamReader, at: Position, mark: Mark) -> float | None:
    if mark.segment == NO_SEGMENT:
        return None
    received_at_ms = reader.oldest_received_at_ms(at, mark)
    return None if received_at_ms is None else max(0.0, (machine.now_ms() - received_at_ms) / 1000)


def _disk_bytes(disk: Disk, paths: SpoolPaths) -> int:
    total = 0
    for name in disk.names(paths.directory):
        if name.endswith(".seg"):
            with contextlib.suppress(FileNotFoundError):
                file = disk.open(paths.segment(name), "read")
                total += file.size()
                file.close()
    return total
