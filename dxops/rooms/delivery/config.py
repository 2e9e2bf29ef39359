"""`[delivery]`, `[[environments]]` and `[apps.NAME]` of `dxops.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

RESERVED_LABELS = frozenset({"api", "console", "edge", "ipfs", "ipns", "kube", "localhost", "www"})
_DX_ENVIRONMENTS = {"prod": "production", "staging": "staging", "dev": "development"}
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class EnvironmentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One environment. Their order in the file is their order everywhere."""

    name: str
    """Short name, a DNS label: `prod`, `staging`, `dev`."""

    branch: str
    """The git branch whose builds belong here."""

    label: str | None = None
    """The part of the host name that stands for it; empty for the main one (`composer.dxos.org`). Default: `name`."""

    dx_environment: str = ""
    """Value of `DX_ENVIRONMENT` for builds. Default: `production`, `staging`, `development` for the usual three, else
    the name."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if not _LABEL.fullmatch(self.name):
            yield "name", "must be a DNS label of at most 32 characters: a-z, 0-9 and -"
        if self.label and not _LABEL.fullmatch(self.label):
            yield "label", "must be a DNS label of at most 32 characters, or empty"
        if self.host_label in RESERVED_LABELS:
            yield "label", f"'{self.host_label}' is reserved: it names a service of ours in host names"
        if not self.branch:
            yield "branch", "must not be empty"

    @property
    def host_label(self) -> str:
        return self.name if self.label is None else self.label

    @property
    def build_environment(self) -> str:
        """`DX_ENVIRONMENT` for builds."""
        return self.dx_environment or _DX_ENVIRONMENTS.get(self.name, self.name)


class AppConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one app."""

    env: dict[str, str] = {}
    """Variables for its builds, in every environment."""

    environments: dict[str, dict[str, str]] = {}
    """Variables for its builds in one environment: `[apps.composer.environments.prod]`."""

    sentry_dsn: str = ""
    """Given to builds as `DX_SENTRY_DESTINATION`."""

    segment_key: str = ""
    """Given to builds as `DX_TELEMETRY_API_KEY`."""


class DeliveryConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Releases."""

    keep_releases: int = 20
    """Releases kept per app and environment; older ones give up their content, their record stays."""

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.keep_releases < 1:
            yield "keep_releases", "must be at least 1"


DEFAULT_ENVIRONMENTS = (
    EnvironmentConfig(name="prod", branch="production", label="", dx_environment="production"),
    EnvironmentConfig(name="staging", branch="staging", dx_environment="staging"),
    EnvironmentConfig(name="dev", branch="main", dx_environment="development"),
)


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the service needs of `dxops.toml`, put together by the app floor."""

    domain: str
    default_environment: str
    environments: tuple[EnvironmentConfig, ...] = DEFAULT_ENVIRONMENTS
    apps: dict[str, AppConfig] = {}
    public_scheme: str = "http"
    public_port: int = 8080
    listen_apps: str = "127.0.0.1:8080"
    keep_releases: int = 20
    previous_assets_minutes: int = 60

    def environment(self, name: str) -> EnvironmentConfig | None:
        """The environment of that name."""
        return next((environment for environment in self.environments if environment.name == name), None)

    @property
    def local_port(self) -> int:
        """The port of `<app>.localhost`."""
        return int(self.listen_apps.rpartition(":")[2])
