"""Reading one processor's options: every fault is collected with its place, none stops the reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from dxops.wire.elastic.errors import Fault
from dxops.wire.elastic.ingest.document import Document
from dxops.wire.elastic.ingest.templates import BadTemplate, Rendered, text_template, value_template

T = TypeVar("T")
R = TypeVar("R")

REQUIRED: Final = object()

Nested = Callable[[Any, str], Callable[[Document], None]]  # (one processor's definition, its place)


class DefinitionFault(msgspec.Struct, frozen=True):
    """One thing that is wrong. `place` is like `processors[2].on_failure[0]`."""

    place: str
    reason: str
    processor_type: str | None = None
    property_name: str | None = None
    tag: str | None = None

    def fault(self) -> Fault:
        """In Elasticsearch's words, plus `processor` with the place."""
        extra = {
            "processor_tag": self.tag,
            "processor_type": self.processor_type,
            "property_name": self.property_name,
            "processor": self.place or None,
        }
        reason = f"[{self.property_name}] {self.reason}" if self.property_name else self.reason
        return Fault(
            type="parse_exception", reason=reason, extra={name: value for name, value in extra.items() if value}
        )


class Options:
    """What the builders of processors read from. After a fault a harmless value is returned."""

    def __init__(
        self, kind: str, config: dict[str, Any], place: str, faults: list[DefinitionFault], nested: Nested | None = None
    ) -> None:
        self.nested = nested
        self.calls: set[str] = set()  # pipelines that are named
        self.kind = kind
        self.place = place
        self.faults = faults
        self._left = dict(config)
        tag = config.get("tag")
        self.tag = tag if isinstance(tag, str) else None

    def fault(self, reason: str, name: str | None = None) -> None:
        """Notes what is wrong with the option, or with the processor."""
        self.faults.append(DefinitionFault(self.place, reason, self.kind, name, self.tag))

    def take(self, name: str, default: Any = REQUIRED) -> Any:
        """Any value."""
        value = self._left.pop(name, None)
        if value is None:
            if default is REQUIRED:
                self.fault("required property is missing", name)
                return None
            return default
        return value

    def text(self, name: str, default: Any = REQUIRED) -> str:
        """A text; numbers and booleans are taken as theirs."""
        value = self.take(name, default)
        if isinstance(value, bool | int | float):
            return str(value).lower() if isinstance(value, bool) else str(value)
        if value is default or isinstance(value, str):
            return value if isinstance(value, str) else ""
        if value is not None:
            self.fault(f"property isn't a string, but of type [{type(value).__name__}]", name)
        return ""

    def optional_text(self, name: str) -> str | None:
        """None when it is absent."""
        return self.text(name) if self._left.get(name) is not None else self.take(name, None)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean or its text."""
        value = self.take(name, default)
        if value in (True, "true"):
            return True
        if value not in (False, "false"):
            self.fault(f"property isn't a boolean, but of type [{type(value).__name__}]", name)
        return False

    def number(self, name: str, default: int) -> int:
        """An integer or its text."""
        value = self.take(name, default)
        if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) < 10:
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.fault("property cannot be converted to an int", name)
        return default

    def texts(self, name: str, default: Any = REQUIRED) -> list[str]:
        """A text or a list of texts."""
        value = self.take(name, default)
        values = value if isinstance(value, list) else [value]
        if value is None:
            return []
        if not all(isinstance(item, str) for item in values):
            self.fault("property isn't a list of strings", name)
            return []
        return list(values)

    def mapping(self, name: str, default: Any = REQUIRED) -> dict[str, Any]:
        """An object."""
        value = self.take(name, default)
        if isinstance(value, dict):
            return value
        if value is not None:
            self.fault(f"property isn't a map, but of type [{type(value).__name__}]", name)
        return {}

    def choice(self, name: str, among: tuple[str, ...], default: Any = REQUIRED) -> str:
        """One of some words, in any case."""
        value = self.text(name, default).lower()
        if value and value not in among:
            self.fault(f"[{value[:60]}] is not supported, must be one of {', '.join(among)}", name)
        return value if value in among else among[0]

    def template(self, name: str, default: Any = REQUIRED) -> Callable[[Document], str]:
        """A text with fields in it."""
        return self.read(name, text_template, self.text(name, default)) or (lambda _: "")

    def value(self, name: str) -> Rendered:
        """Any value with fields in its texts."""
        return self.read(name, value_template, self.take(name)) or (lambda _: None)

    def read(self, name: str, how: Callable[[T], R], what: T) -> R | None:
        """The option read by another language; its complaint becomes a fault."""
        try:
            return how(what)
        except (ValueError, BadTemplate) as error:
            self.fault(str(error), name)
            return None

    def finish(self) -> None:
        """What is left was not understood."""
        if self._left:
            names = ", ".join(sorted(self._left))[:300]
            self.fault(
                f"processor [{self.kind}] doesn't support one or more provided configuration parameters [{names}]"
            )
