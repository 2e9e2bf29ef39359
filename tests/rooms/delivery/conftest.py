"""A `Delivery` on a real database with memory twins around it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dxops.base.actors import ROLE_SCOPES, Actor, Role
from dxops.base.clock import ManualClock
from dxops.base.events import Events
from dxops.engines.postgres.database import Database
from dxops.rooms.delivery.config import AppConfig, DeliverySettings
from dxops.rooms.delivery.service import Delivery

sys.path.insert(0, str(Path(__file__).parent))
from twins import TwinAudit, TwinContent, TwinPreparer

DEVELOPER = Actor(kind="person", id="per_1", name="dora", scopes=ROLE_SCOPES[Role.DEVELOPER])
VIEWER = Actor(kind="person", id="per_2", name="vic", scopes=ROLE_SCOPES[Role.VIEWER])


@pytest.fixture
def developer() -> Actor:
    return DEVELOPER


@pytest.fixture
def viewer() -> Actor:
    return VIEWER


@pytest.fixture
def content() -> TwinContent:
    return TwinContent()


@pytest.fixture
def audit() -> TwinAudit:
    return TwinAudit()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def settings() -> DeliverySettings:
    return DeliverySettings(
        domain="dxos.localhost",
        default_environment="dev",
        keep_releases=3,
        apps={
            "composer": AppConfig(
                sentry_dsn="http://key@sentry.example/1",
                segment_key="sk",
                env={"LOG_FILTER": "info"},
                environments={"prod": {"LOG_FILTER": "error"}},
            )
        },
    )


@pytest.fixture
def delivery(
    database: Database,
    content: TwinContent,
    audit: TwinAudit,
    settings: DeliverySettings,
    clock: ManualClock,
    events: Events,
) -> Delivery:
    return Delivery(database, content, TwinPreparer(content), audit, settings, clock, events=events)  # type: ignore[arg-type]
