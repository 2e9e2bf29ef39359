"""Updates: `{"doc": {…}, "upsert": {…}, "doc_as_upsert": true, "detect_noop": true, "_source": …}` and what they make.

What an update does not touch keeps its bytes: only objects on the way to a change are written anew.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dxops.wire.elastic.documents import BadSource, read_document, write_document
from dxops.wire.elastic.errors import ElasticRefused, dumps
from dxops.wire.es.errors import EsError
from dxops.wire.es.fields import SourceFilter, parse_source

_NOTHING = msgspec.Raw(b"")


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """`upsert` is the document to make where there is none (None: that is an error). `shown`: what of the document goes
    into the answer, None for nothing."""

    doc: bytes
    upsert: bytes | None
    detect_noop: bool
    shown: SourceFilter | None = None


class _Body(msgspec.Struct):
    doc: msgspec.Raw = _NOTHING
    upsert: msgspec.Raw = _NOTHING
    doc_as_upsert: bool = False
    detect_noop: bool = True
    shown: Any = msgspec.field(name="_source", default=None)


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_update(source: bytes) -> Update:
    """An update's source, which bulk has checked. Raises `BadSource` for an option that cannot be read."""
    try:
        body = _decode_body(source)
        shown = None if body.shown is None else parse_source(body.shown)
    except (msgspec.MsgspecError, EsError) as error:
        raise BadSource(str(error)) from None
    doc, upsert = bytes(body.doc).strip(), bytes(body.upsert).strip()
    if body.doc_as_upsert:
        upsert = doc
    return Update(
        doc=doc,
        upsert=upsert if upsert[:1] == b"{" else None,
        detect_noop=body.detect_noop,
        shown=shown if shown is not None and shown.enabled else None,
    )


def merged(current: bytes, doc: bytes, *, detect_noop: bool) -> bytes | None:
    """The document after the update; None where nothing would change and that is to be noticed.

    Objects are merged, everything else is replaced, arrays as a whole. Raises `BadSource`.
    """
    if detect_noop and not _changes(read_document(current), read_document(doc)):
        return None
    try:
        return _merged(current, doc)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):  # lone surrogates, or nested very deep
        try:
            return write_document(_merged_values(read_document(current), read_document(doc)))
        except RecursionError:
            raise BadSource("nested too deep to be merged") from None


def _merged(current: bytes, doc: bytes) -> bytes:
    mine = _decode_object(current)
    for name, value in _decode_object(doc).items():
        before = mine.get(name)
        if before is not None and _is_object(before) and _is_object(value):
            mine[name] = msgspec.Raw(_merged(bytes(before), bytes(value)))
        else:
            mine[name] = value
    return msgspec.json.encode(mine)


def _is_object(raw: msgspec.Raw) -> bool:
    return bytes(raw).lstrip()[:1] == b"{"


def _merged_values(current: dict[str, Any], doc: dict[str, Any]) -> dict[str, Any]:
    for name, value in doc.items():
        before = current.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            current[name] = _merged_values(before, value)
        else:
            current[name] = value
    return current


def _changes(current: dict[str, Any], doc: dict[str, Any]) -> bool:
    """Whether any value of `doc` is another one in `current`; what cannot be compared counts as another one."""
    for name, value in doc.items():
        if name not in current:
            return True
        before = current[name]
        if isinstance(before, dict) and isinstance(value, dict):
            if _changes(before, value):
                return True
        else:
            try:
                if dumps(before) != dumps(value):
                    return True
            except ElasticRefused:
                return True
    return False
