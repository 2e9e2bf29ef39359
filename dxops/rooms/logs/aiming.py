"""Where the operations of a batch go: aliases to write indices, and what a caller may not write to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dxops.rooms.logs.catalog import Catalog
from dxops.rooms.logs.naming import write_target
from dxops.wire.elastic.bulk import Bulk
from dxops.wire.elastic.bulk_actions import Action
from dxops.wire.elastic.errors import ElasticRefused, Fault, index_not_found, security
from dxops.wire.elastic.names import matches_any


def aim(bulk: Bulk, catalog: Catalog, patterns: Sequence[str] | None = None) -> set[str]:
    """Give each operation the stream that it goes to, or the fault that fails it; the streams that get documents.

    Again changes nothing, so it may follow whatever else changes `_index`. `patterns`: the caller may write to these
    streams only.
    """
    distinct = {id(action): action for action in bulk.distinct()}
    every = {key: _aimed(action, catalog, patterns) for key, action in distinct.items()}
    if any(every[key] is not action for key, action in distinct.items()):
        for place, action in enumerate(bulk.actions):
            found = every[id(action)]
            if isinstance(found, Fault):
                bulk.errors.setdefault(place, found)
            else:
                bulk.actions[place] = found
        bulk.known = None
    if bulk.uniform is not None:
        (found,) = every.values()
        bulk.uniform = bulk.uniform if isinstance(found, Fault) else found
    return {
        found.index
        for found in every.values()
        if not isinstance(found, Fault) and found.fault is None and found.op != "delete"
    }


def _aimed(action: Action, catalog: Catalog, patterns: Sequence[str] | None) -> Action | Fault:
    name = action.index
    if action.fault is not None:
        return action
    try:
        target = write_target(catalog, name)
    except ElasticRefused as error:
        return error.fault
    if patterns is not None and not matches_any(target, patterns):
        return security(
            f"this credential is limited to [{','.join(patterns)}] and may not write to [{name}]", status=403
        )
    if action.require_alias and name not in catalog.aliases:
        return _required(name, "require_alias", "an alias")
    stream = catalog.streams.get(target)
    if action.require_data_stream and (stream is None or stream.kind != "data_stream"):
        return _required(name, "require_data_stream", "a data stream")
    return action if target == name else msgspec.structs.replace(action, index=target, require_alias=False)


def _required(name: str, flag: str, what: str) -> Fault:
    reason = f"no such index [{name}] and [{flag}] request flag is [true] and [{name}] is not {what}"
    return msgspec.structs.replace(index_not_found(name), reason=reason)
