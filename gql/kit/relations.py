"""What of a model is shown outside: the columns that are not secret, and the relations it declares."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import RelationshipProperty

from models.base import Base
from models.columns import SECRET, STAFF_ONLY


@cache
def attributes(model: type[Base]) -> dict[str, Column[Any]]:
    """The columns that are shown, by attribute."""
    mapper = model.__mapper__
    shown = (column for column in model.table().columns if not column.info.get(SECRET))
    return {mapper.get_property_by_column(column).key: column for column in shown}


@cache
def relations(model: type[Base]) -> tuple[RelationshipProperty[Any], ...]:
    """The relations in the order in which the model declares them, those to internal tables left out."""
    declared = list(model.__annotations__)
    shown = (relation for relation in model.__mapper__.relationships if not is_internal(relation.mapper.class_))
    return tuple(sorted(shown, key=lambda relation: declared.index(relation.key)))


def is_internal(model: type[Base]) -> bool:
    """Whether no request role is granted anything on it."""
    return model.__access__ is None and model.__face__ is None


@cache
def is_staff_only(column: Column[Any]) -> bool:
    return bool(column.info.get(STAFF_ONLY))


def undeferred(model: type[Base], *, staff: bool) -> list[str]:
    """What of a model is read besides the ordinary columns: what only staff see."""
    return [key for key, column in attributes(model).items() if is_staff_only(column)] if staff else []


def ends(relation: RelationshipProperty[Any]) -> tuple[str, str]:
    """The attributes that a relation joins: the one here and the one there."""
    ((local, remote),) = relation.local_remote_pairs or ()
    return relation.parent.get_property_by_column(local).key, relation.mapper.get_property_by_column(remote).key
