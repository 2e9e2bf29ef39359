"""Reads a JSON object's options one by one, so that none is ignored: what was not asked for is refused at the end."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from dxops.wire.es.errors import ILLEGAL, PARSING, EsError, unknown_option, unsupported

_MAX_INT: Final = 2**31 - 1
MAX_NUMBER: Final = 1.7e308


class Body:
    """`kind` names the query, aggregation or part of a request in errors. Options are taken by the methods below;
    a null counts as absent. `close` refuses what is left."""

    def __init__(self, kind: str, value: Any) -> None:  # Any: decoded JSON
        if not isinstance(value, dict):
            raise EsError(PARSING, f"[{kind}] malformed, expected an object but found {json_kind(value)}", key=kind)
        self.kind = kind
        self._left: dict[str, Any] = dict(value)

    def __contains__(self, key: str) -> bool:
        return self._left.get(key) is not None

    def keys(self) -> tuple[str, ...]:
        return tuple(self._left)

    def take(self, *keys: str) -> Any:
        """The value of the first of `keys` (an option and its old names) that is there, or None."""
        found = None
        for key in keys:
            value = self._left.pop(key, None)
            found = value if found is None else found
        return found

    def text(self, key: str, default: str | None = None) -> str | None:
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int | float):
            raise self.wrong(key, "a text", value)
        return str(value)

    def need_text(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise EsError(PARSING, f"[{self.kind}] requires [{key}]", key=self.kind)
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of `choices`, case apart."""
        value = self.text(key, default) or ""
        if value.lower() not in choices:
            raise EsError(
                ILLEGAL, f"[{self.kind}] [{key}] is one of {', '.join(choices)}; found [{value[:80]}]", key=key
            )
        return value.lower()

    def integer(self, key: str, default: int, least: int = 0, most: int = _MAX_INT) -> int:
        value = self.number(key)
        if value is None:
            return default
        if value != int(value) or not least <= value <= most:
            where = f"at least {least}" if value < least else f"at most {most}" if value > most else "a whole number"
            raise EsError(ILLEGAL, f"[{key}] parameter of [{self.kind}] must be {where}, found [{value}]", key=key)
        return int(value)

    def number(self, key: str) -> int | float | None:
        value = self.take(key)
        if value is None:
            return None
        return as_number(value, key, self.kind)

    def boolean(self, key: str, default: bool) -> bool:
        value = self.take(key)
        if value is None:
            return default
        if (value in (True, "true", "") and value != 1) or value is True:
            return True
        if value is False or value == "false":
            return False
        raise self.wrong(key, "true or false", value)

    def strings(self, key: str) -> tuple[str, ...]:
        """A text or an array of texts."""
        value = self.take(key)
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        for item in items:
            if not isinstance(item, str):
                raise self.wrong(key, "texts", item)
        return tuple(items)

    def objects(self, *keys: str) -> tuple[Any, ...]:
        """A value or an array of values."""
        value = self.take(*keys)
        return () if value is None else tuple(value) if isinstance(value, list) else (value,)

    def accept(self, *keys: str) -> None:
        """Options that change nothing here: scores, caches, how the original executes."""
        for key in keys:
            self._left.pop(key, None)

    def refuse(self, key: str, why: str, allowed: tuple[Any, ...] = ()) -> None:
        """An option that cannot be done, unless its value is one of `allowed` (usually its default)."""
        value = self.take(key)
        if value is not None and not any(value == each and type(value) is type(each) for each in allowed):
            raise unsupported(f"[{key}] of [{self.kind}]", why, key)

    def close(self) -> None:
        for key in self._left:
            raise unknown_option(self.kind, key)

    def wrong(self, key: str, expected: str, value: Any) -> EsError:
        return EsError(PARSING, f"[{self.kind}] [{key}] must be {expected}, found {json_kind(value)}", key=key)


def as_number(value: Any, key: str, kind: str) -> int | float:
    """A number, or a text that is one."""
    if isinstance(value, str) and len(value) < 40:
        with contextlib.suppress(ValueError):
            value = int(value) if value.lstrip("+-").isdigit() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise EsError(PARSING, f"[{kind}] [{key}] must be a number, found {json_kind(value)}", key=key)
    return value


def json_kind(value: Any) -> str:
    """A value as errors name it: `an array`, `[abc]`."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "[true]" if value else "[false]"
    return f"[{str(value)[:80]}]"
