"""Docs that cannot fall behind: the configuration page, and links between pages."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from dxops.app.reference import reference, sections, texts_of

ROOT = Path(__file__).parents[1]


def test_every_setting_says_what_it_is() -> None:
    missing = [
        f"{name or 'top level'}: {field.name}"
        for name, kind in sections()
        for field in msgspec.structs.fields(kind)
        if field.name not in texts_of(kind) and "Config" not in str(field.type)
    ]
    assert missing == []


def test_the_configuration_page_is_what_the_structs_say() -> None:
    page = (ROOT / "docs" / "operate" / "configuration.md").read_text()
    assert page == reference(), "run scripts/config-reference"


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_no_page_names_a_package_registry_or_a_machine() -> None:
    hosts = re.compile(r"registry\.npmjs\.org|pypi\.org|files\.pythonhosted|deb\.debian\.org|(?<![\w.])/(?:root|work)/")
    found = [
        str(path.relative_to(ROOT))
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("requirements/*"))]
        if hosts.search(path.read_text())
    ]
    assert found == []
