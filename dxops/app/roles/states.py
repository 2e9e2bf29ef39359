"""The port `Roles` on the supervisor's status file."""

from __future__ import annotations

import asyncio
import os

from dxops.app.data import DataDirectory
from dxops.app.supervisor.status import SystemRecord, read_status
from dxops.base.clock import SystemClock
from dxops.base.ports import RoleState


class SupervisedRoles:
    """What the supervisor last wrote. Without one (`dxops run` under systemd), this process speaks for itself."""

    def __init__(self, data: DataDirectory, name: str = "this process") -> None:
        self._data = data
        self._name = name
        self._born = SystemClock().now()

    async def states(self) -> dict[str, RoleState]:
        """By role, in order of start."""
        record = await asyncio.to_thread(read_status, self._data.status, self._data.lock)
        if record is None:
            return {self._name: RoleState(status="healthy", since=self._born, pid=os.getpid())}
        return states_of(record)


def states_of(record: SystemRecord) -> dict[str, RoleState]:
    """The roles of a status file, as the port tells them."""
    return {
        name: RoleState(status=role.status, since=role.since, pid=role.pid, restarts=role.restarts, detail=role.detail)
        for name, role in record.roles.items()
    }
