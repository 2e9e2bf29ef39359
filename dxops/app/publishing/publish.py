"""The flow of `dxops publish`: build and upload app by app, release, go on past those that fail, sum up."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from dxops.app.client import ApiClient
from dxops.app.publishing.build import build_variables, run_build, secrets_in
from dxops.app.publishing.dot_files import DotFiles
from dxops.app.publishing.find import output_directory
from dxops.app.publishing.git import Checkout
from dxops.app.publishing.run_log import RunLog
from dxops.app.publishing.screen import Screen
from dxops.app.publishing.upload import Uploaded, upload
from dxops.base.errors import DxopsError
from dxops.wire.dxyml import Module


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command was asked for."""

    environment: str
    version: str | None = None
    skip_existing: bool = False
    build: bool = True
    dot_files: bool = False


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The modules of one `dx.yml`: released together."""

    place: Path
    modules: tuple[Module, ...]


class AppResult(msgspec.Struct, kw_only=True):
    """What became of one app. `status` is `released`, `skipped`, `superseded` or `failed`."""

    app: str
    status: str = "failed"
    version: str | None = None
    cid: str | None = None
    release: str | None = None
    urls: list[str] = []
    files: int | None = None
    size_bytes: int | None = None
    sent_bytes: int | None = None
    duration_s: float | None = None
    error: str | None = None
    warnings: list[str] = []


class Publishing:
    """One publish run. Holds the run's log open; `close` finishes the run on the server."""

    def __init__(
        self, client: ApiClient, screen: Screen, options: Options, checkout: Checkout, apps: Sequence[str]
    ) -> None:
        self._client = client
        self._screen = screen
        self._options = options
        self._checkout = checkout
        self._expected = len(apps)
        facts = {"commit": checkout.commit, "branch": checkout.branch, "author": checkout.author}
        self._facts = {name: value for name, value in facts.items() if value}
        body = {"environment": options.environment, "apps": list(apps), "via": "cli"} | self._facts
        self.run_id: str = client.post("/runs", body)["id"]
        self._log = RunLog(client, self.run_id)

    def publish(self, group: Group) -> list[AppResult]:
        """Build, upload and release the modules of one file. Those that fail are left out, the others are released
        together. Never raises an expected error: it is in the result."""
        results = {module.name: AppResult(app=module.name) for module in group.modules}
        ready: dict[str, dict[str, Any]] = {}
        for module in group.modules:
            started = time.monotonic()
            try:
                uploaded = self._make(group.place, module, results[module.name])
            except DxopsError as error:
                self._failed(results[module.name], error)
                continue
            result = results[module.name]
            result.sent_bytes = uploaded.sent_bytes
            result.duration_s = round(time.monotonic() - started, 3)
            ready[module.name] = self._module(module, uploaded, result.duration_s)
        self._release(ready, results)
        return list(results.values())

    def fault(self, app: str, error: DxopsError) -> AppResult:
        """An app that could not even be read."""
        result = AppResult(app=app)
        self._failed(result, error)
        return result

    def close(self, results: Sequence[AppResult]) -> None:
        """Finish the run with its summary. A run whose end could not be told is given up by the server later."""
        failed = [result.app for result in results if result.status == "failed"]
        total = max(len(results), self._expected)
        summary = f"{len(results) - len(failed)} of {total} apps published to {self._options.environment}"
        summary += f"; failed: {', '.join(failed)}" if failed else ""
        self._log.tell(summary)
        self._log.close()
        if self._log.trouble:
            self._screen.line(f"the run's log is not complete: {self._log.trouble}")
        whole = results and not failed and len(results) >= self._expected  # fewer: interrupted
        status = "succeeded" if whole else "failed"
        try:
            self._client.post(f"/runs/{self.run_id}/finish", {"status": status, "summary": summary})
        except DxopsError as error:
            self._screen.line(f"the run could not be finished: {error.message}")

    def _make(self, place: Path, module: Module, result: AppResult) -> Uploaded:
        settings: Mapping[str, str] = self._client.get(
            f"/apps/{quote(module.name, safe='')}/build-settings", environment=self._options.environment
        )["env"]
        self._log.hide(secrets_in(settings))
        if self._options.build:
            self._say(f"{module.name}: building", module.name)
            variables = build_variables(module, settings, self._checkout, self._options.version, os.environ)
            run_build(module, place, variables, lambda stream, line: self._built(module.name, stream, line))
        output = output_directory(place, module)
        self._say(f"{module.name}: uploading {output}", module.name)
        dot_files = DotFiles(self._options.dot_files or module.build.dotfiles)
        uploaded = upload(self._client, output, dot_files, self._screen.progress)
        result.warnings = dot_files.warnings()
        files = "1 file" if uploaded.files == 1 else f"{uploaded.files:,} files"
        self._say(
            f"{module.name}: {files}, {size(uploaded.size_bytes)}, {size(uploaded.sent_bytes)} sent: {uploaded.cid}",
            module.name,
        )
        return uploaded

    def _module(self, module: Module, uploaded: Uploaded, duration_s: float) -> dict[str, Any]:
        version = self._options.version or module.build.version
        return {
            "name": module.name,
            "cid": uploaded.cid,
            "version": version,
            "record": module.record,
            "duration_s": duration_s,
            "tunnel": module.tunnel,
        }

    def _release(self, ready: Mapping[str, Mapping[str, Any]], results: Mapping[str, AppResult]) -> None:
        if not ready:
            return
        self._screen.stage(f"releasing {', '.join(ready)}")
        body = {
            "environment": self._options.environment,
            "modules": list(ready.values()),
            "skip_existing": self._options.skip_existing,
            "source": {"via": "cli", "run": self.run_id} | self._facts,
        }
        try:
            outcomes = self._client.post("/publish", body)["modules"]
        except DxopsError as error:
            if len(ready) > 1:  # one of them is at fault: the others need not wait for it
                for name, module in ready.items():
                    self._release({name: module}, results)
            else:
                self._failed(results[next(iter(ready))], error)
            return
        for outcome in outcomes:
            self._released(results[outcome["release"]["app"]], outcome)

    def _released(self, result: AppResult, outcome: Mapping[str, Any]) -> None:
        release = outcome["release"]
        result.status = "skipped" if outcome["skipped"] else "superseded" if outcome["superseded"] else "released"
        result.version, result.cid, result.release = release["version"], release["cid"], release["id"]
        result.files, result.size_bytes = release["files"], release["size_bytes"]
        result.urls = [*release["urls"], *([outcome["tunnel_url"]] if outcome["tunnel_url"] else [])]
        result.warnings += outcome["warnings"]
        words = {
            "skipped": "is already released, kept",
            "superseded": "is stored, but a later publish is live",
            "released": "is live",
        }
        self._say(f"{result.app}: {result.version} {words[result.status]}: {' '.join(result.urls)}", result.app)
        for warning in result.warnings:
            self._say(f"{result.app}: warning: {warning}", result.app)

    def _failed(self, result: AppResult, error: DxopsError) -> None:
        result.status, result.error = "failed", self._log.masked(error.message)
        self._screen.line(f"{result.app}: failed: {result.error}")
        self._log.tell(f"failed: {error.message}", stream="err", app=result.app)
        if error.hint:
            self._screen.line(f"  {error.hint}")

    def _built(self, app: str, stream: str, line: str) -> None:
        self._screen.line(self._log.masked(line))
        self._log.tell(line, stream=stream, app=app)

    def _say(self, text: str, app: str) -> None:
        self._screen.stage(text)
        self._log.tell(text, app=app)


def size(count: int) -> str:
    """`1.4 MB`."""
    value = float(count)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
