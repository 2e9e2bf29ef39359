"""`dx.yml`: what a repository says of its apps. Text in, modules out; every fault at once, with its line.

Both shapes: `package.modules` (mid 2023) and top-level `modules` (documented before). Source: kube.md, section 2.
Unknown keys are kept in the record, as the official CLI keeps them on the wire where its schema knows them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import yaml

from dxops.base.errors import DxopsError

MAX_BYTES = 1_048_576
MAX_MODULES = 200
MAX_DEPTH = 20
MAX_NODES = 20_000  # after this an alias bomb or a data file pasted in; a real dx.yml has a few dozen
DEFAULT_COMMAND = "npm run build"
_TEXTS = ("id", "type", "displayName", "description")
_SNAKE = {"display_name": "displayName"}


class Fault(msgspec.Struct, frozen=True):
    """One fault or warning: the 1-based line, the dotted key, what is wrong."""

    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.message}" if self.key else f"line {self.line}: {self.message}"


class DxYmlFaults(DxopsError):
    """The file is not acceptable; carries every fault."""

    default_code = "dxyml"

    def __init__(self, source: str, faults: list[Fault]) -> None:
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{source}: {len(faults)} fault{'s' if len(faults) != 1 else ''}\n{lines}")
        self.faults = faults


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """How a module is built. `command` is a line, split at single spaces; None means the default. `env` values are
    texts: other kinds are written as JSON. `dotfiles`, ours: True for all, or patterns of those to publish."""

    command: str | None = None
    outdir: str | None = None
    version: str | None = None
    tag: str | None = None
    env: dict[str, str] = {}
    dotfiles: bool | tuple[str, ...] = False


class Module(msgspec.Struct, frozen=True, kw_only=True):
    """One module. `record` is the whole module as camelCase JSON, as it is published."""

    name: str
    line: int
    build: Build = Build()
    tunnel: bool = False
    record: dict[str, object] = {}


class DxYml(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file. `warnings` are for people: what was accepted but is not as documented."""

    modules: tuple[Module, ...]
    warnings: tuple[Fault, ...] = ()


def parse_dxyml(data: bytes, source: str = "dx.yml") -> DxYml:
    """Read a file's bytes. Raises `DxYmlFaults` with every fault: syntax, types, missing or repeated names, bounds."""
    if len(data) > MAX_BYTES:
        raise DxYmlFaults(source, [Fault(1, "", f"larger than {MAX_BYTES} bytes")])
    try:
        root = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.CSafeLoader if _FAST else yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise DxYmlFaults(source, [Fault(1, "", f"not UTF-8: byte {error.start}")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DxYmlFaults(source, [Fault(line, "", f"not valid YAML: {error.problem or error.context}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DxYmlFaults(source, [Fault(1, "", f"not valid YAML: {type(error).__name__}")]) from error
    reader = _Reader()
    modules = reader.file(root)
    if reader.faults:
        raise DxYmlFaults(source, sorted(reader.faults, key=lambda fault: fault.line))
    return DxYml(modules=tuple(modules), warnings=tuple(reader.warnings))


_FAST = hasattr(yaml, "CSafeLoader")


class _Reader:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._nodes = 0
        self._cut = False

    def fault(self, node: yaml.Node | None, key: str, message: str) -> None:
        self.faults.append(Fault(_line(node), key, message))

    def file(self, root: yaml.Node | None) -> list[Module]:
        if root is None:
            self.fault(None, "", "the file is empty")
            return []
        top = dict(self.pairs(root, ""))
        package = top.get("package")
        inner = dict(self.pairs(package, "package")) if package is not None else {}
        nodes = [
            (at, found) for at, found in (("package.modules", inner.get("modules")), ("modules", top.get("modules")))
        ]
        given = [(at, node) for at, node in nodes if node is not None and not _is_null(node)]
        if len(given) == 2:
            self.fault(given[1][1], "modules", "both 'modules' and 'package.modules' are given; keep package.modules")
            return []
        if not given:
            if not self.faults:
                self.fault(root, "package.modules", "no modules: list at least one with its name")
            return []
        return self.modules(*given[0])

    def modules(self, at: str, node: yaml.Node) -> list[Module]:
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, at, f"expected a list, got {_kind(node)}")
            return []
        if not node.value:
            self.fault(node, at, "no modules: list at least one with its name")
        if len(node.value) > MAX_MODULES:
            self.fault(node, at, f"more than {MAX_MODULES} modules")
            return []
        found: list[Module] = []
        lines: dict[str, int] = {}
        for index, item in enumerate(node.value):
            module = self.module(f"{at}[{index}]", item)
            if module is None:
                continue
            if module.name in lines:
                self.fault(
                    item, f"{at}[{index}].name", f"'{module.name}' is already named in line {lines[module.name]}"
                )
            lines.setdefault(module.name, module.line)
            found.append(module)
        return found

    def module(self, at: str, node: yaml.Node) -> Module | None:
        fields: dict[str, yaml.Node] = {}
        for key, value in self.pairs(node, at):
            if key in _SNAKE:
                self.warnings.append(Fault(_line(value), f"{at}.{key}", f"read as '{_SNAKE[key]}'; write it so"))
                key = _SNAKE[key]
            fields[key] = value
        name = self.text(fields.get("name"), f"{at}.name", whole=node)
        for key in _TEXTS:
            self.text(fields.get(key), f"{at}.{key}")
        tags = self.value(fields.get("tags"), f"{at}.tags")
        if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
            self.fault(fields["tags"], f"{at}.tags", "expected a list of texts")
        tunnel = self.value(fields.get("tunnel"), f"{at}.tunnel")
        if not isinstance(tunnel, bool | None):
            self.fault(fields["tunnel"], f"{at}.tunnel", "expected true or false")
        for key in ("repos", "deps"):
            if not isinstance(self.value(fields.get(key), f"{at}.{key}"), list | None):
                self.fault(fields[key], f"{at}.{key}", "expected a list")
        build = self.build(fields.get("build"), f"{at}.build")
        record = {key: self.value(value, f"{at}.{key}") for key, value in fields.items()}
        if name is None:
            return None
        return Module(
            name=name,
            line=_line(node),
            build=build,
            tunnel=tunnel is True,
            record={key: value for key, value in record.items() if value is not None},
        )

    def build(self, node: yaml.Node | None, at: str) -> Build:
        if node is None or _is_null(node):
            return Build()
        fields = dict(self.pairs(node, at))
        command = self.text(fields.get("command"), f"{at}.command")
        if command is not None and not command.strip():
            self.fault(fields["command"], f"{at}.command", "is empty")
        outdir = self.text(fields.get("outdir"), f"{at}.outdir")
        if outdir is not None and "\x00" in outdir:
            self.fault(fields["outdir"], f"{at}.outdir", "has a NUL character")
        env = self.value(fields.get("env"), f"{at}.env")
        if env is not None and not isinstance(env, dict):
            self.fault(fields["env"], f"{at}.env", f"expected names and values, got {_kind(fields['env'])}")
            env = None
        for name, value in (env or {}).items():
            if not name or "=" in name or "\x00" in name or "\x00" in str(value):
                self.fault(fields["env"], f"{at}.env", f"{name!r} cannot be an environment variable")
        return Build(
            command=command,
            outdir=outdir,
            version=self.text(fields.get("version"), f"{at}.version", numbers=True),
            tag=self.text(fields.get("tag"), f"{at}.tag", numbers=True),
            env={name: _as_variable(value) for name, value in (env or {}).items()},
            dotfiles=self.dotfiles(fields.get("dotfiles"), f"{at}.dotfiles"),
        )

    def dotfiles(self, node: yaml.Node | None, at: str) -> bool | tuple[str, ...]:
        found = self.value(node, at)
        if isinstance(found, list) and all(isinstance(one, str) and one for one in found):
            return tuple(map(str, found))
        if not isinstance(found, bool | None):
            self.fault(node, at, "expected true, false or a list of names and patterns")
        return found is True

    def pairs(self, node: yaml.Node | None, at: str) -> Iterator[tuple[str, yaml.Node]]:
        """The keys and values of a mapping; faults for anything else, and for a key that repeats."""
        if node is None or _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, at, f"expected names and values, got {_kind(node)}")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fault(key, at, "a key must be a text")
            elif key.value in seen:
                self.fault(key, f"{at}.{key.value}".lstrip("."), "is given twice")
            else:
                seen.add(key.value)
                yield key.value, value

    def text(
        self, node: yaml.Node | None, at: str, *, whole: yaml.Node | None = None, numbers: bool = False
    ) -> str | None:
        """A text; `whole` is the node to blame where it is required but absent. `numbers`: `version: 1.0` is meant as
        the text it looks like."""
        if node is None or _is_null(node):
            if whole is not None:
                self.fault(whole, at, "required")
            return None
        if not isinstance(node, yaml.ScalarNode) or not (
            node.tag.endswith(":str") or (numbers and node.tag.endswith((":int", ":float", ":timestamp")))
        ):
            self.fault(node, at, f"expected a text, got {_kind(node)}")
            return None
        if whole is not None and not node.value.strip():
            self.fault(node, at, "is empty")
            return None
        return str(node.value)

    def value(self, node: yaml.Node | None, at: str, depth: int = 0) -> object:
        """Any node as a JSON value, bounded in depth and number."""
        self._nodes += 1
        if node is None:
            return None
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            if not self._cut:
                self.fault(node, at, "is too deep or too large")
            self._cut = True
            return None
        if isinstance(node, yaml.MappingNode):
            return {key: self.value(item, f"{at}.{key}", depth + 1) for key, item in self.pairs(node, at)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{at}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self.scalar(node, at)

    def scalar(self, node: yaml.ScalarNode, at: str) -> object:
        kind = node.tag.rpartition(":")[2]
        try:
            if kind in ("str", "timestamp", "value", "merge"):
                return node.value
            made = yaml.SafeLoader("").construct_object(node)  # a resolved plain scalar: null, bool, int or float
        except (yaml.YAMLError, ValueError) as error:
            self.fault(node, at, f"cannot be read: {error.__class__.__name__}")
            return None
        if isinstance(made, float) and not math.isfinite(made):
            self.fault(node, at, "is not a finite number")
            return None
        if isinstance(made, int) and not isinstance(made, bool) and abs(made) >= 1 << 63:
            return node.value
        if made is None or isinstance(made, bool | int | float):
            return made
        self.fault(node, at, f"a value of the type {node.tag!r} cannot be published")
        return None


def _as_variable(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


def _line(node: yaml.Node | None) -> int:
    return int(node.start_mark.line) + 1 if node is not None and node.start_mark else 1


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "names and values"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}.get(
        node.tag.rpartition(":")[2], "a text"
    )
