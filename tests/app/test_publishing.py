"""`dxops publish` on the publisher's machine: files, git, builds, logs, and the flow against a server that is told
what to answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from dxops.app.client import ApiClient
from dxops.app.publishing import publish as flow
from dxops.app.publishing.build import build_variables, run_build, secrets_in
from dxops.app.publishing.dot_files import DotFiles
from dxops.app.publishing.find import find_files, output_directory, read_file
from dxops.app.publishing.git import Checkout, environment_for, read_checkout
from dxops.app.publishing.publish import Group, Options, Publishing
from dxops.app.publishing.run_log import RunLog
from dxops.app.publishing.screen import Screen
from dxops.app.publishing.upload import Uploaded
from dxops.base.errors import DxopsError, Missing, Refused
from dxops.wire.dxyml import Build, Module, parse_dxyml

ENVIRONMENTS = [{"name": "prod", "branch": "production"}, {"name": "dev", "branch": "main"}]


def git(place: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(place), *identity, *arguments], check=True, capture_output=True)


def module(name: str, *command: str, **build: Any) -> Module:
    line = " ".join(command) if command else None
    return Module(name=name, line=1, build=Build(command=line, **build), record={"name": name})


# --- files ------------------------------------------------------------------------------------------------------


def test_a_directory_s_own_file_wins_else_every_one_below(tmp_path: Path) -> None:
    for place in ("apps/kai", "apps/docs/deep", "node_modules/x", ".hidden", "apps/kai/inner"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "dx.yml").write_text("modules: [{name: a}]")
    found = [str(path.relative_to(tmp_path)) for path in find_files(tmp_path)]
    assert found == ["apps/docs/deep/dx.yml", "apps/kai/dx.yml"]
    assert find_files(tmp_path / "apps/kai") == [tmp_path / "apps/kai/dx.yml"]
    with pytest.raises(Missing):
        find_files(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Missing, match=r"no dx\.yml"):
        find_files(tmp_path / "empty")


def test_the_output_is_found_by_the_rule_of_the_older_cli(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not exist"):
        output_directory(tmp_path, module("kai"))
    (tmp_path / "out").mkdir()
    assert output_directory(tmp_path, module("example:app/tasks")) == tmp_path / "out"
    (tmp_path / "out/example/app/tasks").mkdir(parents=True)
    assert output_directory(tmp_path, module("example:app/tasks")) == tmp_path / "out/example/app/tasks"
    (tmp_path / "dist").mkdir()
    assert output_directory(tmp_path, module("kai", outdir="dist")) == tmp_path / "dist"
    with pytest.raises(Refused):
        output_directory(tmp_path, module("kai", outdir="nope"))


# --- git --------------------------------------------------------------------------------------------------------


def test_git_tells_commit_branch_and_author(tmp_path: Path) -> None:
    assert read_checkout(tmp_path, {}) == Checkout()
    git(tmp_path, "init", "-b", "main")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    found = read_checkout(tmp_path, {"GITHUB_REF_NAME": "staging"})
    assert (found.branch, found.author, found.dirty) == ("main", "Ada", False)
    assert found.commit is not None
    assert len(found.commit) == 40
    (tmp_path / "a").write_text("2")
    assert read_checkout(tmp_path, {}).dirty
    git(tmp_path, "checkout", "--detach", "--force")
    assert read_checkout(tmp_path, {}).branch is None
    assert read_checkout(tmp_path, {"GITHUB_REF_NAME": "staging", "GITHUB_REF_TYPE": "branch"}).branch == "staging"
    assert read_checkout(tmp_path, {"GITHUB_REF_NAME": "v1.0", "GITHUB_REF_TYPE": "tag"}).branch is None
    assert read_checkout(tmp_path, {"CIRCLE_BRANCH": "production"}).branch == "production"


def test_a_branch_names_the_environment_or_says_what_would() -> None:
    assert environment_for("production", ENVIRONMENTS) == "prod"
    with pytest.raises(Refused, match="belongs to no environment") as refused:
        environment_for("feature/x", ENVIRONMENTS)
    assert "main → dev" in (refused.value.hint or "")
    with pytest.raises(Refused, match="no git branch"):
        environment_for(None, ENVIRONMENTS)


# --- builds -----------------------------------------------------------------------------------------------------


def test_a_build_s_variables_in_their_order() -> None:
    made = build_variables(
        module("kai", env={"A": "module", "B": "module"}, version="1.0"),
        {"B": "server", "DX_ENVIRONMENT": "production"},
        Checkout(commit="abc", branch="main"),
        None,
        {"A": "process", "PATH": "/bin"},
    )
    assert made == {
        "A": "module",
        "B": "server",
        "PATH": "/bin",
        "CONFIG_DYNAMIC": "true",
        "DX_APP": "kai",
        "DX_COMMIT": "abc",
        "DX_BRANCH": "main",
        "DX_VERSION": "1.0",
        "DX_ENVIRONMENT": "production",
    }


def test_a_build_runs_without_a_shell_and_streams_both_outputs(tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text(
        "import os, sys\nprint(os.environ['X'], sys.argv[1:])\nprint('to err', file=sys.stderr)\n"
    )
    told: list[tuple[str, str]] = []
    command = [sys.executable, "build.py", "$HOME;", "a&&b"]
    run_build(module("kai", *command), tmp_path, {"X": "1"}, lambda stream, line: told.append((stream, line)))
    assert sorted(told) == [("err", "to err\n"), ("out", "1 ['$HOME;', 'a&&b']\n")]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ([sys.executable, "-c", "raise(SystemExit(3))"], "exited 3"),
        ([sys.executable, "-c", "import(os)"], "exited 1"),
        (["./no-such-tool"], "cannot be started"),
        ([sys.executable, "-c", "__import__('os').abort()"], "SIGABRT"),
    ],
)
def test_a_build_that_fails_says_how(tmp_path: Path, command: list[str], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        run_build(module("kai", *command), tmp_path, os.environ, lambda _stream, _line: None)


class NoServer:
    """An `ApiClient` as far as a log needs one: keeps what is sent."""

    def __init__(self) -> None:
        self.lines: list[dict[str, str]] = []

    def post(self, path: str, body: dict[str, list[dict[str, str]]]) -> None:
        self.lines += body["lines"]


def test_a_secret_between_colours_is_masked() -> None:
    server = NoServer()
    log = RunLog(cast(ApiClient, server), "run_x")
    log.hide(["http://key@sentry.example/7"])
    log.tell("\x1b[32mto http://key@sentry.example/7\x1b[39m")
    log.tell("to \x1b[1mhttp://\x1b[36mkey\x1b[22m@sentry.example/7\x1b[39m.")
    log.tell("to http://key@\x00sentry.example/7")
    log.close()
    assert [line["text"] for line in server.lines] == ["\x1b[32mto ***\x1b[39m", "to ***.", "to ***"]


def test_only_sensitive_values_are_masked() -> None:
    settings = {
        "DX_SENTRY_DESTINATION": "http://k@s/1",
        "DX_ENVIRONMENT": "production",
        "API_KEY": "abc",
        "A_TOKEN": "t0ken0",
    }
    assert secrets_in(settings) == ["http://k@s/1", "t0ken0"]


# --- the flow ---------------------------------------------------------------------------------------------------


class Server:
    """Answers as the API does. `refuse` names an app whose release is refused."""

    def __init__(self, refuse: str | None = None) -> None:
        self.refuse = refuse
        self.lines: list[str] = []
        self.published: list[list[str]] = []
        self.finished: dict[str, Any] = {}
        self.bodies: list[dict[str, Any]] = []

    def get(self, path: str, **query: Any) -> Any:
        assert path.endswith("/build-settings"), path
        return {"env": {"DX_ENVIRONMENT": "development", "API_KEY": "s3cret-value"}}

    def post(self, path: str, body: Any) -> Any:
        if path == "/runs":
            return {"id": "run_1"}
        if path == "/runs/run_1/log":
            self.lines += [line["text"] for line in body["lines"]]
            return {"last": len(self.lines)}
        if path == "/runs/run_1/finish":
            self.finished = body
            return {}
        names = [item["name"] for item in body["modules"]]
        if self.refuse in names:
            raise Refused(f"{self.refuse} is not complete")
        self.published.append(names)
        self.bodies.append(body)
        return {
            "modules": [
                {"release": self.release(i), "skipped": False, "superseded": False, "warnings": [], "tunnel_url": None}
                for i in body["modules"]
            ]
        }

    def release(self, item: dict[str, Any]) -> dict[str, Any]:
        return {
            "app": item["name"],
            "version": item["version"] or "c0ffee",
            "cid": item["cid"],
            "id": "rel_1",
            "urls": ["http://x"],
            "files": 1,
            "size_bytes": 2,
        }


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    seen: list[Path] = []

    def upload(client: object, directory: Path, dot_files: DotFiles, progress: Callable[[int, int], None]) -> Uploaded:
        seen.append(directory)
        progress(1, 2)
        return Uploaded(cid=f"bafy{directory.name}", files=1, size_bytes=2, sent_bytes=2)

    monkeypatch.setattr(flow, "upload", upload)
    return seen


def run_flow(server: Server, tmp_path: Path, text: str, **options: Any) -> list[flow.AppResult]:
    modules = parse_dxyml(text.encode()).modules
    checkout = Checkout(commit="c0ffee", branch="main", author="Ada")
    with Screen() as screen:
        made = Publishing(
            server,  # type: ignore[arg-type]
            screen,
            Options(environment="dev", **options),
            checkout,
            [found.name for found in modules],
        )
        results = made.publish(Group(place=tmp_path, modules=modules))
        made.close(results)
    return results


def dx_yml(**commands: str) -> str:
    blocks = [
        f"  - name: {name}\n    build:\n      command: {sys.executable} {name}.py\n      outdir: {name}\n"
        for name in commands
    ]
    return "modules:\n" + "".join(blocks)


def scripts(tmp_path: Path, **sources: str) -> str:
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
        (tmp_path / name).mkdir()
    return dx_yml(**sources)


def test_all_apps_of_a_file_are_released_together(
    tmp_path: Path, uploads: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    server = Server()
    text = scripts(tmp_path, kai="import os; print('key', os.environ['API_KEY'])", docs="print('built docs')")
    results = run_flow(server, tmp_path, text, version="2.0")
    assert [(r.app, r.status, r.version, r.cid) for r in results] == [
        ("kai", "released", "2.0", "bafykai"),
        ("docs", "released", "2.0", "bafydocs"),
    ]
    assert server.published == [["kai", "docs"]]
    source = server.bodies[0]["source"]
    assert source == {"via": "cli", "run": "run_1", "commit": "c0ffee", "branch": "main", "author": "Ada"}
    assert "built docs\n" in server.lines
    assert "key ***\n" in server.lines
    assert not any("s3cret" in line for line in server.lines)
    assert "s3cret" not in capfd.readouterr().err
    assert server.finished["status"] == "succeeded"


def test_an_app_that_fails_does_not_stop_the_others(tmp_path: Path, uploads: list[Path]) -> None:
    server = Server()
    text = scripts(tmp_path, bad="raise SystemExit(7)", good="print('ok')")
    bad, good = run_flow(server, tmp_path, text)
    assert (bad.status, bad.error) == ("failed", "bad: the build exited 7")
    assert (good.status, server.published) == ("released", [["good"]])
    assert server.finished == {"status": "failed", "summary": "1 of 2 apps published to dev; failed: bad"}


def test_a_refused_app_does_not_stop_the_others(tmp_path: Path, uploads: list[Path]) -> None:
    server = Server(refuse="bad")
    text = scripts(tmp_path, good="", bad="", fine="")
    results = {result.app: result.status for result in run_flow(server, tmp_path, text)}
    assert results == {"good": "released", "bad": "failed", "fine": "released"}


def test_no_build_takes_the_output_that_is_there(tmp_path: Path, uploads: list[Path]) -> None:
    server = Server()
    text = scripts(tmp_path, kai="raise SystemExit('must not run')")
    [result] = run_flow(server, tmp_path, text, build=False)
    assert result.status == "released"
    assert uploads == [tmp_path / "kai"]


def test_a_server_that_loses_the_log_does_not_stop_the_publish(tmp_path: Path, uploads: list[Path]) -> None:
    class Deaf(Server):
        def post(self, path: str, body: Any) -> Any:
            if path.endswith("/log"):
                raise DxopsError("no log today")
            return super().post(path, body)

    server = Deaf()
    [result] = run_flow(server, tmp_path, scripts(tmp_path, kai="print(1)"))
    assert result.status == "released"
    assert server.finished["status"] == "succeeded"


def test_the_bundled_app_s_file_is_sound() -> None:
    root = Path(__file__).parents[2] / "apps" / "hello"
    found = read_file(root / "dx.yml")
    assert [item.name for item in found.modules] == ["hello"]
    assert found.warnings == ()
