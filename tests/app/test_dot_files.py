"""Which dot-files of a build's output are published."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from dxops.app.publishing.dot_files import DotFiles
from dxops.rooms.content.local import LocalFile, scan

OUTPUT = (
    "index.html",
    ".well-known/assetlinks.json",
    ".well-known/.draft/x",
    ".well-known/.env",
    ".nojekyll",
    ".DS_Store",
    ".env.production",
    ".git/config",
    "docs/.meta/a.json",
    "docs/.npmrc",
    "docs/page.html",
)
ALWAYS = {"index.html", ".well-known/assetlinks.json", "docs/page.html"}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    for name in OUTPUT:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "more", "left_out"),
    [
        (False, set(), ".nojekyll, .well-known/.draft, docs/.meta;"),
        ([".nojekyll"], {".nojekyll"}, "left out: .well-known/.draft, docs/.meta;"),
        (["docs/.*", ".env*", ".git"], {"docs/.meta/a.json"}, "left out: .nojekyll, .well-known/.draft;"),
        (True, {".nojekyll", ".well-known/.draft/x", "docs/.meta/a.json"}, None),
    ],
)
def test_what_is_taken_and_what_is_told(
    output: Path, wanted: bool | Sequence[str], more: set[str], left_out: str | None
) -> None:
    dot_files = DotFiles(wanted)
    taken = {os.fsdecode(one.relative) for one in scan(output, hidden=dot_files) if isinstance(one, LocalFile)}
    assert taken == ALWAYS | more
    said = "\n".join(dot_files.warnings())
    assert ".env.production, .git, .well-known/.env, docs/.npmrc" in said
    assert ".DS_Store" not in said
    if left_out is None:
        assert "build.dotfiles" not in said
    else:
        assert left_out in said


def test_nothing_left_out_is_not_worth_a_word(tmp_path: Path) -> None:
    dot_files = DotFiles()
    assert list(scan(tmp_path, hidden=dot_files))
    assert dot_files.warnings() == []


def test_many_are_counted(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f".x{number:02}").write_text("")
    dot_files = DotFiles()
    assert list(scan(tmp_path, hidden=dot_files))
    assert ".x07 and 12 more" in dot_files.warnings()[0]
