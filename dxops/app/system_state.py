"""The roles as their supervisor sees them, and what the files tell of spool and disks: for `dxops status`."""

from __future__ import annotations

import contextlib

import msgspec

from dxops.app.data import DataDirectory
from dxops.app.disks import store_disk
from dxops.app.roles.states import states_of
from dxops.app.spool_view import read_state
from dxops.app.supervisor.status import RoleRecord, SystemRecord
from dxops.app.troubles import DEGRADED, troubles_of, with_troubles
from dxops.base.clock import SystemClock
from dxops.base.errors import DxopsError
from dxops.base.trouble import Trouble
from dxops.engines.spool import this_machine
from dxops.rooms.logs.config import DROP_OLDEST


class SystemState(msgspec.Struct, frozen=True, kw_only=True):
    """Roles, `degraded` ones among them, and why; the worst first."""

    roles: dict[str, RoleRecord]
    troubles: tuple[Trouble, ...]

    @property
    def degraded(self) -> bool:
        """Whether something is refused or stands still."""
        return any(role.status == DEGRADED for role in self.roles.values())


async def with_disks_and_spool(data: DataDirectory, record: SystemRecord) -> SystemState:
    """Needs no role to answer. A spool that cannot be read is left out: its role says so."""
    settings = data.settings()
    found: tuple[Trouble, ...] = ()
    with contextlib.suppress(DxopsError):
        space = await store_disk(data, settings, None)
        state = await read_state(this_machine(1), data, settings, states_of(record), SystemClock().now(), space)
        found = troubles_of(state, drops_oldest=settings.logs.when_full == DROP_OLDEST)
    roles = {}
    for name, state_now in with_troubles(states_of(record), found).items():
        before = record.roles[name]
        roles[name] = msgspec.structs.replace(before, status=state_now.status, detail=state_now.detail)
    return SystemState(roles=roles, troubles=found)
