"""The document that processors change: source, metadata and `_ingest`, reached by paths like `a.b.0.c`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from dxops.wire.elastic.errors import Fault

MISSING: Final = object()
MAX_COPIED: Final = 500_000  # values, or 64 characters each
METADATA: Final = frozenset(
    {"_index", "_id", "_routing", "_version", "_version_type", "_if_seq_no", "_if_primary_term", "_dynamic_templates"}
)

_KINDS = {"str": "java.lang.String", "int": "java.lang.Long", "float": "java.lang.Double", "bool": "java.lang.Boolean"}
_KINDS |= {"list": "java.util.ArrayList", "dict": "java.util.HashMap", "NoneType": "null"}


class ProcessorFailure(Exception):
    """A processor cannot do its work on this document. The message is what `on_failure_message` says."""

    def __init__(self, reason: str, kind: str = "illegal_argument_exception") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.processor_type = ""
        self.processor_tag: str | None = None
        self.pipeline = ""

    def fault(self) -> Fault:
        """For a bulk item or a single document."""
        names = {"processor_type": self.processor_type, "processor_tag": self.processor_tag, "pipeline": self.pipeline}
        return Fault(type=self.kind, reason=self.reason, extra={name: value for name, value in names.items() if value})


class Dropped(Exception):
    """The document is not to be stored, and that is what its owner wants."""


class Document:
    """Mutable on purpose: a pipeline is a row of changes."""

    __slots__ = ("budget", "ingest", "meta", "run", "source")

    def __init__(self, source: dict[str, Any], meta: Mapping[str, Any], timestamp: str, run: Any = None) -> None:
        self.budget = MAX_COPIED
        self.run = run  # of `pipeline`; only processors that run others look at it
        self.source = source
        self.meta = dict(meta)
        self.ingest: dict[str, Any] = {"timestamp": timestamp}

    def find(self, path: str) -> Any:
        """The value, or MISSING."""
        value, names = self._start(path)
        for name in names:
            if isinstance(value, dict):
                value = value.get(name, MISSING)
            elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            else:
                return MISSING
            if value is MISSING:
                return MISSING
        return value

    def get(self, path: str) -> Any:
        """The value, which may be null. Raises `ProcessorFailure` when there is none."""
        value = self.find(path)
        if value is MISSING:
            raise ProcessorFailure(f"field [{path.rpartition('.')[2]}] not present as part of path [{path}]")
        return value

    def has(self, path: str) -> bool:
        """Whether there is a value, null included."""
        return self.find(path) is not MISSING

    def put(self, path: str, value: Any) -> None:
        """Sets it, making the objects on the way. Raises `ProcessorFailure` where another kind of value stands."""
        holder, names = self._start(path)
        for name in names[:-1]:
            following = self._child(holder, name, path)
            if following is MISSING or following is None:
                following = {}
                self._store(holder, name, following, path)
            holder = following
        self._store(holder, names[-1], value, path)

    def remove(self, path: str) -> Any:
        """Takes it out and returns it. Raises `ProcessorFailure` when there is none."""
        head, _, last = path.rpartition(".")
        holder = self.find(head) if head else self._start(path)[0]
        if isinstance(holder, dict) and last in holder:
            return holder.pop(last)
        if isinstance(holder, list) and last.isdecimal() and int(last) < len(holder):
            return holder.pop(int(last))
        raise ProcessorFailure(f"field [{last}] not present as part of path [{path}]")

    def append(self, path: str, values: list[Any], *, allow_duplicates: bool) -> None:
        """Makes an array of what is there and adds to it."""
        present = self.find(path)
        items = [] if present is MISSING or present is None else present if isinstance(present, list) else [present]
        self.put(path, items + [value for value in values if allow_duplicates or value not in items])

    def charge(self, size: int) -> None:
        """Counts what processors add, so that copies of copies end. Raises `ProcessorFailure`."""
        self.budget -= size
        if self.budget < 0:
            raise ProcessorFailure("the pipeline adds too much to the document")

    def copied(self, value: Any) -> Any:
        """A deep copy. Raises `ProcessorFailure` when it is too large."""
        self.charge(1)
        if isinstance(value, dict):
            return {name: self.copied(item) for name, item in value.items()}
        return [self.copied(item) for item in value] if isinstance(value, list) else value

    def view(self) -> dict[str, Any]:
        """What conditions call `ctx`: fields and metadata side by side."""
        return {**self.source, **self.meta, "_ingest": self.ingest}

    def _start(self, path: str) -> tuple[Any, tuple[str, ...]]:
        root, names = _split_path(path)
        if root == "source":
            return self.source, names
        if root == "meta":
            return self.meta, names
        if not names:
            raise ProcessorFailure(f"path [{path}] is not valid")
        return (self.ingest, names) if root == "ingest" else ({"_ingest": self.ingest}, names)

    def _child(self, holder: Any, name: str, path: str) -> Any:
        if isinstance(holder, dict):
            return holder.get(name, MISSING)
        if isinstance(holder, list) and name.isdecimal() and int(name) < len(holder):
            return holder[int(name)]
        raise ProcessorFailure(
            f"cannot resolve [{name}] from object of type [{kind_of(holder)}] as part of path [{path}]"
        )

    def _store(self, holder: Any, name: str, value: Any, path: str) -> None:
        if holder is self.meta and value is not None and not isinstance(value, str | int | dict):
            raise ProcessorFailure(f"{name} must be a string or a number but was of type [{kind_of(value)}]")
        if isinstance(holder, dict):
            holder[name] = value
        elif isinstance(holder, list) and name.isdecimal() and int(name) < len(holder):
            holder[int(name)] = value
        else:
            raise ProcessorFailure(
                f"cannot set [{name}] with parent object of type [{kind_of(holder)}] as part of path [{path}]"
            )


@lru_cache(maxsize=4096)
def _split_path(path: str) -> tuple[str, tuple[str, ...]]:
    """(where it starts, the names); no names for a path that is none."""
    names = tuple(path.split("."))
    if "" in names:
        return "", ()
    if names[0] == "_ingest":
        return ("ingest", names[1:]) if len(names) > 1 else ("", names)
    if names[0] == "_source" and len(names) > 1:
        return "source", names[1:]
    return ("meta" if names[0] in METADATA else "source"), names


def kind_of(value: Any) -> str:
    """The kind of value in the words of the original's messages."""
    return _KINDS.get(type(value).__name__, type(value).__name__)


def text_of(document: Document, path: str) -> str:
    """A text. Raises `ProcessorFailure` for anything else."""
    value = document.get(path)
    if value is None:
        raise ProcessorFailure(f"field [{path}] is null, cannot process it.")
    if not isinstance(value, str):
        raise ProcessorFailure(f"field [{path}] of type [{kind_of(value)}] cannot be cast to [java.lang.String]")
    return value
