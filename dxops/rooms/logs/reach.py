"""Which streams a request to the explorer may see: what it names, within what its actor may. The one place for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dxops.base.actors import Actor, Scope
from dxops.base.clock import Clock
from dxops.base.errors import Forbidden, Refused
from dxops.rooms.logs.model import Rows
from dxops.rooms.logs.streams import stream_names
from dxops.wire import query_tree as tree
from dxops.wire.elastic.names import DEFAULT_OPTIONS, Known, Options, indices_of, resolve
from dxops.wire.name_patterns import name_matches

_KEPT_S = 2.0  # a new stream is seen by a wildcard after so long
_LENIENT = Options(ignore_unavailable=True, hidden=True, open=DEFAULT_OPTIONS.open)


class Registry(Protocol):
    """What names mean beyond the streams that have documents."""

    async def known(self) -> Known:
        """Indices, aliases and data streams; nothing behind an alias with a filter."""
        ...


class Reach:
    """Names to streams, for an actor. Without a `registry`, names are those of streams that have documents."""

    def __init__(self, store: Rows, clock: Clock, registry: Registry | None = None) -> None:
        self._store = store
        self._clock = clock
        self._registry = registry
        self._known: tuple[float, Known] | None = None

    async def streams(self, actor: Actor, names: Sequence[str]) -> tuple[str, ...] | None:
        """The streams behind names with wildcards and `-exclusions` (none: all), as far as the actor may see them. None
        is every stream there is. A name that nothing has is no stream. Raises `Forbidden`."""
        limits = limits_of(actor)
        wanted = [name for name in names if name]
        if not wanted and limits is None:
            return None
        known = await self.known()
        if wanted and all(name.startswith("-") for name in wanted):
            wanted = ["*", *wanted]
        for name in wanted:
            if known.aliases.get(name) == ():
                hint = "name its streams, and put the filter into the query"
                raise Refused(f"the alias '{name}' has a filter, which does not count here", field="stream", hint=hint)
        now_ms = int(self._clock.now().timestamp() * 1000)
        found = indices_of(resolve(",".join(wanted) or "*", known, _LENIENT, now_ms=now_ms), known)
        if limits is not None:
            found = [name for name in found if any(name_matches(limit, name) for limit in limits)]
        return tuple(found)

    async def arriving(self, actor: Actor, names: Sequence[str]) -> tree.Node:
        """The same as a condition that a stream meets which gets its first document only now. Raises `Forbidden`."""
        limits = limits_of(actor)
        clauses: list[tree.Node] = []
        wanted = [name for name in names if name and not name.startswith("-")]
        if wanted:
            known = await self.streams(actor, wanted) or ()
            clauses.append(tree.either([*map(_named, wanted), tree.Term(("_index",), known)]))
        clauses += [tree.Not(_named(name[1:])) for name in names if name.startswith("-")]
        if limits is not None:
            clauses.append(tree.either([_named(limit) for limit in limits]))
        return tree.both(clauses)

    async def known(self) -> Known:
        """All names there are, at most two seconds old."""
        now = self._clock.monotonic()
        if self._known is None or now - self._known[0] > _KEPT_S:
            own = Known(indices=await stream_names(self._store))
            self._known = (now, own if self._registry is None else _joined(own, await self._registry.known()))
        return self._known[1]


def _named(pattern: str) -> tree.Node:
    return tree.Wildcard(("_index",), pattern) if "*" in pattern else tree.Term(("_index",), (pattern,))


def limits_of(actor: Actor) -> tuple[str, ...] | None:
    """The patterns of streams that an actor is limited to; None: no limit. Raises `Forbidden`."""
    if not actor.may(Scope.LOGS_READ):
        actor.require(Scope.READ)
    if actor.apps is not None or actor.environments is not None:
        raise Forbidden(
            "this token is for some apps or environments only, logs are of all of them",
            hint="use a token without these limits",
        )
    return None if actor.streams is None else tuple(sorted(actor.streams))


def _joined(own: Known, told: Known) -> Known:
    indices = dict.fromkeys([*own.indices, *told.indices])
    return Known(
        indices=list(indices),
        aliases=told.aliases,
        data_streams=told.data_streams,
        hidden=told.hidden,
        closed=told.closed,
    )
