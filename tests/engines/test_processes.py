"""Telling processes apart with `/proc`, with `ps`, and with neither."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dxops.base.errors import Unavailable
from dxops.engines.postgres import embedded
from dxops.engines.postgres.processes import PROC, command_of
from tests.harness import eventually

needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps (Debian: procps)")
needs_proc = pytest.mark.skipif(not PROC.joinpath("self").exists(), reason="needs /proc")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "a marked argument"])
    yield process
    process.kill()
    process.wait()


@needs_proc
def test_by_proc(sleeper: subprocess.Popen[bytes]) -> None:
    eventually(lambda: "a marked argument" in (command_of(sleeper.pid) or ""))  # the kernel is still at its exec
    sleeper.kill()
    sleeper.wait()
    assert command_of(sleeper.pid) is None


@needs_ps
def test_by_ps(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    eventually(lambda: "a marked argument" in (command_of(sleeper.pid, proc=tmp_path / "none") or ""))
    sleeper.kill()
    sleeper.wait()
    assert command_of(sleeper.pid, proc=tmp_path / "none") is None


@pytest.mark.parametrize(
    ("ps", "reason"),
    [
        (("./no-such-ps",), "does not run"),
        (("sh", "-c", "echo 'ps: unrecognized option: p' >&2; exit 1"), "unrecognized option"),
    ],
)
def test_neither_says_why(tmp_path: Path, ps: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        command_of(os.getpid(), proc=tmp_path / "none", ps=ps)


class Leftover:
    """An embedded server that its supervisor has left behind."""

    def __init__(self, place: Path) -> None:
        self.postgres = embedded.EmbeddedPostgres(place, shared_buffers_mb=32)
        self.postgres.prepare()
        self.process = subprocess.Popen(
            [*self.postgres.command, "-c", "fsync=off"],
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            **self.postgres.popen_options,  # type: ignore[call-overload]
        )


@pytest.fixture
def leftover() -> Iterator[Leftover]:
    with tempfile.TemporaryDirectory(prefix="dxops-left-") as made:
        Path(made).chmod(0o755)
        found = Leftover(Path(made))
        while not found.postgres.is_ready(found.process.pid):
            assert found.process.poll() is None
        yield found
        found.process.kill()
        found.process.wait()


@needs_ps
@pytest.mark.database
def test_a_leftover_server_is_found_without_proc(
    leftover: Leftover, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(embedded, "command_of", functools.partial(command_of, proc=tmp_path / "none"))
    leftover.postgres.stop_leftover()
    assert leftover.process.wait(20) == 0


@pytest.mark.database
def test_a_leftover_that_cannot_be_told_is_let_be_and_said(
    leftover: Leftover, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    blind = functools.partial(command_of, proc=tmp_path / "none", ps=("./no-such-ps",))
    monkeypatch.setattr(embedded, "command_of", blind)
    leftover.postgres.stop_leftover()
    assert leftover.process.poll() is None
    assert f"cannot tell what process {leftover.process.pid} is" in caplog.text
    assert f"kill -INT {leftover.process.pid}" in caplog.text
