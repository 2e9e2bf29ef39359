"""What we ship may be shipped, and the page that says so is current."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def licences() -> Any:
    """`scripts/licences` as a module."""
    spec = spec_from_loader("licences", SourceFileLoader("licences", str(ROOT / "scripts/licences")))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["licences"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_every_licence_is_permissive_or_a_named_exception(licences: Any) -> None:
    packages = [*licences.python_packages(), *licences.npm_packages()]
    assert len(packages) > 50
    assert [one for one in packages if not licences.allowed(one)] == []


def test_the_page_is_current(licences: Any) -> None:
    assert licences.PAGE.read_text() == licences.page(), "run scripts/licences"


def test_what_is_installed_is_what_is_listed(licences: Any) -> None:
    listed = {one.name: one.version for one in licences.python_packages()}
    assert listed["psycopg"] == importlib.metadata.version("psycopg")
    names = {one.name for one in licences.npm_packages()}
    imported = set()
    for source in (ROOT / "dxops/console/frontend/src").glob("*.ts"):
        imported |= set(re.findall(r'from "([a-z@][^"]*)"', source.read_text()))
    assert imported
    for name in imported:
        assert any(name == one or name.startswith(f"{one}/") for one in names), f"{name} is not listed"


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("Apache-2.0 AND CNRI-Python", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", False),
        ("GPL-3.0-only", False),
        ("MIT AND AGPL-3.0-only", False),
        ("", False),
    ],
)
def test_expressions(licences: Any, licence: str, good: bool) -> None:
    assert licences.allowed(licences.Package("one", "1", licence)) is good
