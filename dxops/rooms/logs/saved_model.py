"""Values of saved searches."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import msgspec

MOST: Final = 1_000
"""Searches that one owner can have."""

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=65_536)]
Params: TypeAlias = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=100)], Text | list[Text]], msgspec.Meta(max_length=50)
]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A saved search as it is stored."""

    id: str
    name: str
    params: dict[str, str | list[str]]
    shared: bool
    owner_kind: str
    owner_id: str
    owner_name: str
    at: datetime


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A saved search as it is shown. `params` are the URL parameters of the page; `by` its owner's name; `mine` that it
    is the asking one's, `may_change` that they may change and delete it."""

    id: str
    name: str
    params: dict[str, str | list[str]]
    by: str
    at: datetime
    shared: bool
    mine: bool
    may_change: bool


class SearchToSave(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to save. `shared`: everybody who may read logs sees it."""

    name: Name
    params: Params
    shared: bool = False
