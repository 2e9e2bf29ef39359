"""What is wrong with the path that data takes, as rules over the spool's state; and as states of the roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from dxops.base.ports import Roles, RoleState
from dxops.base.spooled import DiskSpace, SpoolState
from dxops.base.trouble import Trouble

DEGRADED: Final = "degraded"
_MB: Final = 1_000_000
_SLOW_S: Final = 30.0
_STANDS_S: Final = 300.0
_TRIES: Final = 3
_FILLING: Final = 0.7
_FULL: Final = 0.95
_ORDER: Final = {"bad": 0, "warn": 1, "note": 2}


def troubles_of(state: SpoolState, *, drops_oldest: bool = False) -> tuple[Trouble, ...]:
    """The worst first."""
    found = [*_disks(state.disks, drops_oldest), *_spool(state)]
    return tuple(sorted(found, key=lambda one: _ORDER[one.severity]))


def _disks(disks: Mapping[str, DiskSpace], drops_oldest: bool) -> Iterable[Trouble]:
    for name, space in disks.items():
        role = "ingest" if name == "spool" else "store"
        free = f"{space.free_bytes // _MB:,} MB are free on the disk of the {name}"
        if space.low:
            yield Trouble(
                code=f"{name}_disk_low",
                severity="bad",
                role=role,
                message=f"{free}, {space.least_bytes // _MB:,} MB have to be: nothing is taken in",
                hint="the oldest days are being deleted (logs.when_full)"
                if drops_oldest and name == "store"
                else "free disk space, or keep logs for a shorter time",
                path="/system/spool" if name == "spool" else "/logs/retention",
            )
        elif space.near:
            yield Trouble(
                code=f"{name}_disk_near",
                severity="warn",
                role=role,
                message=f"{free}; below {space.least_bytes // _MB:,} MB nothing is taken in any more",
                hint="free disk space, or keep logs for a shorter time",
                path="/system/spool" if name == "spool" else "/logs/retention",
            )


def _spool(state: SpoolState) -> Iterable[Trouble]:
    totals = state.totals
    share = totals.disk_bytes / state.max_bytes if state.max_bytes else 0.0
    if share >= _FILLING and totals.pending:
        yield Trouble(
            code="spool_filling",
            severity="bad" if share >= _FULL else "warn",
            role="ingest",
            message=f"the spool is {share:.0%} full: {totals.pending:,} records wait to be loaded",
            hint=_why_behind(state),
        )
    if totals.lag_s > _SLOW_S:
        yield Trouble(
            code="loader_behind",
            severity="bad" if totals.lag_s > _STANDS_S else "warn",
            role="loader",
            message=f"what was received is not searchable for {totals.lag_s:,.0f} s: {totals.pending:,} records wait",
            hint=_why_behind(state),
        )
    for name, stream in state.streams.items():
        if (refused := stream.refused_batch) is not None and refused.tries >= _TRIES:
            yield Trouble(
                code="batch_refused",
                severity="warn",
                role="loader",
                message=f"the store refused the next {refused.records:,} records of '{name}' {refused.tries:,} times "
                f"({refused.code}): {refused.reason}",
                hint="what is still refused after some minutes goes into quarantine, if the store takes other data",
            )
    if totals.in_quarantine:
        yield Trouble(
            code="quarantine",
            severity="note",
            role="loader",
            message=f"the store refused {totals.in_quarantine:,} record{'s' if totals.in_quarantine != 1 else ''}; "
            "they are kept with the reason",
            hint="look at them, then give them back or discard them",
        )


def _why_behind(state: SpoolState) -> str:
    for role, status in (("store", state.store), ("loader", state.loader)):
        if status not in ("healthy", "elsewhere", "unknown", DEGRADED):
            return f"the role {role} is {status}: `dxops status` says why"
    return "nothing is lost; more arrives than the store takes, or it does not answer: see its log"


class TroubledRoles:
    """The port `Roles`, with what is wrong now."""

    def __init__(self, roles: Roles, now: Callable[[], Sequence[Trouble]]) -> None:
        self._roles = roles
        self._now = now

    async def states(self) -> dict[str, RoleState]:
        """By role, in order of start."""
        return with_troubles(await self._roles.states(), self._now())


def with_troubles(states: Mapping[str, RoleState], troubles: Sequence[Trouble]) -> dict[str, RoleState]:
    """A healthy role with a bad trouble is `degraded`, with the trouble as its detail."""
    found = dict(states)
    for trouble in troubles:
        state = found.get(trouble.role) or found.get("ingest")
        name = trouble.role if trouble.role in found else "ingest"
        if trouble.severity == "bad" and state is not None and state.status == "healthy":
            found[name] = msgspec.structs.replace(state, status=DEGRADED, detail=trouble.message)
    return found
