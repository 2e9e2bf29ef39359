"""The real, unmodified `dx` of 2023 publishes to the whole system, inside a network of their own.

Both versions; the node reached by its kube host and by the plain address; what the CLI prints and what is served.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.nest import Dx, Nest, nest
from tests.harness import System

pytestmark = [pytest.mark.client, pytest.mark.system]

VERSIONS = ("0.1.53", "0.1.50")
FETCH = """
import json, sys, urllib.error, urllib.request
method, url, host = sys.argv[1:]
request = urllib.request.Request(url, method=method, headers={"Host": host} if host else {})
try:
    answer = urllib.request.urlopen(request, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode(errors="replace")]))
"""


class NestedSystem(System):
    """A system whose every process lives in the nest."""

    def __init__(self, directory: Path, inside: Nest) -> None:
        self.inside = inside
        super().__init__(directory)

    def try_dxops(self, *arguments: str, timeout: float = 240, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dxops.app", *arguments, "--data", str(self.data)]
        root = Path(__file__).parents[2]
        return self.inside.run("env", f"PYTHONPATH={root}", *command, timeout=timeout)

    def fetch(self, path: str, *, host: str = "", listener: str = "apps", method: str = "GET") -> tuple[int, str]:
        """(status, body) of a request made inside the nest."""
        done = self.inside.run(sys.executable, "-c", FETCH, method, f"http://{self.listen[listener]}{path}", host)
        assert done.returncode == 0, done.stderr
        status, body = json.loads(done.stdout)
        return status, body

    def registry(self, environment: str = "dev") -> dict[str, dict[str, Any]]:
        status, body = self.fetch(f"/.well-known/dx/registry?environment={environment}")
        assert status == 200, body
        return {module["name"]: module for module in json.loads(body)["modules"] if module["name"] != "hello"}


@pytest.fixture(scope="module")
def system() -> Iterator[NestedSystem]:
    directory = Path(tempfile.mkdtemp(prefix="dxops-system-"))
    directory.chmod(0o755)
    with nest() as inside:
        made = NestedSystem(directory, inside)
        try:
            made.up()
            yield made
        finally:
            made.remove()


class Project:
    """A directory with a dx.yml and its built output; `dx` runs there."""

    def __init__(self, system: NestedSystem, version: str, place: Path) -> None:
        self.system = system
        self.version = version
        self.place = place / "project"
        self.place.mkdir(parents=True)
        self.token = (system.data / "secrets" / "publisher_token").read_text().strip()

    def output(self, path: str, text: str) -> None:
        file = self.place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def modules(self, *modules: dict[str, Any]) -> None:
        made = [{"build": {"command": "true"} | module.pop("build", {}), **module} for module in modules]
        (self.place / "dx.yml").write_text(yaml.safe_dump({"version": 1, "package": {"modules": made}}))

    def dx(self, *arguments: str, at: str = "", query: str = "") -> subprocess.CompletedProcess[str]:
        port = self.system.apps_port
        base = f"ws://{at or '127.0.0.1'}:{port}/.well-known/dx"
        services = {
            "ipfs": {
                "server": f"http://{self.system.listen['kubo']}",
                "gateway": f"http://{self.system.listen['gateway']}/ipfs",
            },
            "publisher": {"server": f"{base}/deploy{query}"},
            "tunneling": {"server": f"{base}/tunnel{query}"},
        }
        home = self.place.parent / "home"
        return Dx(self.system.inside, self.version, home, services).run(*arguments, cwd=self.place)

    def publish(self, *arguments: str, at: str = "", query: str = "") -> dict[str, str]:
        """Must work; the CID that the CLI printed, by module."""
        done = self.dx("app", "publish", "--accessToken", self.token, *arguments, at=at, query=query)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.system.log_tails()}"
        assert "mismatch" not in done.stdout + done.stderr
        return dict(re.findall(r"Published module (\S+)\. IPFS cid: (\w+)", done.stdout)) | {"": done.stdout}


@pytest.fixture(params=VERSIONS)
def project(request: pytest.FixtureRequest, system: NestedSystem, tmp_path: Path) -> Project:
    return Project(system, request.param, tmp_path)


def name_of(project: Project, stem: str) -> str:
    return f"{stem}{project.version.replace('.', '')}"


def said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def test_several_modules_and_what_is_served(system: NestedSystem, project: Project) -> None:
    app, tasks = name_of(project, "kai"), f"example:app/{name_of(project, 'tasks')}"
    project.modules(
        {
            "name": app,
            "displayName": "Kai",
            "type": "dxos:type/app",
            "tags": ["a"],
            "build": {"env": {"N": 1, "S": "x"}},
        },
        {"name": tasks, "description": "tasks"},
    )
    text = f"<!doctype html><title>{app}</title>"
    project.output(f"out/{app}/index.html", text)
    project.output(f"out/{app}/img/my logo ü.svg", "<svg/>")
    project.output(f"out/{app}/big.txt", "0123456789abcdef" * 40_000)
    project.output(f"out/{tasks.replace(':', '/')}/index.html", "tasks")
    printed = project.publish("--version", "1.0.0")
    assert f"Module {app} published." in printed[""]
    assert f"Module {tasks} published." in printed[""]
    registry = system.registry()
    assert registry[app]["bundle"] == printed[app]
    assert registry[tasks]["bundle"] == printed[tasks]
    assert (registry[app]["displayName"], registry[app]["version"]) == ("Kai", "1.0.0")
    url = re.search(rf"http://({app}\.[\w.-]*localhost)", printed[""])
    assert url is not None, printed[""]
    for host in (url[1], f"{app}.dev.kube.dxos.localhost", f"{app}.dev.dxos.localhost"):
        assert system.fetch("/", host=f"{host}:{system.apps_port}") == (200, text)
    origin = f"{app}.dev.kube.dxos.localhost:{system.apps_port}"
    assert system.fetch("/img/my%20logo%20%C3%BC.svg", host=origin) == (200, "<svg/>")
    assert len(system.fetch("/big.txt", host=origin)[1]) == 640_000
    config = json.loads(system.fetch("/.well-known/dx/config", host=origin)[1])
    assert config["runtime"]["kube"]["host"] == "dev.kube.dxos.localhost"
    listed = project.dx("app", "list")
    assert listed.returncode == 0
    assert printed[app] in listed.stdout
    assert printed[tasks] in listed.stdout


@pytest.mark.parametrize("token", [None, "dxo_wrong"])
def test_a_refused_publish_changes_nothing(system: NestedSystem, project: Project, token: str | None) -> None:
    app = name_of(project, "refused")
    project.modules({"name": app})
    project.output(f"out/{app}/index.html", f"refused {token} {project.version}")
    before = system.registry()
    done = project.dx("app", "publish", *([] if token is None else ["--accessToken", token]))
    assert done.returncode == 2
    assert ("needs an access token" if token is None else "the access token is not accepted") in said(done)
    assert "--accessToken=TOKEN" in said(done) or token is not None
    assert system.registry() == before
    root = re.search(r"IPFS cid: (\w+)", done.stdout)
    assert root is not None
    # given up: no upload holds it any more
    assert system.fetch(f"/api/v0/pin/ls?arg={root[1]}", listener="kubo", method="POST")[0] == 500


def test_skip_existing_and_version(system: NestedSystem, project: Project) -> None:
    app = name_of(project, "skip")
    project.modules({"name": app, "build": {"version": "1.0.0"}})
    origin = f"{app}.dev.kube.dxos.localhost:{system.apps_port}"
    project.output(f"out/{app}/index.html", "one")
    first = project.publish()[app]
    project.output(f"out/{app}/index.html", "two")
    project.publish("--skipExisting")
    assert (system.registry()[app]["bundle"], system.fetch("/", host=origin)[1]) == (first, "one")
    second = project.publish("--skipExisting", "--version", "1.1.0")[app]
    assert (system.registry()[app]["bundle"], system.fetch("/", host=origin)[1]) == (second, "two")
    assert system.registry()[app]["version"] == "1.1.0"


def test_environments_by_host_and_by_query(system: NestedSystem, project: Project) -> None:
    app = name_of(project, "where")
    project.modules({"name": app})
    for text, at, query, environment in (
        ("by host", "staging.kube.dxos.localhost", "", "staging"),
        ("by query", "", "?environment=prod", "prod"),
    ):
        project.output(f"out/{app}/index.html", text)
        assert system.registry(environment).get(app) is None
        cid = project.publish(at=at, query=query)[app]
        assert system.registry(environment)[app]["bundle"] == cid
    label = f"{app}.staging.kube.dxos.localhost:{system.apps_port}"
    assert system.fetch("/", host=label) == (200, "by host")
    assert app not in system.registry("dev")


def test_all_modules_or_none(system: NestedSystem, project: Project) -> None:
    good, bad = name_of(project, "good"), name_of(project, "good")
    project.modules({"name": good}, {"name": bad})
    project.output(f"out/{good}/index.html", "good")
    before = system.registry()
    done = project.dx("app", "publish", "--accessToken", project.token)
    assert done.returncode == 2, said(done)
    assert good in said(done)
    assert system.registry() == before


def test_empty_missing_and_unbuilt_output(system: NestedSystem, project: Project) -> None:
    app = name_of(project, "empty")
    project.modules({"name": app, "build": {"outdir": "nothing"}})
    missing = project.dx("app", "publish", "--accessToken", project.token)
    assert missing.returncode != 0
    project.modules({"name": app, "build": {"command": "false"}})
    project.output(f"out/{app}/index.html", "never")
    failed = project.dx("app", "publish", "--accessToken", project.token)
    assert failed.returncode != 0
    assert app not in system.registry()
    (project.place / "empty").mkdir()
    project.modules({"name": app, "build": {"outdir": "empty"}})
    cid = project.publish()[app]
    assert cid == "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
    assert system.registry()[app]["bundle"] == cid


def test_tunnels(system: NestedSystem, project: Project) -> None:
    app = name_of(project, "tun")
    project.modules({"name": app, "tunnel": True})
    project.output(f"out/{app}/index.html", "tunnel")
    project.publish()
    listed = project.dx("tunnel", "list", "--json")
    assert listed.returncode == 0
    assert app in listed.stdout
    off = project.dx("tunnel", "set", "--app", app, "--disabled")
    assert off.returncode == 0, said(off)
    unknown = project.dx("tunnel", "set", "--app", "nope", "--enabled")
    assert unknown.returncode == 2
    assert "no app 'nope' in dev" in said(unknown)
