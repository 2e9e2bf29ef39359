"""A console with something to show: real rooms on a real database, blocks in memory, and a story to tell.

Used by the tests of pages and by `scripts/pictures`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from litestar import Router
from litestar.types import ControllerRouterHandler

from dxops.app.listeners import Listener, Listeners
from dxops.app.settings import Settings
from dxops.app.web import make_web_app
from dxops.base.actors import ROLE_SCOPES, Actor, Role, Scope
from dxops.base.clock import Clock, ManualClock
from dxops.base.ports import RoleState
from dxops.base.trouble import Trouble
from dxops.console.house import Setting, Storage
from dxops.console.pages import routers
from dxops.engines.blocks.memory import MemoryBlocks
from dxops.engines.postgres.database import Database
from dxops.rooms.accounts.config import AccountsConfig
from dxops.rooms.accounts.passwords import Passwords
from dxops.rooms.accounts.service import Accounts
from dxops.rooms.content.config import ContentConfig
from dxops.rooms.content.model import UpkeepKind
from dxops.rooms.content.service import ContentService
from dxops.rooms.delivery import repo
from dxops.rooms.delivery.config import DeliverySettings
from dxops.rooms.delivery.model import LinkCheck, LogText, ModuleInput, RunStatus, Source, Via
from dxops.rooms.delivery.service import Delivery
from dxops.rooms.logs.config import LogsConfig
from dxops.rooms.logs.keeping import Keeping
from dxops.rooms.origin.prepare import Preparation
from dxops.wire.unixfs import V1_256K
from dxops.wire.unixfs_build import build_file
from dxops.wire.unixfs_tree import TreeBuilder
from tests.console.demo_keeping import DemoStore, NoIds
from tests.console.demo_spool import DemoSpool

PASSWORD = "correct-horse-battery"


class DemoRoles:
    """The port `Roles`."""

    def __init__(self, now: datetime) -> None:
        self.known = {
            "postgres": RoleState(status="healthy", since=now - timedelta(days=3, hours=4), pid=4101),
            "web": RoleState(status="healthy", since=now - timedelta(days=3, hours=4), pid=4133),
            "edge": RoleState(status="healthy", since=now - timedelta(hours=5), pid=9120, restarts=1),
            "worker": RoleState(status="healthy", since=now - timedelta(days=3, hours=4), pid=4137),
        }

    async def states(self) -> dict[str, RoleState]:
        return self.known


class DemoInstallation:
    """`Installation` with plain values."""

    def addresses(self) -> Mapping[str, str]:
        return {
            "console_url": "http://127.0.0.1:8000",
            "api_url": "http://127.0.0.1:8000/api",
            "apps_url": "http://127.0.0.1:8080",
            "publisher_url": "ws://dev.kube.dxos.localhost:8080/.well-known/dx/deploy",
            "kubo_api_url": "http://127.0.0.1:5001",
            "ipfs_gateway_url": "http://127.0.0.1:8888",
        }

    def configuration(self) -> Sequence[Setting]:
        return [
            Setting(key="domain", value="dxos.localhost", changed=False),
            Setting(key="default_environment", value="dev", changed=False),
            Setting(key="delivery.keep_releases", value="30", changed=True),
            Setting(key="accounts.oidc.client_secret", value="(hidden)", changed=True),
        ]

    async def storage(self) -> Sequence[Storage]:
        return [
            Storage(name="Blocks", path="data/blocks", used_bytes=4_812_000_000, free_bytes=212_000_000_000),
            Storage(name="PostgreSQL", path="data/postgres", used_bytes=86_000_000, free_bytes=212_000_000_000),
        ]


@dataclass
class DemoHouse:
    """Satisfies `dxops.app.web.House` and `dxops.console.house.ConsoleHouse`."""

    database: Database
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime.now(UTC) - timedelta(days=5.6)))
    settings: Settings = field(default_factory=Settings)
    api_routers: Sequence[Router] = ()

    def __post_init__(self) -> None:
        clock: Clock = self.clock
        self.accounts = Accounts(self.database, AccountsConfig(), clock, passwords=Passwords(memory_kib=64, passes=1))
        self.blocks = MemoryBlocks()
        self.content = ContentService(self.database, self.blocks, ContentConfig(), clock)
        settings = DeliverySettings(domain="dxos.localhost", default_environment="dev")
        self.delivery = Delivery(
            self.database, self.content, Preparation(self.content), self.accounts.audit, settings, clock
        )
        self.roles = DemoRoles(datetime.now(UTC))
        self.installation = DemoInstallation()
        self.spool = DemoSpool()
        self.store = DemoStore()
        prices = LogsConfig(price_per_gb_month=0.1, currency="EUR")
        self.keeping = Keeping(self.database, self.accounts.audit, self.store, NoIds(), prices, clock)

    def troubles(self) -> Sequence[Trouble]:
        return self.spool.troubles()

    @property
    def console_routes(self) -> Sequence[ControllerRouterHandler]:
        return routers(self)

    owner = Actor(kind="system", id="system", name="dxops", scopes=frozenset(Scope))

    def add_tree(self, files: Mapping[str, bytes]) -> str:
        """Content as an upload would bring it; its root."""
        tree = TreeBuilder(V1_256K)
        for path, body in files.items():
            link, blocks = build_file(body, V1_256K)
            self.blocks.put_many(blocks)
            tree.add_file(path.encode(), link)
        for directory in tree.finish():
            self.blocks.put_many(directory.blocks)
            root = str(directory.link.cid)
        return root

    def arrive_now(self) -> None:
        """Move the clock to the real time."""
        self.clock.advance((datetime.now(UTC) - self.clock.now()).total_seconds())


def tree(app: str, build: int) -> dict[str, bytes]:
    """The files of one build: a few change from build to build."""
    source = random.Random(f"{app}-{build}")
    files = {
        "index.html": f"<title>{app}</title><script src=/assets/index-{build:04x}.js></script>".encode(),
        f"assets/index-{build:04x}.js": source.randbytes(180_000 + 700 * build),
        f"assets/index-{build // 2:04x}.css": random.Random(f"{app}{build // 2}").randbytes(24_000),
        "assets/vendor-9f31c2.js": random.Random(app).randbytes(320_000),
        "favicon.ico": random.Random(app).randbytes(4286),
        "manifest.webmanifest": b'{"name":"%s","version":%d}' % (app.encode(), build),
    }
    return files | {f"icons/{size}.png": random.Random(f"{app}{size}").randbytes(size * 40) for size in (64, 192, 512)}


async def add_people(house: DemoHouse) -> dict[str, Actor]:
    """The owner `admin`, two developers, a viewer."""
    await house.accounts.bootstrap(PASSWORD)
    actors = {}
    for name, role in (("ada", Role.DEVELOPER), ("mira", Role.DEVELOPER), ("jonas", Role.VIEWER)):
        made = await house.accounts.people.add(
            house.owner, name, role=role, email=f"{name}@example.org", password=PASSWORD
        )
        actors[name] = Actor(kind="person", id=made.person.id, name=name, scopes=ROLE_SCOPES[role])
    return actors


async def tell_story(house: DemoHouse) -> None:
    """Five days of publishes, promotions, a rollback and a failed run."""
    actors = await add_people(house)
    ada, mira = actors["ada"], actors["mira"]
    apps = ("composer", "docs", "kai", "kai-web", "example:app/tasks", "todomvc")
    numbers = random.Random(7)
    for build in range(1, 9):
        for place, app in enumerate(apps):
            if app == "todomvc" and build > 3:
                continue
            house.clock.advance(numbers.uniform(2000, 14000))
            who, author = (ada, "Ada Lovelace") if (build + place) % 2 else (mira, "Mira Okafor")
            commit = numbers.randbytes(20).hex()
            run = await house.delivery.start_run(
                who, "dev", [app], Source(via=Via.CLI, commit=commit, branch="main", author=author)
            )
            await house.delivery.append_log(who, run.id, log_lines(app, build))
            house.clock.advance(numbers.uniform(9, 70))
            if build == 6 and app == "docs":
                await house.delivery.append_log(
                    who, run.id, [LogText(text="error: dist/ is empty after the build", stream="err", app=app)]
                )
                await house.delivery.finish_run(who, run.id, RunStatus.FAILED, "docs: the build left dist/ empty")
                continue
            await house.delivery.publish(
                who,
                "dev",
                [ModuleInput(name=app, cid=house.add_tree(tree(app, build)), version=f"0.{4 + place}.{build}")],
                Source(
                    via=Via.CLI if place != 3 else Via.DX,
                    commit=commit,
                    branch="main",
                    author=author,
                    duration_s=numbers.uniform(8, 50),
                    run_id=run.id,
                ),
            )
            await house.delivery.finish_run(
                who, run.id, RunStatus.SUCCEEDED, f"{app} 0.{4 + place}.{build} is live in dev"
            )
            if build in (3, 5, 7) and place < 5:
                house.clock.advance(1800)
                await house.delivery.promote(mira, app, "dev", "staging")
                if build != 7 and place < 4:
                    house.clock.advance(5400)
                    await house.delivery.promote(ada, app, "staging", "prod")
    house.clock.advance(7000)
    await house.delivery.rollback(ada, "kai", "prod")
    await house.accounts.tokens.create(ada, "CI of composer", [Scope.READ, Scope.PUBLISH], apps=["composer"])
    for who, kind in ((ada, UpkeepKind.VERIFY), (house.owner, UpkeepKind.COLLECT)):
        await house.content.upkeep.start(who, kind)
    await house.content.upkeep.work()
    house.arrive_now()
    house.clock.advance(-130)
    run = await house.delivery.start_run(
        ada, "dev", ["composer"], Source(via=Via.CLI, commit="5e1f" * 10, branch="main", author="Ada Lovelace")
    )
    await house.delivery.append_log(ada, run.id, log_lines("composer", 9)[:6])
    house.arrive_now()
    await put_checks(house)


async def put_checks(house: DemoHouse) -> None:
    """Both links of every live app answer, but one."""
    numbers = random.Random(3)
    found = []
    for app in await house.delivery.list_apps():
        for at in app.environments:
            if at.release is None:
                continue
            for via, url in (("edge", at.edge_url), ("origin", at.origin_url)):
                broken = app.name == "todomvc" and via == "origin"
                check = LinkCheck(
                    app=app.name,
                    environment=at.environment,
                    via=via,
                    url=url,
                    ok=not broken,
                    status=503 if broken else 200,
                    latency_ms=round(numbers.uniform(1.2, 6.5), 2),
                    checked_at=house.clock.now() - timedelta(seconds=12),
                    error="answered 503" if broken else None,
                )
                found.append((check, at.generation))
    async with house.database.begin() as tx:
        await repo.put_checks(tx, found)


def log_lines(app: str, build: int) -> list[LogText]:
    """What a build says, in colour."""
    faint, name = "\x1b[2m", "\x1b[22m\x1b[35massets/"
    said = [
        ("info", f"building {app} with: pnpm build"),
        ("out", "\x1b[36mvite v7.1.2 \x1b[32mbuilding for production...\x1b[39m"),
        ("out", f"transforming... {1200 + build * 17} modules transformed"),
        ("out", f"{faint}dist/{name}index-{build:04x}.js\x1b[39m   \x1b[1m{176 + build}.2 kB\x1b[22m, gzip 54.1 kB"),
        ("out", f"{faint}dist/{name}vendor-9f31c2.js\x1b[39m  \x1b[1m312.5 kB\x1b[22m, gzip 98.0 kB"),
        ("err", "warning: some chunks are larger than 300 kB"),
        ("out", "\x1b[32m✓ built in 6.42s\x1b[39m"),
        ("info", "importing 9 files, 548 kB"),
    ]
    return [LogText(text=text, stream=stream, app=app) for stream, text in said]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def serving(database_url: str, *, story: bool = True) -> Iterator[str]:
    """The console of a demo house on a port of its own, in a thread; its address."""
    port, ready, failed = free_port(), threading.Event(), []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        house = DemoHouse(Database(database_url, pool_size=4))
        try:
            if story:
                await tell_story(house)
            else:
                await add_people(house)
                house.arrive_now()
            listeners = Listeners([Listener("console", f"127.0.0.1:{port}", make_web_app(house), asgi=True)])
            await listeners.start()
            ready.set()
            await stop.wait()
            await listeners.stop(2)
        finally:
            await house.database.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="demo console")
    thread.start()
    ready.wait(120)
    try:
        if failed:
            raise failed[0]
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        if failed:
            raise failed[0]
