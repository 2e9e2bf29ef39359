"""Pure decisions: names, labels, hosts, versions, environments, and where a rollback goes. No I/O, no clock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence

import msgspec

from dxops.base.errors import Refused, TooLarge
from dxops.base.ports import Host, ReleasedFile
from dxops.rooms.delivery.config import RESERVED_LABELS, AppConfig, DeliverySettings, EnvironmentConfig
from dxops.rooms.delivery.model import App, Deployment, FileChange, ModuleInput, Outcome, Reason, Release, ReleaseDiff

MAX_MODULES = 200
MAX_NAME = 200
MAX_VERSION = 128
MAX_RECORD_BYTES = 256 * 1024
_MAX_LABEL = 50  # of 63: leaves room for the collision suffix and for `-pr-<n>`
_NOT_LABEL = re.compile(r"[^a-z0-9]+")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:/-]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


# --- names ------------------------------------------------------------------------------------------------------


def check_app_name(name: str) -> str:
    """The name, unchanged. Raises `Refused` for what no console, log or path could show: empty, over 200 characters,
    control characters, blanks around it, `..` or empty path segments."""
    if not name:
        raise Refused("a module has no name", code="bad_name", field="name", hint="give each module a 'name'")
    shown = repr(name[:60])
    if len(name) > MAX_NAME:
        raise Refused(f"the name {shown}… is longer than {MAX_NAME} characters", code="bad_name", field="name")
    if not name.isprintable() or name != name.strip():
        raise Refused(f"the name {shown} has control characters or blanks around it", code="bad_name", field="name")
    if any(segment in ("", ".", "..") for segment in re.split(r"[:/\\]", name)):
        raise Refused(
            f"the name {shown} has an empty, '.' or '..' part",
            code="bad_name",
            field="name",
            hint="use a form like 'tasks' or 'example:app/tasks'",
        )
    return name


def check_modules(modules: Sequence[ModuleInput]) -> None:
    """Raises `Refused` for none, a bad name, or one that is named twice; `TooLarge` for a record over its bound."""
    if not modules:
        raise Refused("there is nothing to publish", code="no_modules", field="modules")
    if len(modules) > MAX_MODULES:
        raise TooLarge(f"at most {MAX_MODULES} modules in one publish", field="modules")
    seen = set()
    for module in modules:
        check_app_name(module.name)
        if module.name in seen:
            raise Refused(f"the module '{module.name}' is named twice", code="duplicate_module", field="modules")
        seen.add(module.name)
        if len(msgspec.json.encode(module.record)) > MAX_RECORD_BYTES:
            raise TooLarge(f"the record of '{module.name}' is over {MAX_RECORD_BYTES} bytes", field="record")


def reserved_labels(settings: DeliverySettings) -> frozenset[str]:
    """Labels that an app may never get: they mean something else in host names of this installation."""
    taken = set(RESERVED_LABELS)
    for environment in settings.environments:
        taken |= {environment.name, environment.host_label}
    # `dxos.localhost` itself would be the local host of an app labelled `dxos`
    taken.add(settings.domain.split(".", 1)[0])
    return frozenset(taken - {""})


def host_label(name: str, taken: Collection[str], reserved: Collection[str]) -> str:
    """The host label of a new app: its name as a DNS label where that is free, else with a suffix from its hash.

    `taken` are the labels of other apps. The same arguments give the same label; it is stored, so that a later app
    never changes it.
    """
    slug = _NOT_LABEL.sub("-", name.lower()).strip("-")[:_MAX_LABEL].strip("-")
    if slug and slug not in reserved and slug not in taken:
        return slug
    digest = hashlib.sha256(name.encode()).hexdigest()
    for length in range(4, 13):
        label = f"{slug or 'app'}-{digest[:length]}"
        if label not in taken and label not in reserved:
            return label
    raise Refused(f"no host name is free for '{name}'", code="no_label", hint="publish it under another name")


# --- hosts ------------------------------------------------------------------------------------------------------


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The host names of one (app, environment); `local` only in the default environment."""

    edge: str
    origin: str
    local: str | None


def addresses(label: str, environment: EnvironmentConfig, settings: DeliverySettings) -> Addresses:
    """`<app>[.<env>].<domain>`, `<app>[.<env>].kube.<domain>`, `<app>.localhost`."""
    stem = f"{label}.{environment.host_label}" if environment.host_label else label
    return Addresses(
        edge=f"{stem}.{settings.domain}",
        origin=f"{stem}.kube.{settings.domain}",
        local=f"{label}.localhost" if environment.name == settings.default_environment else None,
    )


def kube_host(environment: EnvironmentConfig, settings: DeliverySettings) -> str:
    """The host of an environment's publisher and well-knowns."""
    return f"{environment.host_label}.kube.{settings.domain}".lstrip(".")


def public_url(host: str, settings: DeliverySettings) -> str:
    """How people reach an app host: `http://composer.dxos.localhost:8080`, without a default port."""
    port = "" if settings.public_port == _DEFAULT_PORTS.get(settings.public_scheme) else f":{settings.public_port}"
    return f"{settings.public_scheme}://{host}{port}"


def local_url(host: str, settings: DeliverySettings) -> str:
    """`<app>.localhost` is always plain http on our own listener, whatever stands in front of the public hosts."""
    return f"http://{host}" if settings.local_port == 80 else f"http://{host}:{settings.local_port}"


def urls(label: str, environment: EnvironmentConfig, settings: DeliverySettings) -> tuple[str, ...]:
    """Edge, origin and, in the default environment, local."""
    at = addresses(label, environment, settings)
    found = (public_url(at.edge, settings), public_url(at.origin, settings))
    return (*found, local_url(at.local, settings)) if at.local else found


def hosts(apps: Sequence[App], settings: DeliverySettings) -> dict[str, Host]:
    """Every host name that means something, by name. Hosts of environments win over hosts of apps."""
    table: dict[str, Host] = {}

    def add(name: str, via: str, environment: str, app: str | None) -> None:
        table[name] = Host(name=name, via=via, environment=environment, app=app)

    for app in apps:
        for environment in settings.environments:
            at = addresses(app.label, environment, settings)
            add(at.edge, "edge", environment.name, app.name)
            add(at.origin, "origin", environment.name, app.name)
            if at.local:
                add(at.local, "local", environment.name, app.name)
    for environment in settings.environments:
        add(kube_host(environment, settings), "kube", environment.name, None)
    for name in ("localhost", "127.0.0.1", "[::1]"):
        add(name, "kube", settings.default_environment, None)
    return table


# --- versions and branches --------------------------------------------------------------------------------------


def version_of(declared: str | None, record: dict[str, object], commit: str | None, cid: str) -> str:
    """The version to record: the one given, else the module's `build.version`, else the short commit, else the end of
    the CID. Raises `Refused` for one that could not stand in a URL or a table."""
    build = record.get("build")
    inner = build.get("version") if isinstance(build, dict) else None
    version = declared or (str(inner) if inner else "") or (commit[:8] if commit else "") or cid[-8:]
    if len(version) > MAX_VERSION or not _VERSION.fullmatch(version):
        raise Refused(
            f"the version {version[:60]!r} is not usable",
            code="bad_version",
            field="version",
            hint=f"letters, digits and . _ + : / -, at most {MAX_VERSION}, starting with a letter or digit",
        )
    return version


def environment_of_branch(branch: str, environments: Sequence[EnvironmentConfig]) -> EnvironmentConfig | None:
    """The environment whose branch this is."""
    name = branch.removeprefix("refs/heads/")
    return next((environment for environment in environments if environment.branch == name), None)


def build_env(app: AppConfig | None, environment: EnvironmentConfig) -> dict[str, str]:
    """The variables that a build gets from `dxops.toml`; those for one environment win."""
    env = {"DX_ENVIRONMENT": environment.build_environment}
    if app is None:
        return env
    if app.sentry_dsn:
        env["DX_SENTRY_DESTINATION"] = app.sentry_dsn
    if app.segment_key:
        env["DX_TELEMETRY_API_KEY"] = app.segment_key
    return env | app.env | app.environments.get(environment.name, {})


# --- going back -------------------------------------------------------------------------------------------------


def rollback_target(history: Sequence[Deployment], kept: Collection[str]) -> str | None:
    """The release before the present one, from the deployments of one (app, environment), oldest first.

    Going back twice goes two steps back, as an undo does: a rollback removes what it undid. After a reset the target
    is what was live before it. `kept` are the releases whose content is still held; others are passed over.
    """
    stack: list[str] = []
    offline = False
    for step in history:
        if step.outcome is not Outcome.DONE:
            continue
        offline = step.to_release is None
        if step.to_release is None:
            continue
        if step.reason is Reason.ROLLBACK and step.to_release in stack:
            while stack[-1] != step.to_release:
                stack.pop()
        elif not stack or stack[-1] != step.to_release:
            stack.append(step.to_release)
    current = None if offline or not stack else stack.pop()
    return next((release for release in reversed(stack) if release in kept and release != current), None)


# --- differences ------------------------------------------------------------------------------------------------


def diff(
    old: Release, new: Release, before: Sequence[ReleasedFile], after: Sequence[ReleasedFile], limit: int
) -> ReleaseDiff:
    """What changes from `old` to `new`; at most `limit` changes are listed, all are counted."""
    was, now = {file.path: file for file in before}, {file.path: file for file in after}
    changes: list[FileChange] = []
    counts = {"added": 0, "changed": 0, "removed": 0}
    for path in sorted(was.keys() | now.keys()):
        first, second = was.get(path), now.get(path)
        if first and second and first.cid == second.cid:
            continue
        kind = "changed" if first and second else "added" if second else "removed"
        counts[kind] += 1
        if len(changes) < limit:
            changes.append(
                FileChange(
                    path=path,
                    kind=kind,
                    old_bytes=first.size_bytes if first else None,
                    new_bytes=second.size_bytes if second else None,
                    old_cid=first.cid if first else None,
                    new_cid=second.cid if second else None,
                )
            )
    return ReleaseDiff(
        old=old,
        new=new,
        changes=tuple(changes),
        unchanged=len(now) - counts["added"] - counts["changed"],
        delta_bytes=sum(file.size_bytes for file in after) - sum(file.size_bytes for file in before),
        truncated=sum(counts.values()) > len(changes),
        **counts,
    )


# --- health -----------------------------------------------------------------------------------------------------


def health_of(oks: Sequence[bool]) -> str:
    """`up`, `degraded`, `down`, or `unknown` where nothing was checked."""
    if not oks:
        return "unknown"
    return "up" if all(oks) else "degraded" if any(oks) else "down"
