"""What is believed of a browser: origins, hosts, addresses, return paths, cookies. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.app.settings import Settings
from dxops.base.config import parse_config
from dxops.base.errors import ConfigFaults
from dxops.console.security import CSP, HostRule, client_ip, cookie_refusal, listen_hosts, local_path
from dxops.console.sessions import cookie, csrf_matches, csrf_token

OURS = "http://localhost:8000"
FOREIGN = (
    "http://hello.localhost:8080",
    "http://localhost:8080",
    "http://localhost:8888",
    "http://localhost",
    "https://localhost:8000",
    "http://localhost:80001",
    "http://localhost:8000.evil.example",
    "http://127.0.0.1:8000",
    "https://evil.example",
    "null",
    "",
)


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "WEBSOCKET"])
def test_another_origin_never_speaks_with_our_cookies(origin: str, method: str) -> None:
    assert cookie_refusal(method, {"origin": origin}, OURS)
    assert cookie_refusal(method, {"origin": origin, "sec-fetch-site": "same-origin"}, OURS)


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none"])
def test_a_change_must_come_from_our_own_page(site: str) -> None:
    assert cookie_refusal("POST", {"sec-fetch-site": site}, OURS)
    assert cookie_refusal("POST", {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}, OURS)
    assert cookie_refusal("POST", {}, OURS)


def test_our_own_page_may() -> None:
    assert cookie_refusal("POST", {"origin": OURS}, OURS) is None
    assert cookie_refusal("POST", {"origin": OURS, "sec-fetch-site": "same-origin"}, OURS) is None
    assert cookie_refusal("POST", {"sec-fetch-site": "same-origin"}, OURS) is None
    assert cookie_refusal("GET", {}, OURS) is None
    assert cookie_refusal("GET", {"sec-fetch-site": "none"}, OURS) is None


def test_other_sites_may_link_to_us_but_not_embed_us() -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert cookie_refusal("GET", link, OURS) is None
    assert cookie_refusal("POST", link, OURS)
    for dest in ("iframe", "script", "image", "empty"):
        assert cookie_refusal("GET", link | {"sec-fetch-dest": dest}, OURS)
    assert cookie_refusal("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, OURS)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("LOCALHOST:8000", "http://localhost:8000"),
        ("localhost", "http://localhost"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[::1]", "http://[::1]"),
        ("localhost:80", "http://localhost"),
        ("localhost:443", "http://localhost:443"),
        ("ops.internal:1", "http://ops.internal:1"),
    ],
)
def test_our_hosts(host: str, origin: str) -> None:
    address = HostRule(["ops.internal"]).address(host, "http")
    assert address is not None
    assert (address.origin, address.tls) == (origin, False)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.localhost:8000",
        "hello.localhost",
        "127.0.0.1.nip.io",
        "localhost:",
        "localhost:0",
        "localhost:99999",
        "localhost:8000:1",
        "localhost:８０",
        "localhost@evil.example",
        "localhost/",
        "localhost,evil.example",
        "[::1",
        "[::1]8000",
        "::1",
        "127.1",
        "localhost.",
        " localhost",
        "localhost\x00",
        "x" * 100_000,
    ],
)
def test_hostile_hosts(host: str) -> None:
    assert HostRule([]).address(host, "http") is None


@given(st.text())
def test_any_host_header_is_ours_or_refused(host: str) -> None:
    address = HostRule([]).address(host, "http")
    assert address is None or address.origin.split("//")[1].rpartition(":")[0] in ("localhost", "127.0.0.1", "[:", "")


def test_a_proxy_in_front_makes_the_configured_address_secure() -> None:
    rule = HostRule([], "https://ops.example.org")
    address = rule.address("ops.example.org", "http")
    assert address is not None
    assert (address.origin, address.tls, rule.is_public(address)) == ("https://ops.example.org", True, True)
    local = rule.address("localhost:8443", "https")
    assert local is not None
    assert local.tls
    assert not rule.is_public(local)  # no HSTS for localhost: it would cover every port of the machine
    with_port = HostRule([], "https://ops.example.org:443").address("ops.example.org", "http")
    assert with_port is not None
    assert with_port.origin == "https://ops.example.org"


def test_listen_addresses_are_names_unless_they_are_wildcards() -> None:
    assert listen_hosts(["10.1.2.3:8000", "0.0.0.0:8443", "[::]:1", "[fd00::1]:2"]) == ["10.1.2.3", "[fd00::1]"]


def test_a_forwarded_address_is_believed_only_of_trusted_proxies() -> None:
    assert client_ip("9.9.9.9", "1.1.1.1", []) == "9.9.9.9"
    assert client_ip("9.9.9.9", "1.1.1.1", ["10.0.0.0/8"]) == "9.9.9.9"
    assert client_ip("10.0.0.1", "1.1.1.1, 10.0.0.2", ["10.0.0.0/8"]) == "1.1.1.1"
    assert client_ip("10.0.0.1", "6.6.6.6, 1.1.1.1", ["10.0.0.0/8"]) == "1.1.1.1"
    assert client_ip("10.0.0.1", "garbage", ["10.0.0.0/8"]) == "10.0.0.1"
    assert client_ip("10.0.0.1", None, ["10.0.0.0/8"]) == "10.0.0.1"
    assert client_ip(None, "1.1.1.1", ["10.0.0.0/8"]) is None


@pytest.mark.parametrize("target", ["/", "/apps/hello?tab=1#x", "/a%2F%2Fb", "/loginfoo"])
def test_good_return_paths(target: str) -> None:
    assert local_path(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "apps",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n",
        "/a b",
        "/login",
        "/login/oidc?next=/",
        "/login?next=/x",
        "/" + "a" * 3000,
    ],
)
def test_bad_return_paths(target: str | None) -> None:
    assert local_path(target) == "/"


@given(st.text(alphabet=st.sampled_from("/\\:.@?#ae \t%")))
def test_a_return_path_never_leaves(target: str) -> None:
    found = local_path(target)
    assert found.startswith("/")
    assert not found.startswith(("//", "/\\"))


def test_a_cookie_that_is_there_twice_is_no_cookie() -> None:
    assert cookie("a=1; s=abc; b=2", "s") == "abc"
    for header in (None, "", "s=", "s=abc; s=def", "xs=abc", "s=a b", "s=<x>", 's="abc"'):
        assert cookie(header, "s") is None


def test_form_tokens_belong_to_one_session() -> None:
    assert csrf_matches("secret", csrf_token("secret"))
    for sent in (None, "", csrf_token("another"), "é"):
        assert not csrf_matches("secret", sent)


def test_the_policy_allows_our_own_files_and_nothing_inline() -> None:
    assert "default-src 'none'" in CSP
    assert "unsafe" not in CSP
    assert "frame-ancestors 'none'" in CSP


def test_configuration_faults_are_named() -> None:
    with pytest.raises(ConfigFaults) as refused:
        parse_config(
            '[console]\nurl = "ops"\nhosts = ["Ops", "a:1"]\ntrusted_proxies = ["x"]\n'
            '[accounts]\nadmin_user = "A B"\nsession_days = 0\n'
            '[accounts.oidc]\nissuer = "http://id.example.org"\nroles = { a = "king" }\ndefault_role = "x"',
            Settings,
        )
    text = str(refused.value)
    for key in (
        "console.url",
        "console.hosts.0",
        "console.hosts.1",
        "console.trusted_proxies.0",
        "accounts.oidc.issuer",
        "accounts.oidc.client_id",
        "accounts.oidc.roles.a",
        "accounts.oidc.default_role",
    ):
        assert key in text
    with pytest.raises(ConfigFaults, match=r"accounts\.admin_user"):
        parse_config('[accounts]\nadmin_user = "A B"', Settings)
