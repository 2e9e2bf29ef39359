"""Modules of `dxos.config.Package`, to and from the plain JSON that releases keep."""

from __future__ import annotations

from typing import Any, Final

import libipld
from google.protobuf.json_format import Error as JsonError
from google.protobuf.json_format import MessageToDict, ParseDict

from dxops.base.errors import Refused
from dxops.wire.proto import dx_pb2 as dx

_MAX_CID_BYTES: Final = 128


def record_of(module: dx.Module) -> dict[str, object]:
    """The module as camelCase JSON, without its bundle. Raises `Refused` for values that JSON cannot hold (NaN)."""
    copy = dx.Module()
    copy.CopyFrom(module)
    copy.ClearField("bundle")
    try:
        record: dict[str, Any] = MessageToDict(copy)
    except (JsonError, ValueError) as error:
        raise Refused(f"module '{module.name}' has a value that JSON cannot hold: {error}", field="build.env") from None
    return record


def module_of(record: dict[str, object], *, name: str, cid: str, version: str) -> dx.Module:
    """The module that `record_of` described, with what is live put in: its name, bundle and version."""
    module = dx.Module()
    ParseDict(record, module, ignore_unknown_fields=True)
    module.name = name
    module.bundle = cid_bytes(cid)
    if not module.build.version:
        module.build.version = version
    return module


def public_record(record: dict[str, object]) -> dict[str, object]:
    """What of a record everyone may see: all but the build's environment, which may hold keys."""
    build = record.get("build")
    if not isinstance(build, dict) or "env" not in build:
        return record
    return {**record, "build": {key: value for key, value in build.items() if key != "env"}}


def bundle_cid(module: dx.Module) -> str:
    """The bundle's CID as text. Raises `Refused` where there is none or it is not one."""
    data = module.bundle
    if not data:
        raise Refused(f"module '{module.name}' has no bundle", field="bundle", hint="upload its output before Publish")
    try:
        if len(data) > _MAX_CID_BYTES:
            raise ValueError("too long")
        if data[:2] == b"\x12\x20" and len(data) == 34:
            return str(libipld.encode_multibase("z", data))[1:]
        if data[0] != 1:
            raise ValueError("not version 1")
        text = str(libipld.encode_cid(data))
        if cid_bytes(text) != data:  # trailing bytes, over-long varints
            raise ValueError("not canonical")
    except (ValueError, KeyError, IndexError):
        raise Refused(f"the bundle of module '{module.name}' is not a CID", field="bundle") from None
    return text


def cid_bytes(cid: str) -> bytes:
    """The binary form of a CID in text. Raises `ValueError` for a text that is not one."""
    libipld.decode_cid(cid)  # decode_multibase alone would take any multibase text
    return bytes(libipld.decode_multibase(f"z{cid}" if cid.startswith("Qm") else cid)[1])
