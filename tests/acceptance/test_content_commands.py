"""`dxops add`, `cat`, `car`, `content` against a running system."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest

from tests.harness import System


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "big.bin").write_bytes(os.urandom(5_000_000))  # past the API's bound for an ordinary body
    (root / "deep" / "er" / "ünï cödé.txt").write_text("hello world")
    (root / "zero").write_bytes(b"")
    return root


@pytest.mark.parametrize("profile", ["v0-2015", "v1-256k", "v1-2025"])
def test_add_then_cat_and_the_gateway_give_the_bytes_back(system: System, tree: Path, profile: str) -> None:
    cid = system.dxops("add", str(tree), "--profile", profile).strip()
    assert cid == system.dxops("add", str(tree), "--profile", profile, "--only-hash").strip()
    assert system.dxops("cat", f"{cid}/deep/er/ünï cödé.txt") == "hello world"
    gateway = f"http://{system.listen['gateway']}/ipfs/{cid}/big.bin"
    assert httpx.get(gateway).content == (tree / "big.bin").read_bytes()
    pinned = [hold["root"] for hold in json.loads(system.dxops("content", "pins", "--json"))]
    assert cid in pinned


def test_a_second_add_sends_nothing(system: System, tree: Path) -> None:
    first = json.loads(system.dxops("add", str(tree), "--json"))
    second = json.loads(system.dxops("add", str(tree), "--json"))
    assert first["cid"] == second["cid"]
    assert first["sent_bytes"] > 5_000_000
    assert second["sent_bytes"] == 0


def test_a_car_goes_out_and_in_again(system: System, tree: Path, tmp_path: Path) -> None:
    cid = system.dxops("add", str(tree)).strip()
    file = tmp_path / "site.car"
    system.dxops("car", "export", cid, str(file))
    assert system.dxops("car", "import", str(file)).strip() == cid
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    bad = tmp_path / "bad.car"
    bad.write_bytes(damaged)
    refused = system.try_dxops("car", "import", str(bad))
    assert refused.returncode == 1
    assert "error:" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_is_not_there_is_said_so(system: System, tree: Path) -> None:
    for arguments in (
        ("cat", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyka"),
        ("cat", "nonsense"),
        ("add", str(tree / "nowhere")),
        ("add", str(tree), "--profile", "v9"),
        ("car", "export", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyka"),
    ):
        done = system.try_dxops(*arguments)
        assert done.returncode == 1, arguments
        assert done.stderr.startswith("error:"), arguments


def test_verify_is_clean_and_collection_reports(system: System) -> None:
    verified = json.loads(system.dxops("content", "verify", "--json"))
    assert verified["blocks"] > 0
    assert verified["corrupt"] == []
    assert verified["incomplete"] == {}
    assert json.loads(system.dxops("content", "gc", "--dry-run", "--json"))["dry_run"] is True
