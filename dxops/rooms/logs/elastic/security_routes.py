"""Endpoints of credentials: who am I, and API keys, which are dxops' tokens."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dxops.rooms.logs.elastic.access import ApiKey, ApiKeys, Caller
from dxops.rooms.logs.elastic.administering import check_known, object_of, unauthorized
from dxops.rooms.logs.elastic.asking import Answer, Asked
from dxops.rooms.logs.elastic.reading import answered
from dxops.rooms.logs.registry import Registry
from dxops.rooms.logs.rolling import age_ms
from dxops.wire.elastic.errors import ElasticRefused, illegal_argument, resource_not_found
from dxops.wire.elastic.names import index_name_fault, matches_any, read_flag
from dxops.wire.name_patterns import name_matches

_READS: Final = frozenset({"read", "view_index_metadata", "monitor"})
_WRITES: Final = frozenset(
    {"write", "index", "create", "create_doc", "create_index", "auto_configure", "delete", "maintenance"}
)
_MANAGES: Final = frozenset(
    {"all", "manage", "manage_ilm", "manage_index_templates", "manage_ingest_pipelines", "manage_pipeline",
     "delete_index", "manage_data_stream_lifecycle"}
)  # fmt: skip
_MONITORS: Final = frozenset({"monitor", "read_ilm", "read_pipeline", "manage_own_api_key", "none"})


class SecurityRoutes:
    """`_security/_authenticate`, `_security/api_key`."""

    def __init__(self, registry: Registry, keys: ApiKeys) -> None:
        self._registry = registry
        self._keys = keys

    async def answer(self, asked: Asked) -> Answer | None:
        """None for what is not one of these endpoints."""
        match asked.path:
            case ("_security", "_authenticate") if asked.method in ("GET", "HEAD"):
                check_known(asked)
                return answered(asked, _identity(asked.caller))
            case ("_security", "user", "_has_privileges") if asked.method in ("GET", "POST"):
                return await self._has_privileges(asked)
            case ("_security", "api_key") if asked.method in ("POST", "PUT"):
                return await self._create(asked)
            case ("_security", "api_key") if asked.method in ("GET", "HEAD"):
                return await self._get(asked)
            case ("_security", "api_key") if asked.method == "DELETE":
                return await self._delete(asked)
        return None

    async def _create(self, asked: Asked) -> Answer:
        check_known(asked, "refresh")
        body = await object_of(asked, required=True)
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 100 or not name.isprintable():
            raise ElasticRefused(illegal_argument("api key name must not be null, empty or longer than 100 characters"))
        unknown = sorted(set(body) - {"name", "expiration", "role_descriptors", "metadata"})
        if unknown:
            raise ElasticRefused(illegal_argument(f"unknown field [{unknown[0][:100]}]"))
        caller = asked.caller
        reads, writes, manages, streams = wanted(body.get("role_descriptors"), caller)
        if not caller.may_manage:
            raise unauthorized(asked, "cluster:admin/xpack/security/api_key/create", "needs the scope logs:manage")
        expires_ms = None
        if body.get("expiration") is not None:
            expires_ms = self._registry.moment().now_ms + age_ms(body["expiration"], "expiration")
        id_, key = await self._keys.create(
            name.strip(), reads=reads, writes=writes, manages=manages, streams=streams, expires_ms=expires_ms
        )
        encoded = base64.b64encode(f"{id_}:{key}".encode()).decode()
        value: dict[str, Any] = {"id": id_, "name": name.strip()}
        if expires_ms is not None:
            value["expiration"] = expires_ms
        return answered(asked, {**value, "api_key": key, "encoded": encoded})

    async def _get(self, asked: Asked) -> Answer:
        check_known(asked, "id", "name", "owner", "username", "realm_name", "with_limited_by", "active_only",
                    "with_profile_uid")  # fmt: skip
        given = asked.parameters
        found = [
            key
            for key in await self._seen(asked.caller)
            if (not given.get("id") or key.id == given["id"])
            and (not given.get("name") or name_matches(given["name"], key.name))
            and not (key.revoked and read_flag("active_only", given.get("active_only", "false")))
        ]
        if given.get("id") and not found:
            raise ElasticRefused(resource_not_found(f"api key with id [{given['id']}] not found"))
        return answered(asked, {"api_keys": [_shown(key) for key in found]})

    async def _delete(self, asked: Asked) -> Answer:
        check_known(asked)
        body = await object_of(asked, required=True)
        ids = body.get("ids", [body["id"]] if "id" in body else [])
        name = body.get("name")
        if not isinstance(ids, list) or not (ids or name):
            raise ElasticRefused(illegal_argument("One of [ids] or [name] must be specified"))
        every = await self._seen(asked.caller)
        meant = [key for key in every if key.id in ids or (name and key.name == name)]
        if ids and not meant:
            raise ElasticRefused(resource_not_found(f"api key with id [{ids[0]}] not found"))
        await self._keys.revoke([key.id for key in meant])
        value = {
            "invalidated_api_keys": [key.id for key in meant if not key.revoked],
            "previously_invalidated_api_keys": [key.id for key in meant if key.revoked], "error_count": 0,
        }  # fmt: skip
        return answered(asked, value)

    async def _seen(self, caller: Caller) -> list[ApiKey]:
        """Who administers sees those of its person; any other key lies on some machine, and is shown itself alone."""
        every = await self._keys.listed()
        if caller.may_manage and caller.streams is None:
            return every
        return [key for key in every if key.id == caller.key_id]

    async def _has_privileges(self, asked: Asked) -> Answer:
        check_known(asked)
        body, caller = await object_of(asked, required=True), asked.caller
        cluster = {each: _has(caller, each, None) for each in _texts(body.get("cluster"))}
        index: dict[str, dict[str, bool]] = {}
        for each in _objects(body.get("index"), "index"):
            for name in _texts(each.get("names")):
                privileges = _texts(each.get("privileges"))
                index.setdefault(name, {}).update({one: _has(caller, one, name) for one in privileges})
        every = all(cluster.values()) and all(all(each.values()) for each in index.values())
        value = {
            "username": caller.label, "has_all_requested": every, "cluster": cluster, "index": index,
            "application": {},
        }  # fmt: skip
        return answered(asked, value)


def wanted(descriptors: object, caller: Caller) -> tuple[bool, bool, bool, tuple[str, ...] | None]:
    """(reads, writes, manages, streams) of `role_descriptors`; without any what the caller has. Raises `ElasticRefused`
    for what a token cannot express, and for more than the caller may."""
    if not descriptors:
        return caller.may_read, caller.may_write, caller.may_manage, caller.streams
    if not isinstance(descriptors, Mapping):
        raise ElasticRefused(illegal_argument("[role_descriptors] must be an object"))
    privileges: set[str] = set()
    streams: set[tuple[str, ...]] = set()
    cluster: set[str] = set()
    for role in descriptors.values():
        if not isinstance(role, Mapping):
            raise ElasticRefused(illegal_argument("a role descriptor must be an object"))
        cluster |= set(_texts(role.get("cluster")))
        for each in _objects(role.get("indices") or role.get("index"), "indices"):
            if each.get("query") or each.get("field_security"):
                reason = "document and field level security are not supported; limit a key to indices"
                raise ElasticRefused(illegal_argument(reason))
            privileges |= set(_texts(each.get("privileges")))
            streams.add(tuple(sorted(_texts(each.get("names")))))
    unknown = sorted((privileges - _READS - _WRITES - _MANAGES) | (cluster - _MANAGES - _MONITORS))
    if unknown:
        raise ElasticRefused(illegal_argument(f"unknown privilege [{unknown[0][:100]}]"))
    if len(streams) > 1:
        raise ElasticRefused(illegal_argument("one set of index names for all privileges: a key has one limit"))
    limit = next(iter(streams), ())
    manages = bool((privileges | cluster) & _MANAGES)
    every = manages and "all" in privileges
    return (
        *_allowed(caller, bool(privileges & _READS) or every, bool(privileges & _WRITES) or every, manages),
        _limit(limit, caller),
    )


def _allowed(caller: Caller, reads: bool, writes: bool, manages: bool) -> tuple[bool, bool, bool]:
    for asks, may, word in (
        (reads, caller.may_read, "read"),
        (writes, caller.may_write, "write"),
        (manages, caller.may_manage, "manage"),
    ):
        if asks and not may:
            raise ElasticRefused(illegal_argument(f"you may not {word}, so you may not give that away"))
    if not (reads or writes or manages):
        raise ElasticRefused(illegal_argument("the key would be allowed nothing"))
    return reads, writes, manages


def _limit(names: Sequence[str], caller: Caller) -> tuple[str, ...] | None:
    if not names or "*" in names:
        return caller.streams
    for name in names:
        why = index_name_fault(name.replace("*", "x"))
        if why is not None:
            raise ElasticRefused(illegal_argument(f"the index pattern [{name[:100]}] {why}"))
        if caller.streams is not None and not matches_any(name, caller.streams):
            raise ElasticRefused(illegal_argument(f"you may not use [{name[:100]}], so you may not give it away"))
    return tuple(names)


def _has(caller: Caller, privilege: str, name: str | None) -> bool:
    if name is not None and caller.streams is not None and not matches_any(name, caller.streams):
        return False
    if privilege in _READS | _MONITORS:
        return caller.may_read or privilege != "read"
    if privilege in _WRITES:
        return caller.may_write
    return privilege in _MANAGES and caller.may_manage and (name is not None or caller.streams is None)


def _identity(caller: Caller) -> dict[str, Any]:
    roles = [role for role, may in (("manage", caller.may_manage), ("write", caller.may_write),
                                    ("read", caller.may_read)) if may]  # fmt: skip
    realm = {"name": "dxops", "type": "native"}
    value: dict[str, Any] = {
        "username": caller.label, "roles": roles, "full_name": None, "email": None,
        "metadata": {} if caller.streams is None else {"streams": list(caller.streams)}, "enabled": True,
        "authentication_realm": realm, "lookup_realm": realm,
        "authentication_type": "realm" if caller.key_id is None else "api_key",
    }  # fmt: skip
    return value if caller.key_id is None else {**value, "api_key": {"id": caller.key_id, "name": caller.label}}


def _shown(key: ApiKey) -> dict[str, Any]:
    value: dict[str, Any] = {
        "id": key.id, "name": key.name, "type": "rest", "creation": key.created_ms, "invalidated": key.revoked,
        "username": key.owner, "realm": "dxops", "metadata": {},
    }  # fmt: skip
    return value if key.expires_ms is None else {**value, "expiration": key.expires_ms}


def _objects(value: object, name: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise ElasticRefused(illegal_argument(f"[{name}] must be a list of objects"))
    return value


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ElasticRefused(illegal_argument("names and privileges must be texts"))
    return found
