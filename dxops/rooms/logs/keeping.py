"""Keeping log streams as long as they are to be kept: settings with their estimates, and the job that removes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Final, Protocol

import msgspec

from dxops.base.actors import SYSTEM, Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Missing, Refused, Unavailable
from dxops.base.ports import Audit
from dxops.base.spooled import DiskSpace
from dxops.engines.postgres.database import Database
from dxops.rooms.logs import removing
from dxops.rooms.logs import retention_repo as repo
from dxops.rooms.logs.config import DROP_OLDEST, LogsConfig
from dxops.rooms.logs.retention import (
    GB,
    SETTING,
    Forecast,
    Limits,
    Rule,
    Usage,
    days_until_full,
    fits,
    forecast,
    oldest_days,
    removals,
    rule_of,
)
from dxops.rooms.logs.retention_repo import Removal, Setting
from dxops.rooms.logs.usages import Store, counted, partitions, usages

log = logging.getLogger(__name__)

GRACE: Final = timedelta(minutes=10)
"""A new setting removes nothing for so long: it can be taken back."""

_RUN_S: Final = 240.0
_FRESH_S: Final = 15.0
_MOST_DAYS: Final = 36_500
_MOST_PATTERN: Final = 255


class Ids(Protocol):
    """Whoever knows which ids are taken."""

    async def forget(self, stream: str, before_seq: int | None) -> int:
        """Documents with lower numbers are gone; how many ids are free again. Raises `Unavailable`."""
        ...


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, what it takes, its rule, and what that comes to."""

    usage: Usage
    rule: Rule
    forecast: Forecast


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `full_in_days` None: not by what is known now. Money is in `currency` a month; 0 for no price."""

    streams: list[Kept]
    settings: list[Setting]
    default: Limits
    removals: list[Removal]
    price_per_gb: float
    currency: str
    disk: DiskSpace | None
    full_in_days: float | None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting would do. `streams` are those that it would rule; `before` and `after` are sums over them."""

    streams: list[Kept]
    before: Forecast
    after: Forecast


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did. `dead` documents were overwritten or deleted before."""

    documents: int = 0
    days: int = 0
    dead: int = 0
    forgotten: int = 0
    unfinished: bool = False


class Keeping:
    """One per process. The job's part (`remove_expired`, `make_room`) is for the role `worker`."""

    def __init__(
        self, database: Database, audit: Audit, store: Store, ids: Ids, config: LogsConfig, clock: Clock
    ) -> None:
        self._database = database
        self._audit = audit
        self._store = store
        self._ids = ids
        self._config = config
        self._clock = clock
        self._seen: tuple[float, list[Usage]] = (float("-inf"), [])

    @property
    def default(self) -> Limits:
        """What `dxops.toml` says."""
        return Limits(
            days=self._config.keep_days or None,
            bytes=round(self._config.keep_gb * GB) if self._config.keep_gb else None,
        )

    @property
    def currency(self) -> str:
        """What money is counted in."""
        return self._config.currency

    async def overview(self, disk: DiskSpace | None = None) -> Overview:
        """Raises `Unavailable` while the store is away."""
        async with self._database.begin() as tx:
            settings, lifecycles = await repo.settings(tx), await repo.lifecycles(tx)
            gone = await repo.removals(tx, 50)
        found = await self._usages()
        rules = _rules(found, settings, lifecycles, self.default)
        now = self._clock.now()
        room = None if disk is None else disk.free_bytes - disk.least_bytes
        return Overview(
            streams=[self._kept(usage, rules[usage.stream], now) for usage in found],
            settings=settings,
            default=self.default,
            removals=gone,
            price_per_gb=self._config.price_per_gb_month,
            currency=self._config.currency,
            disk=disk,
            full_in_days=None if room is None else days_until_full(found, rules, now, room),
        )

    async def preview(self, pattern: str, limits: Limits | None) -> Preview:
        """What happens if this were set (None: if the setting of this pattern went). Raises `Refused`."""
        _check(pattern, limits)
        async with self._database.begin() as tx:
            settings, lifecycles = await repo.settings(tx), await repo.lifecycles(tx)
        found = await self._usages()
        now = self._clock.now()
        before = _rules(found, settings, lifecycles, self.default)
        others = [one for one in settings if one.pattern != pattern]
        if limits is not None:
            others.append(Setting(pattern=pattern, limits=limits, set_by="", set_at=now))
        after = _rules(found, others, lifecycles, self.default)
        concerned = [usage for usage in found if after[usage.stream] != before[usage.stream]] or [
            usage for usage in found if fits(pattern, usage.stream) and after[usage.stream].name == pattern
        ]
        then = [self._kept(usage, after[usage.stream], now) for usage in concerned]
        now_kept = [self._kept(usage, before[usage.stream], now).forecast for usage in concerned]
        return Preview(streams=then, before=_sum(now_kept), after=_sum([one.forecast for one in then]))

    async def put(self, actor: Actor, pattern: str, limits: Limits) -> Setting:
        """Set it. What goes by it goes ten minutes later. Needs the scope `operate`. Raises `Refused`."""
        actor.require(Scope.OPERATE)
        _check(pattern, limits)
        setting = Setting(pattern=pattern, limits=limits, set_by=actor.name, set_at=self._clock.now())
        async with self._database.begin() as tx:
            await repo.put_setting(tx, setting)
            await self._audit.record(tx, actor, "logs.retention_set", pattern, _said(limits))
        return setting

    async def unset(self, actor: Actor, pattern: str) -> None:
        """Take a setting back. Needs the scope `operate`. Raises `Missing`."""
        actor.require(Scope.OPERATE)
        async with self._database.begin() as tx:
            if not await repo.delete_setting(tx, pattern):
                raise Missing(f"nothing is set for '{pattern[:80]}'", hint="`GET /api/logs/retention` lists what is")
            await self._audit.record(tx, actor, "logs.retention_unset", pattern)

    # --- the job ------------------------------------------------------------------------------------------------

    async def remove_expired(self, disk: DiskSpace | None = None) -> Done:
        """Remove what is too old or too much, what was overwritten, and tell ingest. Can be cut off anywhere; ends
        after four minutes, and the next run goes on. On a `disk` that is low only what needs no room is done. Raises
        `Unavailable` while the store or PostgreSQL is away."""
        roomy = disk is None or not disk.low
        ends = self._clock.monotonic() + _RUN_S
        now = self._clock.now()
        async with self._database.begin() as tx:
            settings, lifecycles = await repo.settings(tx), await repo.lifecycles(tx)
        found, stale = await counted(self._store)
        rules = _rules(found, settings, lifecycles, self.default)
        young = {one.pattern for one in settings if one.set_at > now - GRACE}
        settled = [
            usage
            for usage in found
            if not (rules[usage.stream].source == SETTING and rules[usage.stream].name in young)
        ]
        plan = removals(settled, rules, now.date())
        done = Done()
        for day, streams in plan.items():
            if self._clock.monotonic() > ends:
                done = msgspec.structs.replace(done, unfinished=True)
                break
            if not await removing.remove_day(self._store, day, streams, rewriting=roomy):
                done = msgspec.structs.replace(done, unfinished=True)
                continue
            removed = _removed(found, day, streams, rules, now)
            await self._record(removed)
            stale.setdefault(day, []).extend(streams)
            documents = sum(one.documents for one in removed)
            done = msgspec.structs.replace(done, documents=done.documents + documents, days=done.days + 1)
        dead = forgotten = 0
        if roomy:
            if stale:
                await removing.forget_days(self._store, stale.items())
            dead, forgotten = await removing.remove_dead(self._store, now.date())
        await self._tell_ids()
        return msgspec.structs.replace(done, dead=dead, forgotten=forgotten)

    async def make_room(self, disk: DiskSpace | None) -> int:
        """Where `logs.when_full` says so and the disk is low: drop the oldest days of all streams until half as much
        again as has to be free is. How many days."""
        if self._config.when_full != DROP_OLDEST or disk is None or not disk.low:
            return 0
        found, _ = await counted(self._store)
        now = self._clock.now()
        sizes = {day: size for day, (_, size) in (await partitions(self._store)).items()}
        days = oldest_days(sizes, now.date(), disk.least_bytes * 3 // 2 - disk.free_bytes)
        for day in days:
            streams = [usage.stream for usage in found if any(one.day == day for one in usage.days)]
            removed = _removed(found, day, streams, {}, now)
            log.error(
                "the disk is full: the oldest day of all log streams is dropped (logs.when_full)",
                extra={"day": day.isoformat(), "documents": sum(one.documents for one in removed)},
            )
            await removing.drop_day(self._store, day)
            await self._record(removed)
        return len(days)

    async def _record(self, removed: Sequence[Removal]) -> None:
        if not removed:
            return
        names = [one.stream for one in removed]
        detail: dict[str, object] = {
            "day": removed[0].first_day.isoformat(),
            "documents": sum(one.documents for one in removed),
            "bytes": sum(one.bytes for one in removed),
            "why": ", ".join(sorted({one.why for one in removed}))[:300],
            "streams": ", ".join(names[:20]) + (" …" if len(names) > 20 else ""),
        }
        subject = names[0] if len(names) == 1 else f"{len(names)} streams"
        async with self._database.begin() as tx:
            await repo.add_removals(tx, removed)
            await self._audit.record(tx, SYSTEM, "logs.expired", subject, detail)
        log.info("log documents were removed", extra=detail)

    async def _tell_ids(self) -> None:
        async with self._database.begin() as tx:
            streams = await repo.untold(tx)
        for stream in streams:
            with suppress(Unavailable):  # the next run tries again
                freed = await self._ids.forget(stream, await removing.first_number(self._store, stream))
                async with self._database.begin() as tx:
                    await repo.set_told(tx, stream, freed)

    async def _usages(self) -> list[Usage]:
        now, (seen_at, found) = self._clock.monotonic(), self._seen
        if now - seen_at > _FRESH_S:
            found = await usages(self._store)
            self._seen = (now, found)
        return found

    def _kept(self, usage: Usage, rule: Rule, now: datetime) -> Kept:
        price = self._config.price_per_gb_month
        return Kept(usage=usage, rule=rule, forecast=forecast(usage, rule.limits, now, price_per_gb=price))


def _rules(
    found: Sequence[Usage], settings: Sequence[Setting], lifecycles: Mapping[str, Rule], default: Limits
) -> dict[str, Rule]:
    by_pattern = {one.pattern: one.limits for one in settings}
    return {usage.stream: rule_of(usage.stream, by_pattern, lifecycles, default) for usage in found}


def _removed(
    found: Sequence[Usage], day: date, streams: Sequence[str], rules: Mapping[str, Rule], now: datetime
) -> list[Removal]:
    wanted = set(streams)
    return [
        Removal(
            at=now,
            stream=usage.stream,
            first_day=day,
            last_day=day,
            documents=one.documents,
            bytes=one.bytes,
            why=_why(rules.get(usage.stream)),
        )
        for usage in found
        if usage.stream in wanted
        for one in usage.days
        if one.day == day
    ]


def _why(rule: Rule | None) -> str:
    if rule is None:
        return "the disk was full"
    return f"{rule.source} {rule.name}".strip()


def _sum(found: Sequence[Forecast]) -> Forecast:
    steady = [one.steady_bytes for one in found]
    money = [one.month_now for one in found]
    steady_money = [one.month_steady for one in found]
    return Forecast(
        goes_documents=sum(one.goes_documents for one in found),
        goes_bytes=sum(one.goes_bytes for one in found),
        oldest_kept=min((one.oldest_kept for one in found if one.oldest_kept is not None), default=None),
        bytes_per_day=sum(one.bytes_per_day for one in found),
        steady_bytes=None if None in steady else sum(one for one in steady if one is not None),
        month_now=None if None in money else sum(one for one in money if one is not None),
        month_steady=None if None in steady_money else sum(one for one in steady_money if one is not None),
    )


def _check(pattern: str, limits: Limits | None) -> None:
    if not pattern or len(pattern) > _MOST_PATTERN or any(ord(letter) < 33 or letter in ',"\\' for letter in pattern):
        raise Refused(
            "a pattern is a stream's name of at most 255 characters, `*` for any part of it",
            field="pattern",
            hint="set one for each stream instead of a list with commas",
        )
    if limits is None:
        return
    if limits.days is not None and not 0 <= limits.days <= _MOST_DAYS:
        raise Refused(f"days must be 0 to {_MOST_DAYS:,}", field="days", hint="leave it out to keep them all")
    for name in ("bytes", "documents"):
        value = getattr(limits, name)
        if value is not None and not 0 < value < 1 << 62:
            raise Refused(f"{name} must be above 0", field=name, hint="leave it out for no bound")


def _said(limits: Limits) -> dict[str, object]:
    return {key: value for key, value in msgspec.structs.asdict(limits).items() if value is not None} or {"keep": "all"}
