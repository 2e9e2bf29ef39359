"""`dxops add`, `cat`, `car export|import`, `content verify|collect|pins`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

import typer

from dxops.app.bars import Bars
from dxops.app.client import open_client
from dxops.app.context import ConfigOption, DataOption, JsonOption, choose, put, put_json, say, shows_errors, table
from dxops.base.errors import Missing, Refused, Unavailable
from dxops.rooms.content.listing import readable

_HELD_MINUTES = 60
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.05, 0.5
_PATIENCE_S = 10.0
_CHUNK = 1 << 18

PROFILES = ("v1-256k", "v0-2015", "v1-2025")


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command(epilog="Example: dxops add ./dist --profile v0-2015")(shows_errors(add))
    root.command(epilog="Example: dxops cat bafy…/index.html > index.html")(shows_errors(cat))
    car = typer.Typer(help="Content as CAR files.", no_args_is_help=True)
    car.command(name="export", epilog="Example: dxops car export bafy… site.car")(shows_errors(car_export))
    car.command(name="import", epilog="Example: dxops car import site.car")(shows_errors(car_import))
    root.add_typer(car, name="car")
    content = typer.Typer(help="The block store.", no_args_is_help=True)
    content.command(epilog="Example: dxops content verify --json")(shows_errors(verify))
    content.command(epilog="Example: dxops content collect --dry-run")(shows_errors(collect))
    content.command(name="gc", hidden=True)(shows_errors(collect))  # as Kubo calls it
    content.command(epilog="Example: dxops content pins")(shows_errors(pins))
    root.add_typer(content, name="content")


def add(
    path: Annotated[Path, typer.Argument(help="A directory or a file.")],
    profile: Annotated[str, typer.Option(help="Import parameters: v1-256k, v0-2015 or v1-2025.")] = "v1-256k",
    only_hash: Annotated[bool, typer.Option("--only-hash", help="Compute the CID, store nothing.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Include dot-files.")] = False,
    pin: Annotated[bool, typer.Option("--pin/--no-pin", help="Keep it until unpinned.")] = True,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add content; print its CID. Only blocks that the server lacks are sent."""
    from dxops.app.publishing.upload import send
    from dxops.rooms.content.upload import prepare_upload
    from dxops.wire import unixfs

    if profile not in PROFILES:
        raise Refused(f"no profile '{profile}'", field="profile", hint=f"there are {', '.join(PROFILES)}")
    if not path.exists():
        raise Missing(f"{path} does not exist")
    wanted = {"v0-2015": unixfs.V0_2015, "v1-256k": unixfs.V1_256K, "v1-2025": unixfs.V1_2025}[profile]
    with Bars() as bars:
        upload = prepare_upload(
            path, wanted, hidden=hidden, progress=lambda done, total, _: bars.show("hash", done, total)
        )
        sent = 0
        if not only_hash:
            with open_client(choose(data, config)) as client:
                sent = send(client, upload, lambda done, total: bars.show("send", done, total)).sent_bytes
                if pin:
                    client.post("/content/pins", {"cid": str(upload.root), "name": path.name})
    root = str(upload.root)
    if as_json:
        facts = {"cid": root, "profile": profile, "files": upload.files, "size_bytes": upload.size_bytes}
        put_json(facts | {"sent_bytes": sent})
    else:
        put(root)


def cat(
    what: Annotated[str, typer.Argument(metavar="CID[/PATH]", help="A file, or a path to one.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Print a file's bytes, verified block by block."""
    cid, _, path = what.removeprefix("/ipfs/").partition("/")
    with (
        open_client(choose(data, config)) as client,
        client.stream("GET", f"/content/{quote(cid, safe='')}/file", params={"path": path}) as answer,
    ):
        _copy(answer.iter_bytes(), sys.stdout.buffer)


def car_export(
    cid: Annotated[str, typer.Argument(help="The root.")],
    file: Annotated[Path | None, typer.Argument(help="Where to; stdout without.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a whole DAG as a CARv1."""
    with (
        open_client(choose(data, config)) as client,
        client.stream("GET", f"/content/{quote(cid, safe='')}/car") as answer,
    ):
        if file is None:
            _copy(answer.iter_bytes(), sys.stdout.buffer)
            return
        partial = file.with_name(f"{file.name}.part")
        with partial.open("wb") as output:
            _copy(answer.iter_bytes(), output)
        partial.replace(file)


def car_import(
    file: Annotated[Path, typer.Argument(help="A CARv1 file.")],
    pin: Annotated[bool, typer.Option("--pin/--no-pin", help="Keep its roots until unpinned.")] = True,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify and store a CARv1 file; print its roots."""
    if not file.is_file():
        raise Missing(f"{file} is not a file")
    with Bars() as bars, open_client(choose(data, config)) as client, file.open("rb") as source:
        pieces = iter(lambda: source.read(_CHUNK), b"")
        body = bars.counted("send", pieces, file.stat().st_size)
        roots = client.request("POST", "/content/car", params={"hold_minutes": _HELD_MINUTES}, content=body)["roots"]
        for root in roots if pin else ():
            client.post("/content/pins", {"cid": root, "name": file.name})
    if as_json:
        put_json({"roots": roots})
    else:
        put("\n".join(roots))


def verify(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check that every block matches its CID and every held DAG is whole. Exits 1 if not."""
    found = _upkeep("verify", data, config)["verified"]
    if as_json:
        put_json(found)
    else:
        for cid in found["corrupt"]:
            put(f"damaged\t{cid}")
        for root, missing in found["incomplete"].items():
            put(f"incomplete\t{root}\tlacks {missing}")
        say(f"{found['blocks']:,} blocks, {found['bytes']:,} bytes, {found['roots']:,} held roots")
    if found["corrupt"] or found["incomplete"]:
        raise typer.Exit(1)
    say("clean")


def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, remove nothing.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove blocks that nothing needs and whose grace period is over."""
    found = _upkeep("preview" if dry_run else "collect", data, config)["collected"]
    if as_json:
        put_json(found)
        return
    would = "would remove" if dry_run else "removed"
    say(f"{would} {found['removed_blocks']:,} blocks, {found['removed_bytes']:,} bytes; kept {found['kept_blocks']:,}")
    say(f"unneeded but within the grace period: {found['young_blocks']:,} blocks, {found['young_bytes']:,} bytes")


def _upkeep(kind: str, data: DataOption, config: ConfigOption) -> dict[str, Any]:  # Any: decoded JSON
    """Start it or join the one that runs, show how far it is, and wait for its end; the run."""
    with Bars() as bars, open_client(choose(data, config)) as client:
        run: dict[str, Any] = client.post("/content/upkeep", {"kind": kind})
        pause, waited_s = _FIRST_PAUSE_S, 0.0
        while run["state"] in ("waiting", "running"):
            told = run["progress"]
            note = f"{told['step']}: {told['blocks']:,} blocks, {readable(told['bytes'])}, {told['faults']:,} faults"
            known = run["percent"] is not None
            bars.show(kind, run["percent"] or 0, 100 if known else None, note if run["state"] == "running" else "waits")
            time.sleep(pause)
            waited_s += pause if run["state"] == "waiting" else 0
            if _PATIENCE_S <= waited_s < _PATIENCE_S + pause:
                say("no worker has taken it yet; does the role run? see `dxops status`")
            pause = min(pause * 1.5, _LAST_PAUSE_S)
            run = client.get(f"/content/upkeep/{run['id']}")
        if run["state"] == "done":
            bars.show(kind, 100, 100)
    if run["state"] == "failed":
        raise Unavailable(run["error"])
    return run


def pins(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show who keeps what."""
    with open_client(choose(data, config)) as client:
        found = list(client.pages("/content/pins"))
    if as_json:
        put_json(found)
        return
    rows = [[hold["root"], hold["owner"], hold["kind"], hold.get("until") or "", hold["name"]] for hold in found]
    table(rows, ["cid", "owner", "kind", "until", "name"])


def _copy(pieces: Iterator[bytes], output: BinaryIO) -> None:
    for piece in pieces:
        output.write(piece)
    output.flush()
