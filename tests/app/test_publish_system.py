"""`dxops publish` against a whole system: git checkout, build, upload, serve, promote, roll back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness import System, running_system

pytestmark = [pytest.mark.system, pytest.mark.database]


TUNNEL = "import sys, time; print('open at', sys.argv[1], flush=True); time.sleep(1000)"


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    tunnel = json.dumps([sys.executable, "-c", TUNNEL, f"https://{{app}}.{os.getpid()}.tunnel.example"])
    apps = '[apps.tasks]\nsentry_dsn = "http://key@sentry.example/7"\n'
    with running_system(f"{apps}[kube]\ntunnel_command = {tunnel}\n") as made:
        yield made


def page(system: System, host: str, path: str = "/") -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{system.apps_port}{path}", headers={"host": host}, trust_env=False)


def write_app(place: Path, text: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "dx.yml").write_text(
        "package:\n  modules:\n"
        f"    - name: tasks\n      build:\n        command: {sys.executable} build.py\n"
        f"    - name: example:app/notes\n      build:\n        command: {sys.executable} build.py\n"
        "    - name: broken\n      build:\n        command: ./no-such-tool\n"
    )
    (place / "build.py").write_text(
        "import os, pathlib\n"
        "out = pathlib.Path('out') / os.environ['DX_APP'].replace(':', '/')\n"
        "(out / 'sub').mkdir(parents=True, exist_ok=True)\n"
        f"(out / 'index.html').write_text('{text} ' + os.environ['DX_ENVIRONMENT'])\n"
        "(out / 'sub' / 'dsn.txt').write_text(os.environ.get('DX_SENTRY_DESTINATION', '-'))\n"
        "(out / 'big.bin').write_bytes(bytes(700_000))\n"
        "print('built', os.environ['DX_COMMIT'][:8])\n"
    )


def commit(place: Path) -> None:
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "x", "--allow-empty"]):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(place), *identity, *arguments], check=True)


def publish(system: System, place: Path, *arguments: str, status: int = 1) -> dict[str, dict[str, object]]:
    done = system.try_dxops("publish", str(place), "--json", *arguments)
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}\n{system.log_tails()}"
    return {app["app"]: app for app in json.loads(done.stdout)["apps"]}


def test_from_a_branch_to_people_and_back(system: System, tmp_path: Path) -> None:
    place = tmp_path / "repo"
    write_app(place, "one")
    commit(place)
    first = publish(system, place, "--version", "1.0.0")  # exits 1: `broken` fails, the others go on
    assert {name: app["status"] for name, app in first.items()} == {
        "tasks": "released",
        "example:app/notes": "released",
        "broken": "failed",
    }
    for host in ("tasks.dev.dxos.localhost", "tasks.dev.kube.dxos.localhost", "tasks.localhost"):
        assert page(system, host).text == "one development"
    assert page(system, "example-app-notes.dev.kube.dxos.localhost").text == "one development"
    assert page(system, "tasks.localhost", "/sub/dsn.txt").text == "http://key@sentry.example/7"
    assert len(page(system, "tasks.localhost", "/big.bin").content) == 700_000

    kept = publish(system, place, "--version", "1.0.0", "--skip-existing", "--app", "tasks", status=0)
    assert kept["tasks"]["status"] == "skipped"
    assert kept["tasks"]["sent_bytes"] == 0

    write_app(place, "two")
    second = publish(system, place, "--app", "tasks", status=0)
    assert page(system, "tasks.localhost").text == "two development"
    [newest, *_] = json.loads(system.dxops("releases", "tasks", "--json"))
    assert (newest["cid"], newest["author"], newest["branch"], newest["via"]) == (
        second["tasks"]["cid"],
        "Ada",
        "main",
        "cli",
    )

    promoted = json.loads(system.dxops("promote", "tasks", "dev", "prod", "--json"))
    assert promoted["cid"] == second["tasks"]["cid"]
    assert page(system, "tasks.dxos.localhost").text == "two development"  # the same artefact
    system.dxops("rollback", "tasks", "dev")
    assert page(system, "tasks.localhost").text == "one development"
    assert page(system, "tasks.dxos.localhost").text == "two development"

    [run, *_] = [item for item in json.loads(system.dxops("runs", "--json")) if "broken" in item["apps"]]
    assert (run["status"], run["author"]) == ("failed", "Ada")
    log = system.try_dxops("runs", run["id"], "--follow")
    assert log.returncode == 1
    assert "tasks | built" in log.stdout
    assert "sentry.example" not in log.stdout
    assert "example:app/notes" in system.dxops("releases", "example:app/notes", "--json")


def test_well_known_files_and_a_tunnel(system: System, tmp_path: Path) -> None:
    place = tmp_path / "repo"
    out = place / "out"
    (out / ".well-known" / "dx").mkdir(parents=True)
    (place / "dx.yml").write_text("modules:\n  - name: pwa\n    tunnel: true\n")
    (out / "index.html").write_text("pwa")
    (out / ".nojekyll").write_text("")
    (out / ".env").write_text("SECRET=1")
    (out / ".well-known" / "assetlinks.json").write_text('[{"relation": []}]')
    (out / ".well-known" / "apple-app-site-association").write_text('{"applinks": {}}')
    (out / ".well-known" / "dx" / "config").write_text("not mine to say")
    said = publish(system, place, "--no-build", "--env", "dev", status=0)["pwa"]
    assert page(system, "pwa.localhost", "/.well-known/assetlinks.json").json() == [{"relation": []}]
    association = page(system, "pwa.localhost", "/.well-known/apple-app-site-association")
    assert (association.json(), association.headers["content-type"]) == ({"applinks": {}}, "application/json")
    config = page(system, "pwa.localhost", "/.well-known/dx/config")
    assert "runtime" in config.json()
    for path in ("/.nojekyll", "/.env"):
        assert page(system, "pwa.localhost", path).status_code == 404
    warnings = "\n".join(said["warnings"])  # type: ignore[arg-type]
    assert "left out: .nojekyll;" in warnings
    assert "always are: .env" in warnings
    assert "the host itself answers" in warnings
    public = f"https://pwa.{os.getpid()}.tunnel.example"
    assert said["urls"][-1] == public  # type: ignore[index]

    kept = publish(system, place, "--no-build", "--env", "dev", "--dotfiles", status=0)["pwa"]
    assert page(system, "pwa.localhost", "/.nojekyll").status_code == 200
    assert page(system, "pwa.localhost", "/.env").status_code == 404
    assert kept["urls"][-1] == public  # type: ignore[index]


def test_a_branch_without_environment_says_so(system: System, tmp_path: Path) -> None:
    place = tmp_path / "repo"
    write_app(place, "x")
    commit(place)
    subprocess.run(["git", "-C", str(place), "checkout", "-q", "-b", "feature/x"], check=True)
    done = system.try_dxops("publish", str(place))
    assert done.returncode == 1
    assert "feature/x" in done.stderr
    assert "--env" in done.stderr
