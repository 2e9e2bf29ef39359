"""The configuration's reference page, made from the structs: field, type, default, and the text below the field."""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing
from collections.abc import Iterator

import msgspec

from dxops.app.settings import Settings

HEAD = """# dxops.toml

Made from the code by `scripts/config-reference`; do not edit. Every key has a default: an empty file, or none, is a
complete configuration. `dxops config check` reports every fault at once, with its line; `dxops config show` prints
what is in effect. A text value `env:NAME` or `file:PATH` is replaced by that variable's or file's content.
"""


def reference() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for section, kind in _sections("", Settings):
        documented = texts_of(kind)
        rows = [
            f"| `{field.encode_name}` | {_type(hints[field.name])} | {_default(field)} | {documented[field.name]} |"
            for hints in [typing.get_type_hints(kind)]
            for field in msgspec.structs.fields(kind)
            if not _struct_of(hints[field.name])
        ]
        if rows:
            title = f"`{section}`" if section else "Top level"
            intro = inspect.cleandoc(kind.__doc__ or "")
            parts.append(f"\n## {title}\n\n{intro}\n\n| key | type | default | what |\n|---|---|---|---|")
            parts.append("\n".join(rows) + "\n")
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def texts_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The docstring line under each field of a struct. Raises KeyError in `reference` for a field without one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).split()).replace("|", "\\|")
    return found


def sections() -> list[tuple[str, type[msgspec.Struct]]]:
    """Every table of the file with its struct."""
    return list(_sections("", Settings))


def _sections(prefix: str, kind: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    yield prefix, kind
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        inner = _struct_of(hints[field.name])
        if inner is None:
            continue
        origin = typing.get_origin(hints[field.name])
        name = f"{prefix.strip('[]')}.{field.encode_name}".strip(".")
        yield from _sections({dict: f"[{name}.NAME]", tuple: f"[[{name}]]"}.get(origin, f"[{name}]"), inner)


def _struct_of(kind: typing.Any) -> type[msgspec.Struct] | None:  # Any: a type form
    candidates = [kind, *typing.get_args(kind)]
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, msgspec.Struct)), None)


def _type(kind: typing.Any) -> str:  # Any: a type form
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if kind in names:
        return names[kind]
    arguments = [one for one in typing.get_args(kind) if one not in (type(None), Ellipsis)]
    origin = typing.get_origin(kind)
    if origin in (list, tuple, frozenset, set):
        return f"array of {_type(arguments[0])}"
    if origin is dict:
        return f"table of {_type(arguments[1])}"
    return " or ".join(_type(one) for one in arguments) if arguments else "text"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "" if value in (None, "", {}, (), []) else f"`{msgspec.json.encode(value).decode()}`"
