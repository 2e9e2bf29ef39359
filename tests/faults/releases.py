"""A small app in numbered releases whose every byte tells which release it is of, and what a system serves of it."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import httpx

from tests.harness import System

APP = "victim"
HOSTS = (f"{APP}.dev.dxos.localhost", f"{APP}.dev.kube.dxos.localhost", f"{APP}.localhost")
_TEXTS = 24
_BLOB_BYTES = 700_000  # three blocks


def files_of(number: int) -> dict[str, bytes]:
    """Path to bytes of a release. No file is the same in two releases."""
    texts = {f"part/{index:02}.txt": f"{number} {index}\n".encode() * 400 for index in range(_TEXTS)}
    blob = random.Random(number).randbytes(_BLOB_BYTES)
    return {"index.html": f"<p>release {number}</p>".encode(), "blob.bin": blob} | texts


def write_release(place: Path, number: int, more: dict[str, bytes] | None = None) -> Path:
    """The directory to publish, with its `dx.yml`."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "dx.yml").write_text(f"modules:\n  - name: {APP}\n    build:\n      outdir: out\n")
    for name, data in (files_of(number) | (more or {})).items():
        path = place / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


def publish_command(place: Path, number: int) -> tuple[str, ...]:
    """The CLI's arguments."""
    return ("publish", str(place), "--no-build", "--env", "dev", "--version", f"{number}.0.0")


def start_publish(system: System, place: Path, number: int) -> subprocess.Popen[str]:
    """The same command, in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "dxops.app", *publish_command(place, number), "--data", str(system.data)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def served(system: System, host: str) -> int:
    """The number of the release that a host serves. Fails unless every file of it is served, and is of that release."""
    address = f"http://127.0.0.1:{system.apps_port}"
    headers = {"host": host, "accept-encoding": "identity"}
    with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=30) as client:
        page = client.get("/")
        assert page.status_code == 200, f"{host}: {page.status_code} {page.text[:300]}\n{system.log_tails()}"
        number = int(page.text.removeprefix("<p>release ").removesuffix("</p>"))
        for name, data in files_of(number).items():
            answer = client.get("/" if name == "index.html" else f"/{name}")
            assert (answer.status_code, answer.content == data) == (200, True), f"{host}/{name} is not of {number}"
    return number
