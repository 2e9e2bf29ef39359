"""What somebody sees who has just typed `make up`."""

from __future__ import annotations

import ssl

import httpx

from tests.harness import System, eventually

CONTRACT_KEYS = {
    "elastic_url",
    "elastic_user",
    "elastic_password",
    "elastic_api_key",
    "clickhouse_url",
    "console_url",
    "admin_user",
    "admin_password_file",
    "api_url",
    "api_token",
    "ca_file",
    "apps_url",
    "publisher_url",
    "publisher_token",
    "kubo_api_url",
    "ipfs_gateway_url",
    "postgres_url",
}


def get(system: System, host: str, path: str = "/") -> httpx.Response:
    url = f"http://127.0.0.1:{system.apps_port}{path}"
    return httpx.get(url, headers={"host": f"{host}:{system.apps_port}"})


def test_hello_is_live_in_every_environment_on_every_host(system: System) -> None:
    bodies = set()
    for host in (
        "hello.dxos.localhost",
        "hello.staging.dxos.localhost",
        "hello.dev.dxos.localhost",
        "hello.kube.dxos.localhost",
        "hello.staging.kube.dxos.localhost",
        "hello.dev.kube.dxos.localhost",
        "hello.localhost",
    ):
        answer = get(system, host)
        assert answer.status_code == 200, host
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        bodies.add(answer.text)
    assert len(bodies) == 1


def test_an_unknown_host_is_told_what_there_is(system: System) -> None:
    answer = get(system, "nope.dxos.localhost")
    assert answer.status_code == 404
    assert "nope.dxos.localhost" in answer.text


def test_endpoints_has_every_key_of_this_far_and_they_answer(system: System) -> None:
    found = system.endpoints()
    assert found.keys() == CONTRACT_KEYS
    bearer = {"authorization": f"Bearer {found['api_token']}"}
    assert httpx.get(f"{found['api_url']}/me", headers=bearer).json()["kind"] == "token"
    assert httpx.get(f"{found['api_url']}/apps").status_code == 401
    assert httpx.post(f"{found['kubo_api_url']}/api/v0/version").json()["Version"]
    assert httpx.get(f"{found['ipfs_gateway_url']}/ipfs/bafkqaaa?format=raw").status_code == 200
    assert httpx.get(found["apps_url"]).status_code == 200
    page = httpx.get(found["console_url"], headers={"accept": "text/html"}, follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, "/login")


def test_the_tls_listener_is_trusted_through_the_ca_file(system: System) -> None:
    ca = system.endpoints()["ca_file"]
    context = ssl.create_default_context(cafile=ca)
    answer = httpx.get(f"https://{system.listen['console_tls']}/api/health", verify=context)
    assert answer.json()["status"] == "ok"


def test_health_names_every_role(system: System) -> None:
    answer = httpx.get(f"http://{system.listen['console']}/api/health").json()
    assert answer["roles"].keys() == {"postgres", "store", "ingest", "loader", "web", "edge", "worker"}


def test_links_are_checked_by_the_worker(system: System) -> None:
    def checked() -> bool:
        bearer = {"authorization": f"Bearer {system.api_token}"}
        apps = httpx.get(f"http://{system.listen['console']}/api/apps", headers=bearer).json()["items"]
        return "up" in str(apps)

    eventually(checked, timeout_s=60)


def test_secrets_are_private_and_not_in_any_log(system: System) -> None:
    secrets = list((system.data / "secrets").iterdir())
    assert secrets
    logs = "".join(path.read_text() for path in (system.data / "logs").iterdir())
    for path in secrets:
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.read_text().strip() not in logs
