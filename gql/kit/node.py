"""Global ids and the Node interface: one key for every object, whatever table it is in."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import Column
from sqlalchemy import types as sql

from gql.kit.scalars import CANONICAL_UUID
from lango.errors import BadUserInput
from models.base import Base

# Every mirrored model by the name of its type: what a global id may name.
MIRRORED: dict[str, type[Base]] = {}


@strawberry.interface(description="An object with an id of its own, to be read again by `node`.")
class Node:
    id: strawberry.ID = strawberry.field(description="The object's global id.")

    @classmethod
    def resolve_type(cls, value: Any, *_: Any) -> str:
        return type(value).__name__


@cache
def key_columns(model: type[Base]) -> tuple[Column[Any], ...]:
    return tuple(model.table().primary_key.columns)


def key_of(row: Base) -> tuple[Any, ...]:
    mapper = type(row).__mapper__
    return tuple(getattr(row, mapper.get_property_by_column(column).key) for column in mapper.primary_key)


def global_id(model: type[Base], key: tuple[Any, ...]) -> strawberry.ID:
    """The type's name and the key's parts, in base64."""
    parts = ",".join(part.isoformat() if isinstance(part, datetime) else str(part) for part in key)
    return strawberry.ID(base64.b64encode(f"{model.__name__}:{parts}".encode()).decode())


def parse_global_id(text: str) -> tuple[type[Base], tuple[Any, ...]]:
    """The model and the key that a global id names. Raises BadUserInput."""
    try:
        name, _, parts = base64.b64decode(text, validate=True).decode().partition(":")
        model = MIRRORED[name]
    except (binascii.Error, ValueError, KeyError):
        raise BadUserInput(f"“{text[:80]}” is no id of this API.") from None
    return model, _parse_key(model, parts.split(",") if len(key_columns(model)) > 1 else [parts], text)


def parse_id(model: type[Base], text: str) -> tuple[Any, ...]:
    """The key in an id of this type: a global id of it, or the raw key where that is one column."""
    columns = key_columns(model)
    if len(columns) == 1 and (CANONICAL_UUID.fullmatch(text) or not isinstance(columns[0].type, sql.Uuid)):
        if isinstance(columns[0].type, sql.Uuid):
            return (UUID(text),)
        try:
            named, key = parse_global_id(text)
        except BadUserInput:
            return _parse_key(model, [text], text)
    else:
        named, key = parse_global_id(text)
    if named is not model:
        raise BadUserInput(
            f"“{text[:80]}” is the id of a {named.__name__}; here the id of a {model.__name__} is wanted."
        )
    return key


def key_from(model: type[Base], parts: list[str]) -> tuple[Any, ...]:
    """The key whose parts were written as text."""
    return tuple([parse(part) for parse, part in zip(_parsers(model), parts, strict=True)])


def _parse_key(model: type[Base], parts: list[str], text: str) -> tuple[Any, ...]:
    columns = key_columns(model)
    if len(parts) == len(columns):
        try:
            return key_from(model, parts)
        except (ValueError, OverflowError):
            pass
    raise BadUserInput(f"“{text[:80]}” is no id of this API.")


@cache
def _parsers(model: type[Base]) -> tuple[Callable[[str], Any], ...]:
    """What reads each part of a key. Raises ValueError, and OverflowError for a moment."""
    return tuple(_parser(column) for column in key_columns(model))


def _parser(column: Column[Any]) -> Callable[[str], Any]:
    if isinstance(column.type, sql.Uuid):
        return _uuid
    return _moment if isinstance(column.type, sql.DateTime) else _text


def _uuid(part: str) -> UUID:
    if not CANONICAL_UUID.fullmatch(part):
        raise ValueError(part)
    return UUID(part)


def _moment(part: str) -> datetime:
    moment = datetime.fromisoformat(part)
    if moment.tzinfo is None:
        raise ValueError(part)
    return moment.astimezone(UTC)


def _text(part: str) -> str:
    if "\0" in part:
        raise ValueError(part)
    return part
