"""The error tree. Every error says what happened, to which thing, and what to do next.

Only a room's `http.py` (or the app's one table for the JSON API) turns these into a status:

| error             | whose fault        | JSON API |
|-------------------|--------------------|----------|
| `Refused`         | the caller's input | 400      |
| `Unauthenticated` | no valid credential| 401      |
| `Forbidden`       | credential too weak| 403      |
| `Missing`         | no such thing      | 404      |
| `Conflict`        | state moved on     | 409      |
| `TooLarge`        | over a stated bound| 413      |
| `Throttled`       | too many tries     | 429      |
| `Unavailable`     | ours; try again    | 503      |
"""

from __future__ import annotations


class DxopsError(Exception):
    """Base of all expected errors.

    `code` is stable and machine-readable (`release_incomplete`), `message` says what and which thing, `hint` says
    what to do next, `field` names the offending input (a JSON path, a header, a config key) where there is one.
    """

    default_code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.field = field


class Refused(DxopsError):
    """The caller's input is not acceptable; the same input will be refused again."""

    default_code = "refused"


class Unreadable(Refused):
    """A text in a language of ours that cannot be read. `position` (characters from 0) and `length` say which part of
    `field`, where that is known."""

    default_code = "unreadable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        field: str | None = None,
        position: int | None = None,
        length: int | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, field=field)
        self.position = position
        self.length = length


class Unauthenticated(Refused):
    """No credential, or one that is unknown, expired or revoked."""

    default_code = "unauthenticated"


class Forbidden(Refused):
    """A valid credential that may not do this."""

    default_code = "forbidden"


class TooLarge(Refused):
    """The input is over a stated bound; the message gives the bound."""

    default_code = "too_large"


class Throttled(Refused):
    """Too many tries. `retry_after_s` says when the next one is welcome."""

    default_code = "throttled"

    def __init__(self, message: str, *, retry_after_s: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class Missing(DxopsError):
    """The named thing does not exist (or the caller may not know that it does)."""

    default_code = "missing"


class Conflict(DxopsError):
    """The state is not what the request assumed; read again and decide again."""

    default_code = "conflict"


class Unavailable(DxopsError):
    """An engine or a peer does not answer now; the same request may succeed later."""

    default_code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        field: str | None = None,
        retry_after_s: float = 1.0,
    ) -> None:
        super().__init__(message, code=code, hint=hint, field=field)
        self.retry_after_s = retry_after_s


class ConfigFaults(DxopsError):
    """`dxops.toml` is not acceptable. Carries every fault found, not just the first."""

    default_code = "config"

    def __init__(self, source: str, faults: list[ConfigFault]) -> None:
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{source}: {len(faults)} fault{'s' if len(faults) != 1 else ''}\n{lines}")
        self.source = source
        self.faults = faults


class ConfigFault:
    """One fault: `key` is the dotted path, `line` is 1-based or None for a fault that has no line."""

    __slots__ = ("key", "line", "message")

    def __init__(self, key: str, message: str, line: int | None = None) -> None:
        self.key = key
        self.message = message
        self.line = line

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"
