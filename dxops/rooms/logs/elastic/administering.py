"""What the administrative endpoints share: who may what, bodies, acknowledgements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dxops.rooms.logs.catalog import Catalog, Definition, DefinitionKind, Stream
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import answered
from dxops.rooms.logs.templates import aliases_of, concerned, patterns_of
from dxops.wire.elastic.errors import ElasticRefused, Fault, parse_exception, security
from dxops.wire.elastic.handshake import ACKNOWLEDGED
from dxops.wire.elastic.media import check_parameters
from dxops.wire.elastic.names import MAX_NAME_BYTES, matches_any
from dxops.wire.name_patterns import name_matches

WAITING: Final = frozenset(
    {"master_timeout", "timeout", "wait_for_active_shards", "ignore_unavailable", "allow_no_indices",
     "expand_wildcards", "local", "flat_settings", "include_type_name", "include_defaults"}
)  # fmt: skip


def acknowledged(asked: Asked) -> Answer:
    """`{"acknowledged":true}`."""
    return answered(asked, ACKNOWLEDGED)


def check_known(asked: Asked, *more: str) -> None:
    """Raises `ElasticRefused` for parameters beyond those that every administrative endpoint has."""
    check_parameters("/" + "/".join(asked.path), asked.parameters, WAITING | set(more))


async def object_of(asked: Asked, *, required: bool = False) -> dict[str, Any]:
    """The body, an object; {} for none. Raises `ElasticRefused`."""
    body = await asked.json()
    if body is None and not required:
        return {}
    if not isinstance(body, dict):
        raise ElasticRefused(
            parse_exception("request body is required" if body is None else "the body must be an object")
        )
    return body


def may_manage(asked: Asked, action: str) -> None:
    """Raises `ElasticRefused` (403) unless the caller administers."""
    if not asked.caller.may_manage:
        raise unauthorized(asked, action, "needs the scope logs:manage")


def may_manage_all(asked: Asked, action: str) -> None:
    """The same for what concerns streams that a limited caller does not see."""
    may_manage(asked, action)
    if asked.caller.streams is not None:
        raise unauthorized(asked, action, "this credential is limited to some streams")


def may_make(asked: Asked, action: str, names: Iterable[str] = ()) -> None:
    """Who writes may make what is not there yet, as shippers do when they start; of its own streams only."""
    caller = asked.caller
    if not (caller.may_write or caller.may_manage):
        raise unauthorized(asked, action, "needs the scope logs:write or logs:manage")
    if caller.streams is None:
        return
    for name in names:
        if not matches_any(name, caller.streams):
            raise unauthorized(asked, action, f"this credential is limited to [{','.join(caller.streams)}]")


def may_put(asked: Asked, catalog: Catalog, kind: DefinitionKind, name: str, body: Mapping[str, Any]) -> None:
    """A definition: who administers always may; who only writes, or is limited, may add one that is not there. The
    aliases that it would make count like its patterns: they may take names that documents of others go to."""
    caller = asked.caller
    action = f"cluster:admin/{kind}/put"
    if caller.may_manage and caller.streams is None:
        return
    before = catalog.definitions(kind).get(name)
    if before is not None and before.body != body:
        raise unauthorized(asked, action, f"[{name}] is there already, and changing it needs the scope logs:manage")
    patterns = patterns_of(Definition(body=body)) if kind in ("template", "index_template") else []
    waiting = concerned(catalog, kind, name) if before is None else []  # what names it would begin to obey it
    may_make(asked, action, [*patterns, *aliases_of(catalog, kind, body), *waiting])


def unauthorized(asked: Asked, action: str, why: str) -> ElasticRefused:
    """403 in the original's words."""
    return ElasticRefused(security(f"action [{action}] is unauthorized for [{asked.caller.label}]: {why}", status=403))


def chosen(names: Iterable[str], wanted: str) -> list[str]:
    """Of these names, those that a comma list with wildcards means; "" means all."""
    patterns = [part.strip() for part in wanted.split(",") if part.strip()] or ["*"]
    patterns = ["*" if part == "_all" else part for part in patterns]
    return [name for name in sorted(names) if any(name_matches(pattern, name) for pattern in patterns)]


def plain_missing(names: Iterable[str], wanted: str) -> list[str]:
    """Names without a wildcard that are asked for and not there."""
    there = set(names)
    return [part for part in map(str.strip, wanted.split(",")) if part and "*" not in part and part not in there]


def check_definition_name(name: str) -> str:
    """The name of a template, policy or pipeline. Raises `ElasticRefused`."""
    why = None
    if any(char in name for char in ' ,"*?\\<>|#/') or not name.isprintable():
        why = "must not contain spaces, commas, wildcards, quotes, slashes, '#' or control characters"
    elif name.startswith("_"):
        why = "must not start with '_'"
    elif len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        why = f"must not be longer than {MAX_NAME_BYTES} bytes"
    if why is not None:
        reason = f"name [{name[:300]}] {why}"
        raise ElasticRefused(Fault(type="invalid_index_template_exception", reason=reason))
    return name


def seen_templates(catalog: Catalog, kind: DefinitionKind, patterns: Sequence[str] | None) -> list[str]:
    """Names of the definitions that a caller limited to `patterns` sees: of templates those for its streams alone."""
    every = catalog.definitions(kind)
    if patterns is None or kind not in ("template", "index_template"):
        return list(every)
    return [name for name, each in every.items() if all(matches_any(one, patterns) for one in patterns_of(each))]


def stream_or_unknown(catalog: Catalog, name: str) -> Stream:
    """The stream, or what can be said of one that has documents and is not registered (yet)."""
    return catalog.streams.get(name) or Stream(name=name, uuid="_na_", created_ms=0, by_write=True)
