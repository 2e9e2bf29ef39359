"""What delivery knows: frozen values, as the service returns them and the API encodes them. Times are aware UTC."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Via(StrEnum):
    """The way a release came in: the dx RPC, our own CLI, the API, or the bundled app at first start."""

    DX = "dx"
    CLI = "cli"
    API = "api"
    BUNDLED = "bundled"


class Reason(StrEnum):
    """Why a pointer was moved."""

    PUBLISH = "publish"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RESET = "reset"


class Outcome(StrEnum):
    """How a deployment ended. `superseded`: a publish that arrived later had already flipped the pointer."""

    DONE = "done"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


class RunStatus(StrEnum):
    """A publish run is `running` until `finish_run`; `lost` when its client went silent."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a release comes from, as far as the publisher knows."""

    via: Via = Via.API
    commit: str | None = None
    branch: str | None = None
    author: str | None = None
    duration_s: float | None = None
    run_id: str | None = None


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An app. `name` is as written in `dx.yml` (`example:app/tasks`); `label` is its stable host label."""

    name: str
    label: str
    created_at: datetime


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable release of an app in the environment it was made for.

    `cid` is the tree's root, `manifest` the prepared form. `actor` is who published or promoted, `author` the
    commit's. `promoted_from` is the release whose content this one repeats. `retired_at`: its content was given up,
    it cannot be rolled back to. `live`: the pointer of (app, environment) names it now. `urls`: edge, origin and, in
    the default environment, `<app>.localhost`.
    """

    id: str
    app: str
    label: str
    environment: str
    version: str
    cid: str
    manifest: str
    via: Via
    actor: str
    created_at: datetime
    files: int
    size_bytes: int
    prepared_bytes: int
    urls: tuple[str, ...] = ()
    live: bool = False
    commit: str | None = None
    branch: str | None = None
    author: str | None = None
    duration_s: float | None = None
    run_id: str | None = None
    promoted_from: str | None = None
    retired_at: datetime | None = None
    record: dict[str, object] = {}


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """What (app, environment) serves. `release_id` is None when it was taken offline; `generation` grows by one with
    each flip; `arrival` orders publishes by when they arrived."""

    app: str
    environment: str
    release_id: str | None
    generation: int
    arrival: int
    changed_at: datetime


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to move a pointer. Versions and CIDs are those of the named releases, for reading.

    `message` says why a refused one was refused.
    """

    id: str
    app: str
    environment: str
    reason: Reason
    outcome: Outcome
    actor: str
    started_at: datetime
    finished_at: datetime
    generation: int | None = None
    from_release: str | None = None
    to_release: str | None = None
    from_version: str | None = None
    to_version: str | None = None
    from_cid: str | None = None
    to_cid: str | None = None
    message: str | None = None


class LinkCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The last real GET of one link. `via` is `edge` or `origin`; `status` is None when nothing answered."""

    app: str
    environment: str
    via: str
    url: str
    ok: bool
    status: int | None
    latency_ms: float
    checked_at: datetime
    error: str | None = None


class AppEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the Applications table: what an app serves in one environment.

    `release` is None when nothing is live there. `since`: the last flip. `health` is `up` (both links answer),
    `degraded` (one), `down` (none) or `unknown` (not checked since the flip); `checks` are the facts.
    """

    app: str
    environment: str
    release: Release | None
    generation: int
    since: datetime | None
    edge_url: str
    origin_url: str
    local_url: str | None
    health: str
    checks: tuple[LinkCheck, ...] = ()


class AppSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An app with its cell in every environment, in the configured order."""

    name: str
    label: str
    created_at: datetime
    environments: tuple[AppEnvironment, ...]

    def of(self, environment: str) -> AppEnvironment | None:
        """The cell of one environment."""
        return next((cell for cell in self.environments if cell.environment == environment), None)


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment with its branch, its publisher's address and the last publish into it."""

    name: str
    branch: str
    host_label: str
    dx_environment: str
    default: bool
    publisher_url: str
    apps: int
    last_publish: Deployment | None


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One path of a diff. `kind` is `added`, `changed` or `removed`; the absent side is None."""

    path: str
    kind: str
    old_bytes: int | None = None
    new_bytes: int | None = None
    old_cid: str | None = None
    new_cid: str | None = None


class ReleaseDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changes when going from release `old` to release `new`; `changes` by path, at most `MAX_CHANGES`."""

    old: Release
    new: Release
    changes: tuple[FileChange, ...]
    added: int
    changed: int
    removed: int
    unchanged: int
    delta_bytes: int
    truncated: bool = False


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One `dxops publish` (or another build) with its log. `number` counts up; `apps` are the modules' names."""

    id: str
    number: int
    environment: str
    apps: tuple[str, ...]
    status: RunStatus
    actor: str
    via: Via
    started_at: datetime
    finished_at: datetime | None = None
    commit: str | None = None
    branch: str | None = None
    author: str | None = None
    summary: str | None = None
    lines: int = 0


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a run's log. `seq` starts at 1; `stream` is `out`, `err` or `info` (ours); `text` has no newline;
    where colours were asked for, it has them as SGR sequences (`wire.sgr`) and no other control."""

    seq: int
    at: datetime
    stream: str
    text: str
    app: str | None = None


class LogText(msgspec.Struct, frozen=True, kw_only=True):
    """A line to append."""

    text: str
    stream: str = "out"
    app: str | None = None


class ModuleInput(msgspec.Struct, frozen=True, kw_only=True):
    """One module to release: an app's name, the root CID of its uploaded bundle, and what it says of itself. `tunnel`
    turns its tunnel on; false leaves it as it is."""

    name: str
    cid: str
    version: str | None = None
    record: dict[str, object] = {}
    duration_s: float | None = None
    tunnel: bool = False


class PublishOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One module's result.

    `skipped`: `skip_existing` kept the stored release, which is the one given. `superseded`: a publish that arrived
    later is live. `warnings` are of the content (a `_redirects` line that cannot be used, a missing index) or of a
    tunnel that is asked for and has no address yet; `tunnel_url` is its address.
    """

    release: Release
    skipped: bool = False
    superseded: bool = False
    warnings: tuple[str, ...] = ()
    tunnel_url: str | None = None


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server adds to a build: the environment's `DX_ENVIRONMENT` and the app's variables."""

    app: str
    environment: str
    env: dict[str, str]


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """What a retention run gave up."""

    releases: int


class Flipped(msgspec.Struct, frozen=True, kw_only=True):
    """Event: a pointer was moved, and the move is committed. `cid` is None after a reset."""

    app: str
    environment: str
    reason: Reason
    generation: int
    actor: str
    release_id: str | None
    version: str | None
    cid: str | None
    manifest: str | None
