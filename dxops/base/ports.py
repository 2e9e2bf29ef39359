"""Where rooms meet. A room that needs another takes one of these as an argument; `app/` joins them.

CIDs cross these seams as text (base58 for v0, base32 for v1), never as bytes. `tx` is an open SQLAlchemy transaction:
what is done with it happens if and only if that transaction commits.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from dxops.base.actors import Actor, Scope

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


# --- accounts ---------------------------------------------------------------------------------------------------


class Audit(Protocol):
    """The audit log."""

    async def record(
        self,
        tx: AsyncConnection,
        actor: Actor,
        action: str,
        subject: str,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Append `actor` did `action` (`release.promoted`) to `subject` (`hello@prod`). No secrets in `detail`."""
        ...


class Authenticator(Protocol):
    """Credentials to actors."""

    async def token(self, secret: str, *, ip: str | None = None) -> Actor:
        """The actor of an access token. Raises `Unauthenticated` for unknown, expired or revoked ones."""
        ...


class TokenIssuer(Protocol):
    """New access tokens for those who proved who they are in another way."""

    async def issue(self, actor: Actor, name: str, scopes: frozenset[Scope], *, expires_at: datetime) -> str:
        """The secret of a new token of dxops' own, limited to `scopes`; written to the audit log as `actor`'s deed."""
        ...


# --- content ----------------------------------------------------------------------------------------------------


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A finished import. `size_bytes` is file content, `dag_bytes` the blocks; `profile` as in `content.md`."""

    cid: str
    profile: str
    files: int
    size_bytes: int
    dag_bytes: int


class TreeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a UnixFS tree. `path` is relative, `/`-separated, without leading slash; "" is the root.

    `kind` is `file`, `directory` or `symlink`; `target` is set for symlinks; `size_bytes` is the file's content.
    """

    path: str
    kind: str
    cid: str
    size_bytes: int
    target: str | None = None


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a whole DAG is held. `missing` names at most the first 20 absent blocks."""

    blocks: int
    dag_bytes: int
    missing: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.missing


class Content(Protocol):
    """Blocks and trees. All blocks a call stores are durable before it returns."""

    async def check(self, root: str) -> Completeness:
        """Walk the DAG below `root`. Also freshens every block seen, so that a collection that runs now spares them."""
        ...

    async def holes(self, roots: Sequence[str]) -> list[str]:
        """The first absent or damaged blocks of the DAGs below `roots`, at most 20; of files only the inner blocks are
        read. Freshens nothing: for what is held already, and much cheaper than `check`."""
        ...

    async def hold(self, tx: AsyncConnection, root: str, owner: str, *, until: datetime | None = None) -> None:
        """Keep the DAG below `root` for `owner` (`release:rel_…`), until then or until dropped. Idempotent."""
        ...

    async def drop(self, tx: AsyncConnection, root: str, owner: str) -> None:
        """End `owner`'s hold. Others' holds stay. Idempotent."""
        ...

    async def abandon(self, tx: AsyncConnection, root: str) -> None:
        """Drop the holds that uploads made on `root` (Kubo `add` with `pin=true`): its publish was refused."""
        ...

    def tree(self, root: str) -> AsyncIterator[TreeEntry]:
        """Every entry below `root`, root first, a directory before its children, names in byte order.

        Raises `Missing` for an absent block, `Refused` for a node that is not UnixFS.
        """
        ...

    def read(self, cid: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """A UnixFS file's bytes, verified block by block. Raises `Missing` or `Refused` as `tree`."""
        ...

    async def read_bytes(self, cid: str, limit_bytes: int) -> bytes:
        """The whole file. Raises `TooLarge` past `limit_bytes`."""
        ...

    async def store(self, data: bytes) -> str:
        """Store one file (profile `v1-256k`), unheld, and return its CID. Callers hold what they keep."""
        ...

    async def store_many(self, items: Sequence[bytes]) -> list[str]:
        """`store` for several, durable together."""
        ...

    async def store_node(self, node: Mapping[str, object], links: Sequence[str]) -> str:
        """Store a dag-cbor block: `node` with `links` kept as real CID links under the key `links`."""
        ...

    async def read_node(self, cid: str) -> tuple[dict[str, object], list[str]]:
        """What `store_node` stored: the node without `links`, and the links."""
        ...

    async def missing(self, cids: Sequence[str]) -> list[str]:
        """Those of `cids` whose block is not held, in order. At most 100,000 a call."""
        ...

    async def import_car(self, chunks: AsyncIterable[bytes]) -> list[str]:
        """Verify and store the blocks of a CARv1 stream; its roots. Raises `Refused` at a bad block; keeps nothing
        reachable then."""
        ...


# --- origin -----------------------------------------------------------------------------------------------------


class ReleasedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a release as it will be served."""

    path: str
    cid: str
    size_bytes: int
    content_type: str


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A tree made ready to serve: its manifest names every file, its type and its compressed variants.

    `warnings` are for the publisher: a `_redirects` or `_headers` line that cannot be used, a missing index.
    """

    manifest: str
    files: int
    size_bytes: int
    prepared_bytes: int
    warnings: tuple[str, ...] = ()


class Preparer(Protocol):
    """Makes trees servable."""

    async def prepare(self, root: str) -> Prepared:
        """Types and compressed variants of every file below `root`, stored, with their manifest. Holds nothing: the
        caller holds `manifest` (a hold on it keeps files and variants). The same root gives the same manifest."""
        ...

    async def files(self, manifest: str) -> list[ReleasedFile]:
        """The files of a manifest, by path."""
        ...


# --- delivery ---------------------------------------------------------------------------------------------------


class LiveSite(msgspec.Struct, frozen=True, kw_only=True):
    """What one (app, environment) serves now.

    `generation` grows with each flip of that pair. `previous` are the manifests whose files still answer for pages
    that were loaded before the flip, newest first.
    """

    app: str
    environment: str
    release_id: str
    version: str
    cid: str
    manifest: str
    generation: int
    released_at: datetime
    previous: tuple[str, ...] = ()


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What a `Host` header means. `via` is `edge`, `origin`, `local` (`<app>.localhost`) or `kube` (app is None)."""

    name: str
    via: str
    environment: str
    app: str | None


class SiteTable(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the app hosts need, as one value: hosts by lower-case name without port, sites by (app, env)."""

    hosts: dict[str, Host]
    sites: dict[tuple[str, str], LiveSite]


class Sites(Protocol):
    """The pointers, as serving processes see them."""

    async def table(self) -> SiteTable:
        """The current table. Raises `Unavailable` while PostgreSQL is away: keep serving the one you have."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yields once at once, then after every flip (within milliseconds) and every reconnection. Never ends by
        itself, never raises: it retries with back-off."""
        ...


class PublishModule(msgspec.Struct, frozen=True, kw_only=True):
    """One module of a publish: the app's name as written (`example:app/tasks`), its bundle and what it says of itself.

    `record` is the module as camelCase JSON (`displayName`, `type`, `tags`, `build`, …) without the bundle. `tunnel`
    asks for a public address besides.
    """

    name: str
    cid: str
    version: str | None
    record: dict[str, object]
    tunnel: bool = False


class PublishedModule(msgspec.Struct, frozen=True, kw_only=True):
    """A module's live release in one environment. `skipped` when `skip_existing` kept the stored one.
    `urls` of a publish end with the tunnel's, where there is one."""

    name: str
    app: str
    cid: str
    version: str
    urls: tuple[str, ...]
    record: dict[str, object]
    skipped: bool = False


class Publisher(Protocol):
    """The publish use cases, as the dx RPC sees them."""

    async def publish_modules(
        self, actor: Actor, environment: str, modules: Sequence[PublishModule], *, skip_existing: bool
    ) -> list[PublishedModule]:
        """All modules or none. Raises `Refused`, `Forbidden`, `Conflict`; a refusal changes nothing and abandons the
        uploaded bundles."""
        ...

    async def list_modules(self, environment: str) -> list[PublishedModule]:
        """The live modules, by name."""
        ...

    async def reset_modules(self, actor: Actor, environment: str) -> int:
        """Take every module of the environment offline (releases and history stay); how many there were."""
        ...


# --- kube -------------------------------------------------------------------------------------------------------


class Tunnels(Protocol):
    """Public addresses for apps."""

    async def enable(self, actor: Actor, environment: str, app: str) -> str | None:
        """Turn the tunnel of an app (its host label) on; its public URL as soon as the configured command says it, None
        where there is no command or it says none in time."""
        ...


# --- app --------------------------------------------------------------------------------------------------------


class RoleState(msgspec.Struct, frozen=True, kw_only=True):
    """One of our processes. `status` is `healthy`, `starting`, `stalled`, `backoff`, `stopping` or `stopped`; `since`
    is when it began, `detail` why it is so, in words."""

    status: str
    since: datetime
    pid: int | None = None
    restarts: int = 0
    detail: str | None = None


class Roles(Protocol):
    """The processes of this installation, as their supervisor sees them."""

    async def states(self) -> dict[str, RoleState]:
        """By role, in order of start. Does not touch PostgreSQL: it must answer when nothing else does."""
        ...
