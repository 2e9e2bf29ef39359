"""A team at work on a real system: repositories with commits, `dxops publish` from branches, people, promotions.

`scripts/pictures` takes its pictures of what this leaves. Everything goes the way a team's would:
git, the CLI, the API.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.harness import System

APPS = {
    "composer": "Write together.",
    "docs": "How it all works.",
    "kai": "The assistant, installable.",
    "kai-web": "The assistant, in a tab.",
    "example:app/tasks": "What is to be done.",
    "todomvc": "The smallest of them.",
}
AUTHORS = (("Ada Lovelace", "ada@example.org"), ("Mira Okafor", "mira@example.org"))
PEOPLE = (("ada", "developer"), ("mira", "developer"), ("jonas", "viewer"))
LONG = "example:app/a-name-that-nobody-would-choose-but-somebody-will-have-anyway"

BUILD = """\
import hashlib, os, pathlib, sys
name, out = sys.argv[1], pathlib.Path("out")
(out / "assets").mkdir(parents=True, exist_ok=True)
version, commit = os.environ["DX_VERSION"], os.environ.get("DX_COMMIT", "")
for part in ("index", "vendor", "worker"):
    lines = (hashlib.sha256(f"{name}{part}{n}".encode()).hexdigest() for n in range(900))
    body = f"/* {name} {part} */\\n" + "\\n".join(lines)
    if part == "index":
        body += f"\\nexport const version = {version!r}"
    digest = hashlib.sha256(body.encode()).hexdigest()[:8]
    (out / "assets" / f"{part}-{digest}.js").write_text(body)
    print(f"out/assets/{part}-{digest}.js  {len(body) / 1000:.1f} kB")
page = f"<!doctype html><meta charset=utf-8><title>{name}</title><h1>{name} {version}</h1><p>{commit[:8]}</p>"
(out / "index.html").write_text(page)
(out / "favicon.ico").write_bytes(bytes(64))
print(f"\\x1b[32mbuilt\\x1b[0m {name} {version}")
"""


class Team:
    """One repository for each app below `directory`, and the system they publish to."""

    def __init__(self, system: System, directory: Path) -> None:
        self.system = system
        self._directory = directory
        self._commits = 0
        found = system.endpoints()
        self.console_url = found["console_url"]
        headers = {"Authorization": f"Bearer {found['api_token']}"}
        self.api = httpx.Client(base_url=found["api_url"], headers=headers, timeout=30)

    def publish(self, app: str, version: str, *, command: str = "") -> subprocess.CompletedProcess[str]:
        """A commit on `main`, and `dxops publish` as CI would run it. Without `command`: the app's own build."""
        repository = self._repository(app, command)
        (repository / "CHANGES").write_text(version)
        name, mail = AUTHORS[self._commits % len(AUTHORS)]
        self._commits += 1
        self._git(repository, "add", "-A")
        self._git(
            repository, "-c", f"user.name={name}", "-c", f"user.email={mail}", "commit", "-qm", f"{app} {version}"
        )
        return self.system.try_dxops("publish", str(repository), "--version", version)

    def promote(self, app: str, origin: str, target: str) -> None:
        """`dxops promote`."""
        self.system.dxops("promote", app, origin, target)

    def add_people(self) -> None:
        """A developer twice, a viewer, and a token for CI."""
        for name, role in PEOPLE:
            self._post("/people", {"name": name, "role": role, "email": f"{name}@example.org"})
        self._post("/tokens", {"name": "CI of composer", "scopes": ["read", "publish"], "apps": ["composer"]})

    def release_again(self, app: str, count: int) -> None:
        """`count` more releases in dev, of content that is there already."""
        live = self.api.get(f"/apps/{app}/releases", params={"environment": "dev", "limit": 1}).json()["items"][0]
        for number in range(count):
            body = {"environment": "dev", "cid": live["cid"], "version": f"2.0.{number}"}
            self._post(f"/apps/{app}/releases", body)

    def links(self) -> dict[tuple[str, str], list[bool]]:
        """Whether each live app's links answered at the last check."""
        found: dict[tuple[str, str], list[bool]] = {}
        for check in self.api.get("/links").json()["items"]:
            found.setdefault((check["app"], check["environment"]), []).append(check["ok"])
        return found

    def _post(self, path: str, body: dict[str, object]) -> None:
        answer = self.api.post(path, json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:300]}"

    def _repository(self, app: str, command: str) -> Path:
        repository = self._directory / app.replace(":", "-").replace("/", "-")
        if not repository.exists():
            repository.mkdir(parents=True)
            self._git(repository, "init", "-q", "-b", "main")
            (repository / ".gitignore").write_text("out/\n")
            (repository / "build.py").write_text(BUILD)
        description = json.dumps(APPS.get(app, "An app."))
        build = command or f"python3 build.py {app}"
        (repository / "dx.yml").write_text(
            f"package:\n  modules:\n    - name: {app}\n      type: dxos:type/app\n      description: {description}\n"
            f"      build:\n        command: {build}\n        outdir: out\n"
        )
        return repository

    @staticmethod
    def _git(repository: Path, *arguments: str) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        subprocess.run(["git", *arguments], cwd=repository, check=True, env=environment, capture_output=True)


def work(team: Team) -> Iterator[str]:
    """A few days' work in a minute; says what was done, as it is done."""
    team.add_people()
    yield "people"
    for place, app in enumerate(APPS):
        for build in range(1, 4 if place < 3 else 3):
            done = team.publish(app, f"1.{place}.{build}")
            assert done.returncode == 0, done.stderr
            yield f"{app} 1.{place}.{build}"
            if build == 1 and app != "todomvc":
                team.promote(app, "dev", "staging")
                if place < 4:
                    team.promote(app, "staging", "prod")
            if build == 2 and place < 3:
                team.promote(app, "dev", "staging")
    team.promote("composer", "staging", "prod")
    team.system.dxops("rollback", "composer", "prod")
    yield "rolled composer back in prod"
    failed = team.publish("docs", "1.1.4", command="python3 -c raise(SystemExit(7))")
    assert failed.returncode == 1
    yield "a build of docs that fails"
