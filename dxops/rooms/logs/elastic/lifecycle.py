"""Endpoints of ILM policies, and what they say of an index. The job `keeping` carries them out."""

from __future__ import annotations

from typing import Any, Final

from dxops.rooms.logs.catalog import Catalog, Stream
from dxops.rooms.logs.describing import delete_definitions, put_definition
from dxops.rooms.logs.elastic.administering import (
    acknowledged,
    check_definition_name,
    check_known,
    chosen,
    may_manage_all,
    may_put,
    object_of,
    plain_missing,
    stream_or_unknown,
)
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.indices import concrete
from dxops.rooms.logs.elastic.reading import Names, answered, may_read
from dxops.rooms.logs.policies import check_policy, phase_of, policy_name, rollover_target, used_by
from dxops.rooms.logs.registry import Registry
from dxops.wire.elastic.cat import human_ms
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument, resource_not_found
from dxops.wire.elastic.names import read_flag, read_options
from dxops.wire.elastic.times import format_ms

ILM: Final = "ilm"


class Lifecycle:
    """`_ilm/policy`, `_ilm/status`, `start`, `stop`, `/{index}/_ilm/explain`."""

    def __init__(self, registry: Registry, names: Names) -> None:
        self._registry = registry
        self._names = names

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        method, get = asked.method, asked.method in ("GET", "HEAD")
        match asked.path:
            case ("_ilm", "policy") if get:
                return await self._get(asked, "")
            case ("_ilm", "policy", name) if get:
                return await self._get(asked, name)
            case ("_ilm", "policy", name) if method == "PUT":
                return await self._put(asked, name)
            case ("_ilm", "policy", name) if method == "DELETE":
                return await self._delete(asked, name)
            case ("_ilm", "status") if get:
                check_known(asked)
                return answered(asked, {"operation_mode": operation_mode(self._registry.catalog)})
            case ("_ilm", "start" | "stop" as what) if method == "POST":
                return await self._switch(asked, "RUNNING" if what == "start" else "STOPPED")
            case (index, "_ilm", "explain") if get:
                return await self._explain(asked, index)
        return None

    async def _get(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        catalog = self._registry.catalog
        names = chosen(catalog.policy, name)
        missing = plain_missing(catalog.policy, name)
        if missing:
            raise ElasticRefused(resource_not_found(f"Lifecycle policy not found: {','.join(missing)}"))
        value = {}
        for key in names:
            each = catalog.policy[key]
            value[key] = {
                "version": each.version, "modified_date": format_ms(each.modified_ms), **each.body,
                "in_use_by": self._seen_users(asked, catalog, key),
            }  # fmt: skip
        return answered(asked, value)

    def _seen_users(self, asked: Asked, catalog: Catalog, policy: str) -> dict[str, Any]:
        """Nothing of streams that a limited caller does not see."""
        if asked.caller.streams is not None:
            return {"indices": [], "data_streams": [], "composable_templates": []}
        return dict(used_by(catalog, policy))

    async def _put(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        check_definition_name(name)
        body = await object_of(asked, required=True)
        check_policy(name, body)
        may_put(asked, self._registry.catalog, "policy", name, body)
        await self._registry.change(
            lambda catalog: put_definition(catalog, "policy", name, body, self._registry.moment().now_ms),
            deed="logs.policy.put",
            of=name,
        )
        return acknowledged(asked)

    async def _delete(self, asked: Asked, name: str) -> Answer:
        check_known(asked)
        may_manage_all(asked, "cluster:admin/ilm/delete")

        def made(catalog: Catalog) -> Catalog:
            if name not in catalog.policy:
                raise ElasticRefused(resource_not_found(f"Lifecycle policy not found: {name}"))
            users = used_by(catalog, name)
            streams = [*users["indices"], *users["data_streams"]]
            if streams:
                shown = ", ".join(streams[:10])
                reason = f"Cannot delete policy [{name}]. It is in use by one or more indices: [{shown}]"
                raise ElasticRefused(illegal_argument(reason))
            return delete_definitions(catalog, "policy", [name])

        await self._registry.change(made, deed="logs.policy.deleted", of=name)
        return acknowledged(asked)

    async def _switch(self, asked: Asked, mode: str) -> Answer:
        check_known(asked)
        may_manage_all(asked, "cluster:admin/ilm/operation_mode/set")
        body = {"operation_mode": mode}
        await self._registry.change(
            lambda catalog: put_definition(catalog, "cluster", ILM, body, self._registry.moment().now_ms),
            deed="logs.ilm.switched",
            of=mode,
        )
        return acknowledged(asked)

    async def _explain(self, asked: Asked, index: str) -> Answer:
        check_known(asked, "only_managed", "only_errors")
        may_read(asked)
        catalog, now_ms = self._registry.catalog, self._registry.moment().now_ms
        only_managed = read_flag("only_managed", asked.parameters.get("only_managed", "false"))
        found = await self._names.resolved(index, read_options(asked.parameters))
        value = {}
        for stream in (stream_or_unknown(catalog, name) for name in found.streams):
            if only_managed and policy_name(stream) is None:
                continue
            for name, settings in concrete(stream, found.indices):
                newest = stream.kind == "index" or name == stream.backing[-1].name
                created_ms = int(settings["index.creation_date"])
                value[name] = explained(catalog, stream, name, created_ms, now_ms, newest=newest)
        return answered(asked, {"indices": value})


def operation_mode(catalog: Catalog) -> str:
    """`RUNNING`, or `STOPPED`: nothing is to be rolled over or deleted by a policy."""
    stored = catalog.cluster.get(ILM)
    return "RUNNING" if stored is None else str(stored.body.get("operation_mode", "RUNNING"))


def explained(
    catalog: Catalog, stream: Stream, index: str, created_ms: int, now_ms: int, *, newest: bool
) -> dict[str, Any]:
    """What ILM says of one index. It counts its age from when it was rolled over, if it was."""
    name = policy_name(stream)
    if name is None:
        return {"index": index, "managed": False}
    since = max(stream.rollovers.values(), default=created_ms)
    later = [each.created_ms for each in stream.backing if each.created_ms > created_ms]
    since = min(later) if later else since
    value: dict[str, Any] = {
        "index": index, "managed": True, "policy": name, "index_creation_date_millis": created_ms,
        "time_since_index_creation": human_ms(max(0, now_ms - created_ms)), "lifecycle_date_millis": since,
        "age": human_ms(max(0, now_ms - since)),
    }  # fmt: skip
    definition = catalog.policy.get(name)
    if definition is None:
        reason = f"policy [{name}] does not exist"
        error = {"type": "illegal_argument_exception", "reason": reason}
        return {**value, "step": "ERROR", "step_info": error}
    phase, begins = phase_of(definition.body["policy"], now_ms - since)
    rolls = (
        newest
        and not stream.rollovers
        and "rollover" in (definition.body["policy"].get("phases", {}).get(phase, {}).get("actions") or {})
    )
    if rolls and rollover_target(catalog, stream) is None:
        reason = f"setting [index.lifecycle.rollover_alias] of index [{index}] is no alias whose write index this is"
        error = {"type": "illegal_argument_exception", "reason": reason}
        return {**value, "phase": phase, "action": "rollover", "step": "ERROR", "step_info": error}
    return {
        **value, "phase": phase, "phase_time_millis": since + begins, "action": "rollover" if rolls else "complete",
        "action_time_millis": since + begins, "step": "check-rollover-ready" if rolls else "complete",
        "step_time_millis": since + begins,
        "phase_execution": {
            "policy": name, "phase_definition": definition.body["policy"].get("phases", {}).get(phase),
            "version": definition.version, "modified_date_in_millis": definition.modified_ms,
        },
    }  # fmt: skip
