"""The catalogue as a process has it: read from PostgreSQL, told of changes, kept as a file for when PostgreSQL is away.

Changes go through PostgreSQL, one at a time, and are refused while it is away. Streams that documents come for are
different: they are here at once and written there when that is possible, so that taking documents needs nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from dxops.base.errors import Unavailable
from dxops.base.files import write_atomic
from dxops.engines.postgres.plain import PlainDatabase, Transaction
from dxops.rooms.logs import repo
from dxops.rooms.logs.catalog import EMPTY, Catalog, Definition, Stream
from dxops.rooms.logs.describing import Moment, created_by_write
from dxops.rooms.logs.naming import naming_of, write_target
from dxops.rooms.logs.pipelines import IndexPipelines
from dxops.rooms.logs.settings import DEFAULT_PIPELINE, FINAL_PIPELINE, text_of
from dxops.rooms.logs.templates import applied
from dxops.wire.elastic.errors import ElasticRefused, dumps
from dxops.wire.elastic.ingest.pipeline import Pipeline, read_pipeline
from dxops.wire.elastic.names import Known

log = logging.getLogger(__name__)

CATALOG_CHANGED: Final = repo.CATALOG_CHANGED
_GATHER_S: Final = 0.5
_RETRY_S: Final = 2.0
_AT_ONCE: Final = 1000  # new streams that one batch may register; the rest is registered by the next
_MAX_RETRY_S: Final = 30.0


class Record(Protocol):
    """The audit log, for whoever acts now."""

    async def __call__(self, tx: Transaction, action: str, subject: str) -> None: ...


class Registry:
    """One per process. `watch` must run as a task. `snapshot` is the file; None: this process can do without one.

    Implements the port `Pipelines`.
    """

    def __init__(
        self,
        database: PlainDatabase,
        now_ms: Callable[[], int],
        uuid: Callable[[], str],
        snapshot: Path | None = None,
        record: Record | None = None,
    ) -> None:
        self._record = record
        self._database = database
        self._now_ms = now_ms
        self._uuid = uuid
        self._snapshot = snapshot
        self._stored = _read_snapshot(snapshot)
        self._catalog = self._stored
        self._pending: dict[str, Stream] = {}
        self._seen = asyncio.Event()
        self._changing = asyncio.Lock()
        self._unsaved: Catalog | None = None
        self._saving: asyncio.Task[None] | None = None
        self._compiled: dict[str, tuple[Definition, Pipeline | None]] = {}
        self._of_index: dict[str, IndexPipelines] = {}

    @property
    def catalog(self) -> Catalog:
        """As this process knows it now."""
        return self._catalog

    def moment(self) -> Moment:
        """What changes need from outside."""
        return Moment(self._now_ms(), self._uuid)

    def see(self, names: Iterable[str]) -> None:
        """Documents come for these streams. Those that nobody made are there from now on."""
        catalog = self._catalog
        fresh = [name for name in names if name not in catalog.streams and name not in catalog.aliases][:_AT_ONCE]
        if not fresh:
            return
        try:
            self._catalog = created_by_write(catalog, fresh, self.moment())
        except ElasticRefused as error:  # too many: they are searched all the same, as the store knows them
            log.warning(error.message)
            return
        self._pending |= {name: self._catalog.streams[name] for name in fresh}
        self._forget(fresh)
        self._seen.set()

    async def change(self, how: Callable[[Catalog], Catalog], *, deed: str = "", of: str = "") -> Catalog:
        """Make a change durable and known everywhere; the catalogue after it. `how` gets the newest one, may be called
        more than once, and raises what it refuses. `deed` (`index.created`) of `of` goes into the audit log in the same
        transaction. Raises `Unavailable` while PostgreSQL is away."""
        async with self._changing:  # what was seen must not be written down again beside its deletion
            async with self._database.begin() as tx:
                revision = await repo.revision(tx, lock=True)
                before = self._stored if revision == self._stored.revision else await repo.load(tx, revision)
                pending = dict(self._pending)
                seen = self._with(before, pending)
                after = how(seen)
                if deed and after is not seen and self._record is not None:
                    await self._record(tx, deed, of)
                saved = before if after is before else await repo.save(tx, before, after)
            for name in pending:
                self._pending.pop(name, None)
            self._keep(saved)
            return self._catalog

    async def refresh(self) -> None:
        """Read what changed elsewhere. Raises `Unavailable` while PostgreSQL is away."""
        async with self._database.begin() as tx:
            revision = await repo.revision(tx)
            if revision == self._stored.revision and revision:
                return
            newest = await repo.load(tx, revision)
        self._keep(newest)

    async def known(self) -> Known:
        """Every name, for a process that does not `watch`: as of now, or as last known while PostgreSQL is away. A data
        stream stands for itself, not for its backing indices; nothing stands behind an alias with a filter."""
        with suppress(Unavailable):
            await self.refresh()
        known = naming_of(self._catalog).known
        streams = {name: (name,) for name in known.data_streams}
        filtered = {
            alias
            for alias, behind in self._catalog.aliases.items()
            if any(options.get("filter") is not None for options in behind.values())
        }
        aliases = {name: () if name in filtered else tuple(behind) for name, behind in known.aliases.items()}
        return msgspec.structs.replace(known, indices=known.names_of_indices(), aliases=aliases, data_streams=streams)

    async def watch(self) -> None:
        """Follow what others change, and write down what was seen. Never ends by itself; cancel it."""
        await asyncio.gather(self._follow(), self.write_down())

    async def told(self) -> None:
        """For whoever listens on `CATALOG_CHANGED` anyway: something changed, or may have."""
        try:
            await self.refresh()
        except Unavailable:
            pass  # the connection that tells is lost too then, and comes back with another message
        except Exception:
            log.exception("the catalogue cannot be read; it stays as it was until the next change")

    async def _follow(self) -> None:
        async for _ in self._database.notifications([CATALOG_CHANGED]):
            await self.told()

    async def write_down(self) -> None:
        """Register what was seen, as soon as that is possible. Never ends by itself; cancel it."""
        delay = _RETRY_S
        while True:
            await self._seen.wait()
            await asyncio.sleep(_GATHER_S)
            self._seen.clear()
            try:
                await self.change(lambda catalog: catalog)
            except Exception as error:  # whoever stopped here would never register a stream again
                if not isinstance(error, Unavailable):
                    log.exception("streams that were seen cannot be registered", exc_info=error)
                self._seen.set()
                await asyncio.sleep(delay)
                delay = min(delay * 2, _MAX_RETRY_S)
            else:
                delay = _RETRY_S

    def _keep(self, catalog: Catalog) -> None:
        if catalog.revision < self._stored.revision:
            return  # an older answer that came later
        changed = catalog is not self._stored
        self._take(catalog)
        if changed and self._snapshot is not None:
            self._unsaved = catalog
            if self._saving is None or self._saving.done():
                self._saving = asyncio.create_task(self._save(self._snapshot), name="catalogue's copy")

    async def _save(self, path: Path) -> None:
        """The newest one, in a thread: it waits for the disk."""
        while self._unsaved is not None:
            catalog, self._unsaved = self._unsaved, None
            try:
                await asyncio.to_thread(_write_snapshot, path, catalog)
            except OSError as error:
                log.warning("the catalogue's copy cannot be written", extra={"reason": str(error)})

    async def close(self) -> None:
        """Wait until the copy is written."""
        if self._saving is not None:
            await self._saving

    def _take(self, stored: Catalog) -> None:
        """Stored, with what was seen and is not stored yet."""
        self._stored = stored
        self._pending = {
            name: stream
            for name, stream in self._pending.items()
            if name not in stored.streams and name not in stored.aliases
        }
        self._catalog = self._with(stored, self._pending)
        self._of_index.clear()
        self._compiled = {name: known for name, known in self._compiled.items() if name in stored.pipeline}

    def _with(self, catalog: Catalog, seen: dict[str, Stream]) -> Catalog:
        """With what was seen. Where that is too much it stays out, so that something can be deleted."""
        try:
            return created_by_write(catalog, seen, self.moment(), seen)
        except ElasticRefused as error:
            log.warning(error.message)
            return catalog

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._of_index.pop(name, None)

    def pipeline(self, name: str) -> Pipeline | None:
        """See `Pipelines`. One that cannot be read any more (a newer version wrote it) is not there."""
        definition = self._catalog.pipeline.get(name)
        if definition is None:
            return None
        known = self._compiled.get(name)
        if known is None or known[0] != definition:
            try:
                known = (definition, read_pipeline(name, definition.body))
            except ElasticRefused as error:
                log.warning("a stored pipeline cannot be used", extra={"pipeline": name, "reason": error.message})
                known = (definition, None)
            self._compiled[name] = known
        return known[1]

    def of_index(self, index: str) -> IndexPipelines:
        """See `Pipelines`."""
        known = self._of_index.get(index)
        if known is None:
            if len(self._of_index) > 10_000:
                self._of_index.clear()
            known = self._of_index[index] = pipelines_of(self._catalog, index)
        return known


def pipelines_of(catalog: Catalog, index: str) -> IndexPipelines:
    """By the settings of the stream that the name leads to, or of the templates that would make it."""
    with suppress(ElasticRefused):
        index = write_target(catalog, index)
    stream = catalog.streams.get(index)
    settings = applied(catalog, index).settings if stream is None else stream.settings
    return IndexPipelines(default=_named(settings, DEFAULT_PIPELINE), final=_named(settings, FINAL_PIPELINE))


def _named(settings: object, key: str) -> str | None:
    name = text_of(settings, key) if isinstance(settings, dict) else None
    return None if name == "_none" else name


def _write_snapshot(path: Path, catalog: Catalog) -> None:
    write_atomic(path, dumps(msgspec.to_builtins(catalog)))


def _read_snapshot(path: Path | None) -> Catalog:
    """What the file has; nothing where it is absent or damaged, which PostgreSQL mends."""
    if path is None:
        return EMPTY
    try:
        return msgspec.json.decode(path.read_bytes(), type=Catalog)
    except FileNotFoundError:
        return EMPTY
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("the catalogue's copy cannot be read", extra={"path": str(path), "reason": str(error)})
        return EMPTY
