"""The local authority and its server certificate: files, renewal, and real clients that trust it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from dxops.app.listeners import Listener, Listeners
from dxops.app.settings import Settings
from dxops.app.tls import TlsFiles, ensure_tls, names_of
from dxops.base.config import parse_config

NAMES = names_of(Settings())


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _now() -> datetime:
    return datetime.now(UTC)


def test_files_are_made_once_and_keys_are_private(tmp_path: Path) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"ca.pem", "ca-key.pem", "server.pem", "server-key.pem"}
    for key in ("ca-key.pem", "server-key.pem"):
        assert stat.S_IMODE((tmp_path / key).stat().st_mode) == 0o600
    assert ensure_tls(tmp_path, NAMES, _now() + timedelta(days=300)) == files
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_certificate_names_this_installation_and_lives_at_most_397_days(tmp_path: Path) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    made = _certificate(files.certificate)
    held = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "*.localhost", "dxos.localhost", "*.dxos.localhost", "*.staging.kube.dxos.localhost"} <= set(
        held.get_values_for_type(x509.DNSName)
    )
    assert {str(address) for address in held.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=397)


@pytest.mark.parametrize("change", ["soon over", "other names", "lost key", "half written"])
def test_a_new_certificate_by_the_same_authority(tmp_path: Path, change: str) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    ca, old = files.ca.read_bytes(), files.certificate.read_bytes()
    names, now = list(NAMES), _now()
    if change == "soon over":
        now += timedelta(days=336)
    elif change == "other names":
        names.append("ops.dxos.localhost")
    elif change == "lost key":
        files.key.unlink()
    else:
        files.certificate.write_bytes(old[:200])
    ensure_tls(tmp_path, names, now)
    assert files.certificate.read_bytes() != old
    assert files.ca.read_bytes() == ca
    assert ensure_tls(tmp_path, names, now) == files


def test_a_name_beyond_the_authority_needs_a_new_authority(tmp_path: Path) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    ca = files.ca.read_bytes()
    ensure_tls(tmp_path, [*NAMES, "ops.example.org"], _now())
    assert files.ca.read_bytes() != ca


def test_names_follow_the_settings() -> None:
    settings = parse_config('domain = "ops.example"\n[console]\nhosts = ["console.example"]', Settings)
    assert {"ops.example", "*.kube.ops.example", "*.dev.ops.example", "console.example"} <= set(names_of(settings))


@asynccontextmanager
async def _listening(files: TlsFiles) -> AsyncIterator[int]:
    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": str(scope["scheme"]).encode()})  # type: ignore[operator]

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listener = Listener(
        "console_tls", f"127.0.0.1:{port}", app, asgi=True, certificate=files.certificate, key=files.key
    )
    listeners = Listeners([listener])
    await listeners.start()
    try:
        yield port
    finally:
        await listeners.stop(5)


async def test_httpx_trusts_the_authority_and_nothing_else_does(tmp_path: Path) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    async with _listening(files) as port:
        trusting = ssl.create_default_context(cafile=str(files.ca))
        async with httpx.AsyncClient(verify=trusting) as client:
            for host in ("localhost", "127.0.0.1"):
                assert (await client.get(f"https://{host}:{port}/")).text == "https"
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(f"https://localhost:{port}/")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(tmp_path: Path, version: ssl.TLSVersion) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    async with _listening(files) as port:
        context = ssl.create_default_context(cafile=str(files.ca))
        context.minimum_version = context.maximum_version = version
        async with httpx.AsyncClient(verify=context) as client:
            assert (await client.get(f"https://localhost:{port}/")).status_code == 200


async def test_the_authority_cannot_speak_for_other_names(tmp_path: Path) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    from dxops.app import tls

    pair = tls._read_pair(files.ca, tmp_path / "ca-key.pem")
    assert pair is not None
    tls._write_pair(files.certificate, files.key, tls._make_server(["bank.example"], _now(), pair))
    async with _listening(files) as port:
        context = ssl.create_default_context(cafile=str(files.ca))
        loop = asyncio.get_running_loop()
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
            await loop.create_connection(
                asyncio.Protocol, "127.0.0.1", port, ssl=context, server_hostname="bank.example"
            )


@pytest.mark.client
@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
async def test_node_trusts_the_authority(tmp_path: Path) -> None:
    files = ensure_tls(tmp_path, NAMES, _now())
    async with _listening(files) as port:
        script = f"fetch('https://localhost:{port}/').then(r => r.text()).then(t => console.log(t))"
        process = await asyncio.create_subprocess_exec(
            "node",
            "-e",
            script,
            env={"NODE_EXTRA_CA_CERTS": str(files.ca), "PATH": "/usr/bin:/bin:/usr/local/bin"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert output.decode().strip() == "https"
