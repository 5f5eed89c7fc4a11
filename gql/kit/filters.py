"""`where`: typed operators for each kind of column, `and or not`, and through relations, as SQL over an alias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

import strawberry
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    ColumnElement,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.orm import RelationshipProperty, aliased
from strawberry import UNSET

from gql.kit.addresses import Address, keep
from gql.kit.kinds import Kind, kind_of, target_of
from gql.kit.naming import camel
from gql.kit.node import MIRRORED, parse_id
from gql.kit.relations import attributes, relations
from gql.kit.scalars import Json
from lango.errors import BadUserInput
from models.base import Base
from models.ddl import unbounded

Alias = Any
MAX_CONDITIONS = 100


@dataclass(frozen=True, slots=True)
class Operator:
    """What may be asked of a column. Only a leakproof one may run before the policies, and so use an index."""

    name: str
    doc: str
    sql: Callable[[Any, Any], ColumnElement[bool]]
    many: bool = False
    leakproof: bool = True


def _within(column: Any, values: list[Any]) -> ColumnElement[bool]:
    return column == any_(literal(values, ARRAY(column.type)))


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


EQ = Operator("eq", "Equal to it.", lambda c, v: c == v)
NE = Operator(
    "ne", "Not equal to it; null is not equal to anything.", lambda c, v: c.is_distinct_from(v), leakproof=False
)
IN = Operator("in", "Equal to one of them.", _within, many=True)
NOT_IN = Operator(
    "not_in", "Equal to none of them.", lambda c, v: _within(c, v).is_not(true()), many=True, leakproof=False
)
LT = Operator("lt", "Less than it.", lambda c, v: c < v)
LTE = Operator("lte", "Less than it, or equal to it.", lambda c, v: c <= v)
GT = Operator("gt", "Greater than it.", lambda c, v: c > v)
GTE = Operator("gte", "Greater than it, or equal to it.", lambda c, v: c >= v)
CONTAINS_TEXT = Operator(
    "contains", "Holds it, letter for letter.", lambda c, v: c.like(f"%{_like(v)}%", escape="\\"), leakproof=False
)
STARTS_WITH = Operator(
    "starts_with", "Begins with it, letter for letter.", lambda c, v: func.starts_with(cast(c, Text), v)
)
ILIKE = Operator(
    "ilike", "Matches the pattern, whatever the case: `%` is any text, `_` any letter.",
    lambda c, v: c.ilike(v), leakproof=False,
)  # fmt: skip
HAS = Operator("has", "Holds the value.", lambda c, v: c.contains([v]), leakproof=False)
OVERLAPS = Operator("overlaps", "Holds one of the values.", lambda c, v: c.overlap(v), many=True, leakproof=False)
CONTAINS_JSON = Operator("contains", "Contains this JSON, as `@>` does.", lambda c, v: c.contains(v), leakproof=False)
HAS_KEY = Operator(
    "has_key", "Is an object with this key, or an array with this text.", lambda c, v: c.has_key(v), leakproof=False
)

EQUALITY = (EQ, NE, IN, NOT_IN)
ORDER = (LT, LTE, GT, GTE)
OPERATORS: dict[str, tuple[Operator, ...]] = {
    "uuid": EQUALITY,
    "text": (*EQUALITY, CONTAINS_TEXT, STARTS_WITH, ILIKE),
    "choice": EQUALITY,
    "boolean": (EQ, NE),
    "int": (*EQUALITY, *ORDER),
    "big_int": (*EQUALITY, *ORDER),
    "decimal": (*EQUALITY, *ORDER),
    "moment": (*EQUALITY, *ORDER),
    "date": (*EQUALITY, *ORDER),
    "time": (*EQUALITY, *ORDER),
    "inet": EQUALITY,
    "json": (CONTAINS_JSON, HAS_KEY),
    "texts": (HAS, OVERLAPS),
    "uuids": (HAS, OVERLAPS),
    "choices": (HAS, OVERLAPS),
}
BY_NAME = {kind: {operator.name: operator for operator in operators} for kind, operators in OPERATORS.items()}
TITLES = {
    "uuid": "UUID", "text": "Text", "boolean": "Boolean", "int": "Int", "big_int": "BigInt", "decimal": "Decimal",
    "moment": "DateTime", "date": "Date", "time": "Time", "inet": "Inet", "json": "JSON", "texts": "TextList",
    "uuids": "UUIDList",
}  # fmt: skip
# PostgreSQL marks the comparison of numeric and inet as one that may tell what it sees.
NOT_LEAKPROOF = frozenset({"decimal", "inet"})


@cache
def filter_of(kind: Kind, *, ids: bool) -> type[Any]:
    """The input of a kind's operators; for keys, the operands are ids."""
    operand: Any = strawberry.ID if ids else kind.outer
    if ids:
        title = "ID"
    elif kind.choice:
        title = kind.choice.__name__ + ("List" if kind.many else "")
    else:
        title = TITLES[kind.name]
    listed = {}
    for operator in OPERATORS[kind.name]:
        wanted = str if operator is HAS_KEY else operand
        listed[operator.name] = (list[wanted] if operator.many else wanted, operator.doc)  # type: ignore[valid-type]
    listed["is_null"] = (bool, "Whether it is null.")
    return _input(f"{title}Filter", listed, f"What to ask of a {title}: all that is given must hold.")


def _input(name: str, listed: dict[str, tuple[Any, str]], description: str) -> type[Any]:
    namespace: dict[str, Any] = {"__annotations__": {}}
    for key, (annotation, doc) in listed.items():
        attribute = f"{key}_" if key in {"in", "and", "or", "not"} else key
        namespace["__annotations__"][attribute] = annotation | None
        namespace[attribute] = strawberry.field(default=UNSET, name=camel(key), description=doc)
    return keep(name, strawberry.input(type(name, (), namespace), name=name, description=description))


def where_of(model: type[Base]) -> type[Any]:
    """The input that filters a model's rows: its columns, its relations, and `and or not`."""
    name = f"{model.__name__}Where"
    listed: dict[str, tuple[Any, str]] = {}
    for attribute, column in attributes(model).items():
        ids = target_of(column) is not None or (column.primary_key and len(model.table().primary_key) == 1)
        listed[attribute] = (filter_of(kind_of(column), ids=ids and kind_of(column).name == "uuid"), column.doc or "")
    for relation in relations(model):
        target = relation.mapper.class_.__name__
        if target in MIRRORED:
            wanted = Address(f"{target}{'ListWhere' if relation.uselist else 'Where'}")
            listed[relation.key] = (wanted, relation.doc or "")
    listed["and"] = (list[Address(name)], "All of these hold.")  # type: ignore[misc]
    listed["or"] = (list[Address(name)], "One of these holds.")  # type: ignore[misc]
    listed["not"] = (Address(name), "This does not hold.")
    made = _input(name, listed, f"Which rows of {model.__name__} are wanted: all that is given must hold.")
    made.__model__ = model
    some = {
        "some": (Address(name), "At least one row is like this."),
        "none": (Address(name), "No row is like this."),
        "every": (Address(name), "No row is unlike this."),
    }
    _input(f"{model.__name__}ListWhere", some, f"What to ask of a list of {model.__name__}.")
    return made


def given(value: Any) -> dict[str, Any]:
    """What was given of an input, by attribute."""
    return {field.name: item for field in fields(value) if (item := getattr(value, field.name)) is not UNSET}


def the_one(value: Any) -> tuple[str, Any]:
    """The one field that was given of a oneOf input."""
    return next(
        (field.name, item) for field in fields(value) if (item := getattr(value, field.name)) not in (None, UNSET)
    )


def predicate(row: Alias, model: type[Base], where: Any) -> ColumnElement[bool]:
    """The condition over an alias of the model. Null where the input has null is refused: `isNull` asks for it."""
    columns, by_relation = attributes(model), {relation.key: relation for relation in relations(model)}
    parts: list[ColumnElement[bool]] = []
    for key, value in given(where).items():
        if value is None:
            raise BadUserInput(f"`{camel(key)}: null` filters nothing: leave it out, or ask `isNull: true`.")
        if key == "and_":
            parts += [predicate(row, model, item) for item in value]
        elif key == "or_":
            parts.append(or_(*[predicate(row, model, item) for item in value]) if value else literal(False, Boolean))
        elif key == "not_":
            parts.append(predicate(row, model, value).is_not(true()))
        elif key in columns:
            parts += _conditions(getattr(row, key), columns[key], model, key, value)
        else:
            parts.append(_related(row, by_relation[key], value))
    return and_(*parts) if parts else true()


def _conditions(
    expression: Any, column: Column[Any], model: type[Base], key: str, asked: Any
) -> list[ColumnElement[bool]]:
    kind = kind_of(column)
    target = target_of(column) or (model if column.primary_key and kind.name == "uuid" else None)
    parts = []
    for name, value in given(asked).items():
        operator_name = name.rstrip("_")
        if value is None:
            raise BadUserInput(f"`{camel(key)}: {{{camel(name)}: null}}` matches nothing: ask `isNull: true` instead.")
        if operator_name == "is_null":
            parts.append(expression.is_(None) if value else expression.is_not(None))
            continue
        operator = BY_NAME[kind.name][operator_name]
        parts.append(operator.sql(expression, _operand(value, operator, kind, target, key)))
    return parts


def _operand(value: Any, operator: Operator, kind: Kind, target: type[Base] | None, key: str) -> Any:
    if operator.many:
        if len(value) > 1000:
            raise BadUserInput(f"`{camel(key)}` takes at most 1000 values at once.")
        return [_operand(item, EQ, kind, target, key) for item in value]
    if isinstance(value, str) and not isinstance(value, Json) and "\0" in value:
        raise BadUserInput(f"`{camel(key)}` holds a NUL character, which no text in the database has.")
    if target is not None and kind.name == "uuid" and isinstance(value, str):
        return parse_id(target, value)[0]
    return value


def _related(row: Alias, relation: RelationshipProperty[Any], value: Any) -> ColumnElement[bool]:
    model = relation.mapper.class_
    if not relation.uselist:
        return _exists(row, relation, model, lambda other: predicate(other, model, value))
    parts = []
    for quantifier, inner in given(value).items():
        if inner is None:
            raise BadUserInput(f"`{camel(relation.key)}: {{{quantifier}: null}}` asks nothing: leave it out.")
        if quantifier == "every":
            found = _exists(row, relation, model, lambda other, w=inner: predicate(other, model, w).is_not(true()))
        else:
            found = _exists(row, relation, model, lambda other, w=inner: predicate(other, model, w))
        parts.append(found if quantifier == "some" else ~found)
    return and_(*parts) if parts else true()


def _exists(
    row: Alias,
    relation: RelationshipProperty[Any],
    model: type[Base],
    condition: Callable[[Alias], ColumnElement[bool]],
) -> ColumnElement[bool]:
    other = aliased(model)
    joined = [
        getattr(row, relation.parent.get_property_by_column(local).key)
        == getattr(other, relation.mapper.get_property_by_column(remote).key)
        for local, remote in relation.local_remote_pairs or ()
    ]
    return select(literal_column("1")).where(*joined, condition(other)).correlate(row).exists()


def check_size(where: Any) -> None:
    """Refuses a filter of too many conditions."""
    if where is not None and _count(where) > MAX_CONDITIONS:
        raise BadUserInput(f"A filter may have at most {MAX_CONDITIONS} conditions.")


def check_narrow(model: type[Base], where: Any, *, staff: bool) -> None:
    """Refuses a slow question about a table of which the caller sees without bound.

    Under policies only a leakproof operator on an indexed column can use the index; without one, the others would read
    every row there is. Staff may: they answer for the load.
    """
    check_size(where)
    if where is None or staff or not unbounded(model) or not _slow(model, where) or _narrows(model, where):
        return
    offered = ", ".join(
        sorted(camel(key) for key, column in attributes(model).items() if column.name in leading(model))
    )
    raise BadUserInput(
        f"This filter on {model.__name__} rows needs one more that narrows them first: add one of {offered} with "
        "`eq`, `in` or a range."
    )


@cache
def leading(model: type[Base]) -> frozenset[str]:
    """The columns by which an index finds rows."""
    table = model.table()
    first = {index.columns[0].name for index in table.indexes if len(index.columns) and not _is_gin(index)}
    keys = {list(key.columns)[0].name for key in table.constraints if len(getattr(key, "columns", ())) and _is_key(key)}
    return frozenset(str(name) for name in first | keys)


def _is_gin(index: Any) -> bool:
    return bool(index.dialect_options["postgresql"]["using"])


def _is_key(constraint: Any) -> bool:
    return type(constraint).__name__ in ("PrimaryKeyConstraint", "UniqueConstraint")


def _count(where: Any) -> int:
    total = 0
    for value in given(where).values():
        if isinstance(value, list):
            total += sum(_count(item) if is_dataclass(item) else 0 for item in value) or 1
        else:
            total += _count(value) if is_dataclass(value) else 1
    return total


def _slow(model: type[Base], where: Any) -> bool:
    columns = attributes(model)
    for key, value in given(where).items():
        if key in ("and_", "or_"):
            if any(_slow(model, item) for item in value or ()):
                return True
        elif (
            key == "not_"
            or key not in columns
            or (value is not None and not _leakproof(columns[key], value, all_of=True))
        ):
            return True
    return False


def _narrows(model: type[Base], where: Any) -> bool:
    columns = attributes(model)
    for key, value in given(where).items():
        if key == "and_" and any(_narrows(model, item) for item in value or ()):
            return True
        if key == "or_" and value and all(_narrows(model, item) for item in value):
            return True
        if key in columns and columns[key].name in leading(model) and value is not None:
            if _leakproof(columns[key], value, all_of=False):
                return True
    return False


def _leakproof(column: Column[Any], asked: Any, *, all_of: bool) -> bool:
    kind = kind_of(column)
    told = [
        kind.name not in NOT_LEAKPROOF and name != "is_null" and BY_NAME[kind.name][name.rstrip("_")].leakproof
        for name in given(asked)
        if not (all_of and name == "is_null")
    ]
    return all(told) if all_of else any(told)
