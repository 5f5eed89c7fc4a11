"""`where`: typed operators for each kind of column, `and or not`, and through relations, as SQL over an alias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import strawberry
from sqlalchemy import ARRAY as ANY_ARRAY
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Numeric,
    Select,
    String,
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
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.types import TypeEngine
from strawberry import UNSET

from gql.kit.aliases import Row
from gql.kit.deferred_values import changed, decided
from gql.kit.kinds import Kind, kind_of, target_of
from gql.kit.naming import camel
from gql.kit.node import parse_id
from gql.kit.relations import attributes, ends, is_staff_only, relations
from gql.kit.scalars import Json
from gql.kit.type_registry import TypeReference, register
from gql.kit.types import Field, Input, input_type
from lango.errors import BadUserInput
from lango.graphql.time_slices import pause
from models.base import Base

Alias = Any


def _of_column(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind


def _text(_: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text()


@dataclass(frozen=True, slots=True)
class Operator:
    """What may be asked of a column. Only a leakproof one may run before the policies, and so use an index.

    `sql` takes the column and the parameter; the parameter's type is `type_of` that of the column, its value what
    `value` makes of the operand.
    """

    name: str
    doc: str
    sql: Callable[[Any, Any], ColumnElement[bool]]
    many: bool = False
    leakproof: bool = True
    type_of: Callable[[TypeEngine[Any]], TypeEngine[Any]] = _of_column
    value: Callable[[Any], Any] | None = None


def _within(column: Any, values: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column == any_(values)
    return found


def _containing(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


EQ = Operator("eq", "Equal to it.", lambda c, v: c == v)
NE = Operator(
    "ne", "Not equal to it; null is not equal to anything.", lambda c, v: c.is_distinct_from(v), leakproof=False
)
IN = Operator("in", "Equal to one of them.", _within, many=True, type_of=ARRAY)
NOT_IN = Operator(
    "not_in", "Equal to none of them.", lambda c, v: _within(c, v).is_not(true()), many=True, leakproof=False,
    type_of=ARRAY,
)  # fmt: skip
LT = Operator("lt", "Less than it.", lambda c, v: c < v)
LTE = Operator("lte", "Less than it, or equal to it.", lambda c, v: c <= v)
GT = Operator("gt", "Greater than it.", lambda c, v: c > v)
GTE = Operator("gte", "Greater than it, or equal to it.", lambda c, v: c >= v)
CONTAINS_TEXT = Operator(
    "contains", "Holds it, letter for letter.", lambda c, v: c.like(v, escape="\\"), leakproof=False,
    value=_containing,
)  # fmt: skip
STARTS_WITH = Operator(
    "starts_with", "Begins with it, letter for letter.", lambda c, v: func.starts_with(cast(c, Text), v), type_of=_text
)
ILIKE = Operator(
    "ilike", "Matches the pattern, whatever the case: `%` is any text, `_` any letter.",
    lambda c, v: c.ilike(v), leakproof=False,
)  # fmt: skip
HAS = Operator("has", "Holds the value.", lambda c, v: c.contains(v), leakproof=False, value=lambda value: [value])
OVERLAPS = Operator("overlaps", "Holds one of the values.", lambda c, v: c.overlap(v), many=True, leakproof=False)
CONTAINS_JSON = Operator("contains", "Contains this JSON, as `@>` does.", lambda c, v: c.contains(v), leakproof=False)
HAS_KEY = Operator(
    "has_key", "Is an object with this key, or an array with this text.", lambda c, v: c.has_key(v), leakproof=False,
    type_of=_text,
)  # fmt: skip

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


# Words of Python, which a filter's attributes end in an underscore to avoid.
RESERVED = frozenset({"in", "and", "or", "not"})


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
    fields = [
        Field(f"{key}_" if key in RESERVED else key, annotation | None, name=camel(key), description=doc, default=UNSET)
        for key, (annotation, doc) in listed.items()
    ]
    return register(name, input_type(name, fields, description=description))


def where_of(model: type[Base]) -> type[Any]:
    """The input that filters a model's rows: its columns, its relations, and `and or not`."""
    name = f"{model.__name__}Where"
    listed: dict[str, tuple[Any, str]] = {}
    for attribute, column in attributes(model).items():
        if is_staff_only(column):
            continue
        ids = target_of(column) is not None or (column.primary_key and len(model.table().primary_key) == 1)
        listed[attribute] = (filter_of(kind_of(column), ids=ids and kind_of(column).name == "uuid"), column.doc or "")
    for relation in relations(model):
        if is_staff_only(model.__mapper__.columns[ends(relation)[0]]):
            continue
        wanted = TypeReference(f"{relation.mapper.class_.__name__}{'ListWhere' if relation.uselist else 'Where'}")
        listed[relation.key] = (wanted, relation.doc or "")
    listed["and"] = (list[TypeReference(name)], "All of these hold.")  # type: ignore[misc]
    listed["or"] = (list[TypeReference(name)], "One of these holds.")  # type: ignore[misc]
    listed["not"] = (TypeReference(name), "This does not hold.")
    made = _input(name, listed, f"Which rows of {model.__name__} are wanted: all that is given must hold.")
    some = {
        "some": (TypeReference(name), "At least one row is like this."),
        "none": (TypeReference(name), "No row is like this."),
        "every": (TypeReference(name), "No row is unlike this."),
    }
    _input(f"{model.__name__}ListWhere", some, f"What to ask of a list of {model.__name__}.")
    return made


def given(value: Input) -> dict[str, Any]:
    """What was given of an input, by attribute, in the order of its fields."""
    return {name: item for name in value.__attributes__ if (item := getattr(value, name)) is not UNSET}


def the_one(value: Input) -> tuple[str, Any]:
    """The one field that was given of a oneOf input."""
    return next((name, item) for name, item in given(value).items() if item is not None)


def predicate(row: Alias, model: type[Base], where: Any) -> ColumnElement[bool]:
    """The condition over an alias of the model. Null where the input has null is refused: `isNull` asks for it."""
    columns, by_relation = attributes(model), {relation.key: relation for relation in relations(model)}
    parts: list[ColumnElement[bool]] = []
    for key, value in given(where).items():
        pause()
        if value is None:
            raise BadUserInput(f"`{camel(key)}: null` filters nothing: leave it out, or ask `isNull: true`.")
        if key == "and_":
            parts += [predicate(row, model, item) for item in value]
        elif key == "or_":
            parts.append(or_(*[predicate(row, model, item) for item in value]) if value else literal(False, Boolean))
        elif key == "not_":
            parts.append(_unlike(row, model, value))
        elif key in columns:
            expression = type_coerce(getattr(row, key), operand_type(columns[key].type))
            parts += _conditions(expression, columns[key], model, key, value)
        else:
            parts.append(_related(row, by_relation[key], value))
    return and_(*parts) if parts else true()


def operand_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of what a column is compared with: to the column's own length or scale PostgreSQL would cut it."""
    if isinstance(kind, ANY_ARRAY):
        return ARRAY(operand_type(kind.item_type))
    if isinstance(kind, Numeric):
        return Numeric()
    return String() if isinstance(kind, String) and not isinstance(kind, Text) else kind


def _conditions(
    expression: Any, column: Column[Any], model: type[Base], key: str, filter_: Any
) -> list[ColumnElement[bool]]:
    kind = kind_of(column)
    target = target_of(column) or (model if column.primary_key and kind.name == "uuid" else None)
    parts = []
    for name, value in given(filter_).items():
        operator_name = name.rstrip("_")
        if value is None:
            raise BadUserInput(f"`{camel(key)}: {{{camel(name)}: null}}` matches nothing: ask `isNull: true` instead.")
        if operator_name == "is_null":
            parts.append(expression.is_(None) if decided(value) else expression.is_not(None))
            continue
        operator = BY_NAME[kind.name][operator_name]
        operand = changed(value, partial(_operand, operator=operator, kind=kind, target=target, key=key))
        parts.append(operator.sql(expression, literal(operand, operator.type_of(expression.type))))
    return parts


def _operand(value: Any, operator: Operator, kind: Kind, target: type[Base] | None, key: str) -> Any:
    if operator.many:
        if len(value) > 1000:
            raise BadUserInput(f"`{camel(key)}` takes at most 1000 values at once.")
        return [_operand(item, EQ, kind, target, key) for item in value]
    checked = _checked(value, operator, kind, target, key)
    return checked if operator.value is None else operator.value(checked)


def _checked(value: Any, operator: Operator, kind: Kind, target: type[Base] | None, key: str) -> Any:
    if isinstance(value, str) and not isinstance(value, Json) and "\0" in value:
        raise BadUserInput(f"`{camel(key)}` holds a NUL character, which no text in the database has.")
    if operator is ILIKE and (len(value) - len(value.rstrip("\\"))) % 2:
        raise BadUserInput(f"`{camel(key)}` ends in a lone backslash, which escapes nothing: write it twice.")
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
        wanted = partial(_unlike if quantifier == "every" else predicate, model=model, where=inner)
        found = _exists(row, relation, model, wanted)
        parts.append(found if quantifier == "some" else ~found)
    return and_(*parts) if parts else true()


def _unlike(row: Alias, model: type[Base], where: Any) -> ColumnElement[bool]:
    return predicate(row, model, where).is_not(true())


def _exists(
    row: Alias,
    relation: RelationshipProperty[Any],
    model: type[Base],
    condition: Callable[[Alias], ColumnElement[bool]],
) -> ColumnElement[bool]:
    other = Row.of(model)
    joined = [
        getattr(row, relation.parent.get_property_by_column(local).key)
        == getattr(other, relation.mapper.get_property_by_column(remote).key)
        for local, remote in relation.local_remote_pairs or ()
    ]
    found: Select[Any] = select(literal_column("1")).where(*joined, condition(other)).correlate(row)
    if model.__face__ is not None:
        # As a join it would read the whole view, whose barrier lets nothing through, to compare it with a few rows.
        found = found.offset(literal_column("0"))
    return found.exists()
