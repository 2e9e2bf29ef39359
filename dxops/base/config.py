"""Reading `dxops.toml` into frozen structs, with every fault reported at once.

A room declares a `msgspec.Struct(frozen=True, kw_only=True)` whose fields all have defaults and a docstring line
under each. A struct may define `faults()` yielding `(key, message)` for rules that span fields; it runs only when the
struct's own fields are sound. The reference page is generated from these structs.

A text value of the form `env:NAME` or `file:PATH` is replaced by the variable's or the file's content (stripped), so
that secrets stay out of the file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from dxops.base.errors import ConfigFault, ConfigFaults

T = TypeVar("T", bound=msgspec.Struct)

_HEADER = re.compile(r"^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def load_config(path: Path, kind: type[T], *, required: bool = False) -> T:
    """Read `path` into `kind`. A missing file is the defaults unless `required`.

    Raises `ConfigFaults` with every fault: syntax, unknown keys (with the nearest known one), wrong types, and
    whatever the structs' `faults()` report.
    """
    if not path.exists():
        if required:
            raise ConfigFaults(str(path), [ConfigFault("", "no such file")])
        return parse_config("", kind, source=str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFaults(str(path), [ConfigFault("", f"cannot be read: {error}")]) from error
    return parse_config(text, kind, source=str(path), base=path.parent)


def parse_config(text: str, kind: type[T], *, source: str = "dxops.toml", base: Path | None = None) -> T:
    """`load_config` of a text; `base` is what relative `file:` paths start from."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigFaults(source, [ConfigFault("", f"not valid TOML: {error}")]) from error
    reader = _Reader(_lines_of(text), base or Path.cwd())
    value = reader.struct(data, kind, "")
    if reader.faults:
        raise ConfigFaults(source, sorted(reader.faults, key=lambda fault: fault.line or 0))
    assert value is not None
    return value


class _Reader:
    def __init__(self, lines: dict[str, int], base: Path) -> None:
        self._lines = lines
        self._base = base
        self.faults: list[ConfigFault] = []

    def fault(self, key: str, message: str) -> None:
        probe = key
        while probe and probe not in self._lines:
            probe = probe.rpartition(".")[0]
        self.faults.append(ConfigFault(key, message, self._lines.get(probe)))

    def struct(self, data: object, kind: type[T], at: str) -> T | None:
        if not isinstance(data, Mapping):
            self.fault(at, f"expected a table, got {_named(data)}")
            return None
        before = len(self.faults)
        hints = typing.get_type_hints(kind)
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in data.keys() - fields.keys():
            near = difflib.get_close_matches(key, fields, 1)
            known = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(fields))}"
            self.fault(_join(at, key), f"unknown key; {known}")
        values: dict[str, Any] = {}
        for key, field in fields.items():
            if key in data:
                values[field.name] = self.value(data[key], hints[field.name], _join(at, key))
            elif field.required:
                self.fault(_join(at, key), "required")
        if len(self.faults) > before:
            return None
        made = kind(**values)
        check = getattr(made, "faults", None)
        if callable(check):
            found: Iterable[tuple[str, str]] = check()
            for key, message in found:
                self.fault(_join(at, key), message)
        return made

    def value(self, data: object, kind: Any, at: str) -> object:  # Any: a type form, which has no common type
        inner = _struct_in(kind)
        if inner is not None and get_origin(kind) in (list, tuple):
            if not isinstance(data, list):
                self.fault(at, f"expected an array of tables, got {_named(data)}")
                return None
            made = [self.struct(item, inner, f"{at}.{index}") for index, item in enumerate(data)]
            return tuple(made) if get_origin(kind) is tuple else made
        if inner is not None and get_origin(kind) is dict:
            if not isinstance(data, Mapping):
                self.fault(at, f"expected a table, got {_named(data)}")
                return None
            return {key: self.struct(item, inner, _join(at, key)) for key, item in data.items()}
        if inner is not None:
            return self.struct(data, inner, at)
        if isinstance(data, str):
            data = self.resolve(data, at)
        try:
            return msgspec.convert(data, kind)
        except msgspec.ValidationError as error:
            self.fault(at, str(error))
            return None

    def resolve(self, text: str, at: str) -> str:
        if text.startswith("env:"):
            name = text[4:]
            if name not in os.environ:
                self.fault(at, f"the environment variable {name} is not set")
            return os.environ.get(name, "")
        if text.startswith("file:"):
            path = self._base / text[5:]
            try:
                return path.read_text(encoding="utf-8").strip()
            except OSError as error:
                self.fault(at, f"cannot read {path}: {error.strerror}")
                return ""
        return text


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that `kind` is or holds: `S`, `S | None`, `list[S]`, `tuple[S, ...]`, `dict[str, S]`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if get_origin(kind) in (list, tuple, dict, typing.Union, types.UnionType):
        for argument in get_args(kind):
            if isinstance(argument, type) and issubclass(argument, msgspec.Struct):
                return argument
    return None


def _named(data: object) -> str:
    return {"str": "a text", "int": "a number", "bool": "true or false", "list": "an array"}.get(
        type(data).__name__, type(data).__name__
    )


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _unquoted(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', dotted))


def _lines_of(text: str) -> dict[str, int]:
    """Where each key and table stands, by a scan of the text (tomllib keeps no positions)."""
    lines: dict[str, int] = {}
    tables: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            prefix = _unquoted(header[1])
            if line.lstrip().startswith("[["):
                index = tables.get(prefix, 0)
                tables[prefix] = index + 1
                lines.setdefault(prefix, number)
                prefix = f"{prefix}.{index}"
            lines.setdefault(prefix, number)
        elif key := _KEY.match(line):
            lines.setdefault(_join(prefix, _unquoted(key[1])), number)
    return lines
