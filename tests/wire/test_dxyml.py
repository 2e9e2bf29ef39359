"""`dx.yml` in both shapes, and every fault with its line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.wire.dxyml import DxYmlFaults, parse_dxyml

GUIDE = b"""\
version: 1
package:
  license: MIT
  modules:
    - name: example:app/tasks
      type: dxos:type/app
      displayName: Tasks
      description: A list
      tags: [demo, pwa]
      tunnel: true
      build:
        command: pnpm run build --mode  production
        outdir: out/tasks
        version: 0.1.0
        env:
          PWA: true
          LEVEL: 3
          NAME: x
          DEEP: {a: [1, null]}
    - name: kai
runtime:
  client: {}
"""


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(DxYmlFaults) as raised:
        parse_dxyml(text.encode() if isinstance(text, str) else text)
    return [str(fault) for fault in raised.value.faults]


def test_the_guide_s_form() -> None:
    tasks, kai = parse_dxyml(GUIDE).modules
    assert (tasks.name, tasks.tunnel, tasks.line) == ("example:app/tasks", True, 5)
    assert tasks.build.command == "pnpm run build --mode  production"
    assert (tasks.build.outdir, tasks.build.version) == ("out/tasks", "0.1.0")
    assert tasks.build.env == {"PWA": "true", "LEVEL": "3", "NAME": "x", "DEEP": '{"a":[1,null]}'}
    assert tasks.record["displayName"] == "Tasks"
    assert tasks.record["tags"] == ["demo", "pwa"]
    assert tasks.record["build"]["env"]["PWA"] is True  # type: ignore[index]
    assert (kai.name, kai.build.command, kai.record) == ("kai", None, {"name": "kai"})


def test_the_older_form_and_snake_case_with_a_warning() -> None:
    found = parse_dxyml(b"modules:\n  - name: kai\n    display_name: Kai\n")
    assert found.modules[0].record == {"name": "kai", "displayName": "Kai"}
    assert [str(warning) for warning in found.warnings] == [
        "line 3: modules[0].display_name: read as 'displayName'; write it so"
    ]


def test_a_version_that_looks_like_a_number_is_a_text() -> None:
    assert parse_dxyml(b"modules: [{name: a, build: {version: 1.10}}]").modules[0].build.version == "1.10"


def test_every_fault_at_once_with_its_line() -> None:
    assert faults(
        """\
package:
  modules:
    - type: dxos:type/app
    - name: 3
      tags: one
    - name: kai
      tunnel: maybe
      build: npm
    - name: kai
      build:
        command: ""
        env: [A=1]
        outdir: 5
    - just text
"""
    ) == [
        "line 3: package.modules[0].name: required",
        "line 4: package.modules[1].name: expected a text, got a number",
        "line 5: package.modules[1].tags: expected a list of texts",
        "line 7: package.modules[2].tunnel: expected true or false",
        "line 8: package.modules[2].build: expected names and values, got a text",
        "line 9: package.modules[3].name: 'kai' is already named in line 6",
        "line 11: package.modules[3].build.command: is empty",
        "line 12: package.modules[3].build.env: expected names and values, got a list",
        "line 13: package.modules[3].build.outdir: expected a text, got a number",
        "line 14: package.modules[4]: expected names and values, got a text",
        "line 14: package.modules[4].name: required",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the file is empty"),
        ("# only this\n", "line 1: the file is empty"),
        ("a: [1\n", "line 2: not valid YAML"),
        ("a: b: c\n", "line 1: not valid YAML"),
        ("package: {}\n", "line 1: package.modules: no modules"),
        ("modules: []\n", "line 1: modules: no modules"),
        ("modules: {name: a}\n", "line 1: modules: expected a list"),
        ("- a\n", "line 1: expected names and values, got a list"),
        ("modules: [{name: a}]\npackage: {modules: [{name: b}]}\n", "line 1: modules: both"),
        ("modules: [{name: a, name: b}]\n", "line 1: modules[0].name: is given twice"),
        ("modules: [{name: ' '}]\n", "line 1: modules[0].name: is empty"),
        ("modules: [{name: a, x: .inf}]\n", "line 1: modules[0].x: is not a finite number"),
        ("modules: [{name: a, x: !!python/object:os.system {}}]\n", None),
        ("modules: [{name: a, build: {env: {'A=B': 1}}}]\n", "line 1: modules[0].build.env: 'A=B' cannot"),
        (b"\xff\xfe\x00", "line 1: not UTF-8"),
        (b"x" * 1_048_577, "line 1: larger than"),
        ("modules: [" + "{name: a}," * 201 + "]", "line 1: modules: more than 200"),
        ("modules: [{name: a, x: " + "[" * 60 + "]" * 60 + "}]", "too deep"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text: str | bytes, fault: str | None) -> None:
    if fault is None:  # a foreign tag runs nothing; it is data like any other
        assert parse_dxyml(text.encode()).modules[0].record["x"] == {}  # type: ignore[union-attr]
    else:
        assert any(fault in found for found in faults(text))


def test_an_alias_bomb_is_cut_short() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert any("too large" in found for found in faults(text + "modules: [{name: a, x: *a11}]\n"))


def test_a_node_that_holds_itself_is_refused() -> None:
    assert any("too deep" in found for found in faults("modules: [{name: a, x: &x [*x]}]"))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DxYmlFaults):
        parse_dxyml(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("written", "read"),
    [("true", True), ("false", False), ("", False), ("[.nojekyll, '.config*']", (".nojekyll", ".config*"))],
)
def test_dot_files(written: str, read: object) -> None:
    [module] = parse_dxyml(f"modules:\n  - name: a\n    build:\n      dotfiles: {written}\n".encode()).modules
    assert module.build.dotfiles == read


@pytest.mark.parametrize("written", ["yes please", "[1]", "{a: b}"])
def test_faulty_dot_files(written: str) -> None:
    with pytest.raises(DxYmlFaults, match=r"line 4: modules\[0\].build.dotfiles: expected true, false or a list"):
        parse_dxyml(f"modules:\n  - name: a\n    build:\n      dotfiles: {written}\n".encode())
