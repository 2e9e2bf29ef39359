"""`dxops publish` as a function: read the files, choose the environment, publish, show what became of it."""

from __future__ import annotations

from pathlib import Path

from dxops.app.client import open_client
from dxops.app.context import put_json, say, table
from dxops.app.data import DataDirectory
from dxops.app.publishing.find import find_files, read_file
from dxops.app.publishing.git import environment_for, read_checkout
from dxops.app.publishing.publish import AppResult, Group, Options, Publishing
from dxops.app.publishing.screen import Screen
from dxops.base.errors import DxopsError, Refused


def publish(
    data: DataDirectory,
    directory: Path,
    *,
    env: str | None,
    version: str | None,
    skip_existing: bool,
    build: bool,
    dot_files: bool,
    apps: list[str],
    as_json: bool,
) -> bool:
    """True if every app was published. Raises an error only where nothing could be tried."""
    place = directory.absolute()
    groups, faults = _read(find_files(place), apps)
    checkout = read_checkout(place)
    with open_client(data) as client, Screen() as screen:
        environment = env or environment_for(checkout.branch, client.get("/environments")["items"])
        options = Options(
            environment=environment, version=version, skip_existing=skip_existing, build=build, dot_files=dot_files
        )
        names = [module.name for group in groups for module in group.modules]
        publishing = Publishing(client, screen, options, checkout, names)
        results: list[AppResult] = []
        try:
            results += [publishing.fault(str(path), error) for path, error in faults]
            for group in groups:
                results += publishing.publish(group)
        finally:
            publishing.close(results)
    if as_json:
        put_json({"run": publishing.run_id, "environment": environment, "apps": results})
    else:
        rows = [
            [r.app, r.status, r.version or "-", r.cid or "-", r.urls[0] if r.urls else r.error or ""] for r in results
        ]
        table(rows, ["app", "status", "version", "cid", "url or reason"])
    return bool(results) and all(result.status != "failed" for result in results)


def _read(files: list[Path], wanted: list[str]) -> tuple[list[Group], list[tuple[Path, DxopsError]]]:
    """The modules by file, and the files that are faulty. Raises `Refused` for a wanted app that no file names, and
    for two files that name one app."""
    groups: list[Group] = []
    faults: list[tuple[Path, DxopsError]] = []
    named: dict[str, Path] = {}
    for path in files:
        try:
            found = read_file(path)
        except DxopsError as error:
            faults.append((path, error))
            continue
        for warning in found.warnings:
            say(f"{path}: warning: {warning}")
        for module in found.modules:
            if module.name in named:
                raise Refused(f"{path} and {named[module.name]} both name the app '{module.name}'")
            named[module.name] = path
        modules = tuple(module for module in found.modules if not wanted or module.name in wanted)
        if modules:
            groups.append(Group(place=path.parent, modules=modules))
    unknown = [name for name in wanted if name not in named]
    if unknown:
        raise Refused(f"no dx.yml names {', '.join(unknown)}", hint=f"found: {', '.join(sorted(named)) or 'none'}")
    return groups, faults
