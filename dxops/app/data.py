"""The data directory: what lies where. Everything dxops keeps on a machine is below it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from dxops.app.settings import Settings
from dxops.base.config import load_config

_SOCKET_PATH_LIMIT = 100  # bytes; the kernel's is 108


class DataDirectory:
    """Paths below one data directory.

    `config_path` defaults to `dxops.toml` beside the directory, as CONTRACT says of `--config`.
    """

    def __init__(self, root: Path, config_path: Path | None = None) -> None:
        self.root = root.absolute()
        self.config_required = config_path is not None
        self.config_path = (config_path or self.root.parent / "dxops.toml").absolute()

    @classmethod
    def choose(cls, data: Path | None, config: Path | None) -> DataDirectory:
        """`--data`, else `$DXOPS_DATA`, else `./data`."""
        return cls(data or Path(os.environ.get("DXOPS_DATA") or "data"), config)

    def settings(self) -> Settings:
        """The checked settings. Raises `ConfigFaults` with all faults."""
        return load_config(self.config_path, Settings, required=self.config_required)

    def prepare(self) -> None:
        """Make the directories; secrets private. Idempotent."""
        self.root.mkdir(parents=True, exist_ok=True)
        for private in (self.secrets, self.tls):
            private.mkdir(mode=0o700, exist_ok=True)
            private.chmod(0o700)
        for plain in (self.logs, self.run, self.blocks):
            plain.mkdir(exist_ok=True)

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Files of the running system: status, sockets. Not `run` of PostgreSQL's sockets, which is private."""
        return self.root / "state"

    @property
    def blocks(self) -> Path:
        return self.root / "blocks"

    @property
    def spool(self) -> Path:
        """What was received and is not yet in a store."""
        return self.root / "spool"

    @property
    def lock(self) -> Path:
        return self.root / "dxops.lock"

    @property
    def status(self) -> Path:
        return self.run / "status.json"

    @property
    def notify_socket(self) -> Path:
        """Where roles tell the supervisor how they are; outside the directory if its path is too long for a socket."""
        inside = self.run / "notify.sock"
        if len(os.fsencode(inside)) <= _SOCKET_PATH_LIMIT:
            return inside
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"dxops-{os.geteuid()}-{digest}.notify"

    def secret(self, name: str) -> Path:
        """`admin_password`, `api_token`, `publisher_token`, `postgres_password`: files of mode 0600."""
        return self.secrets / name
