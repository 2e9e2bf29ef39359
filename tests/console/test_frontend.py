"""The pure parts of the console's TypeScript, under Node's own test runner."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.client  # starts Node

ROOT = Path(__file__).parents[2]


def node() -> Path:
    """The Node that builds the console."""
    loader = importlib.machinery.SourceFileLoader("build_console", str(ROOT / "scripts/build-console"))
    spec = importlib.util.spec_from_loader("build_console", loader)
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    return Path(script.find_node()[0])


def test_the_pure_parts_of_the_log_explorer() -> None:
    tests = sorted(str(path) for path in (Path(__file__).parent / "frontend").glob("*.test.ts"))
    assert len(tests) >= 3
    command = [str(node()), "--experimental-strip-types", "--no-warnings", "--test", "--test-reporter=tap", *tests]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "TZ": "America/New_York"}
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "# fail 0" in done.stdout
