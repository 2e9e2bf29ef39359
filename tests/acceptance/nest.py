"""Where foreign clients run: a network of their own with nothing but loopback, names of ours, trees from npm.

The 2023 CLI calls three services at home with every command; in a nest it reaches nobody but the node under test.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

JS = Path(__file__).parent / "js"
KUBE_HOSTS = ("kube.dxos.localhost", "staging.kube.dxos.localhost", "dev.kube.dxos.localhost")

_ENTER = """
set -e
ip link set lo up
mount --bind "$1" /etc/hosts
echo ready
exec sleep 3600
"""


def npm_tree(name: str) -> Path:
    """`node_modules` of `js/<name>/package-lock.json`, installed once per lock file into a cache, scripts not run.

    Skips the test where npm is missing or the packages cannot be fetched.
    """
    if shutil.which("npm") is None:
        pytest.skip("npm is needed to install the client")
    lock = (JS / name / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("DXOPS_TEST_CACHE") or Path.home() / ".cache" / "dxops-tests")
    tree = cache / f"{name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (tree / "done").exists():
            shutil.rmtree(tree, ignore_errors=True)
            tree.mkdir()
            for file in ("package.json", "package-lock.json"):
                shutil.copy(JS / name / file, tree / file)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=900, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            (tree / "done").touch()
    return tree / "node_modules"


class Nest:
    """A network and mount namespace. `run` and `start` execute inside it."""

    def __init__(self, holder: subprocess.Popen[str], prefix: Sequence[str]) -> None:
        self._holder = holder
        self.prefix = list(prefix)

    def run(
        self, *command: str, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end, whatever the exit status. stdin is empty: the CLI reads it first."""
        place = [] if cwd is None else ["env", "-C", str(cwd)]  # nsenter starts at the namespace's root
        return subprocess.run(
            [*self.prefix, *place, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=env,
            timeout=timeout,
            check=False,
        )

    @contextmanager
    def start(self, *command: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """Run beside the test, from the line `ready` on, and end it."""
        process = subprocess.Popen(
            [*self.prefix, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=env
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def nest() -> Iterator[Nest]:
    """A fresh one. Skips the test where this machine gives none."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are needed to keep the client off the network")
    root = os.geteuid() == 0
    with tempfile.NamedTemporaryFile("w", prefix="dxops-hosts-", delete=False) as hosts:
        hosts.write("127.0.0.1 localhost\n::1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in KUBE_HOSTS))
    Path(hosts.name).chmod(0o644)
    flags = ["-n", "-m"] if root else ["-r", "-n", "-m"]
    holder = subprocess.Popen(
        ["unshare", *flags, "bash", "-c", _ENTER, "bash", hosts.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            assert holder.stderr is not None
            pytest.skip(f"no namespace of its own on this machine: {holder.stderr.read().strip()}")
        enter = [
            "nsenter",
            "-t",
            str(holder.pid),
            *(["-n", "-m"] if root else ["-U", "--preserve-credentials", "-n", "-m"]),
        ]
        yield Nest(holder, enter)
    finally:
        holder.kill()
        holder.wait()
        Path(hosts.name).unlink()


class Dx:
    """The real CLI with a home of its own. `services` is the profile's `runtime.services`, as YAML lines."""

    def __init__(self, inside: Nest, version: str, home: Path, services: dict[str, object]) -> None:
        import yaml

        self._nest = inside
        self._bin = npm_tree(f"dx-{version}") / "@dxos" / "cli" / "bin" / "run"
        self.home = home
        state = home / ".local" / "share" / "dx"
        state.mkdir(parents=True, exist_ok=True)
        # offline it would otherwise exit 1 after a publish that worked
        for name in (".telemetry-disabled", ".telemetry-banner-printed"):
            (state / name).touch()
        self.profile = home / "profile.yml"
        storage = {"persistent": True, "path": str(home / "storage")}
        runtime = {"services": services, "client": {"storage": storage}}
        self.profile.write_text(yaml.safe_dump({"version": 1, "runtime": runtime}))

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`dx ARGUMENTS --config PROFILE`."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "DX_DISABLE_TELEMETRY": "true",
            "NODE_OPTIONS": f"--no-warnings --require {JS / 'fs-ext-shim.cjs'}",
            "COLUMNS": "400",
        }
        command = ("node", str(self._bin), *arguments, "--config", str(self.profile))
        return self._nest.run(*command, env=env, cwd=cwd)
