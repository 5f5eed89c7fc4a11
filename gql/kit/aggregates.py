"""Aggregates: counts, sums and extremes of a list, by columns and by time, under the same policies as its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from operator import methodcaller
from typing import Any

import strawberry
from sqlalchemy import (
    Column,
    ColumnElement,
    Date,
    Numeric,
    Select,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import RelationshipProperty, aliased
from strawberry.types.nodes import FragmentSpread, InlineFragment, SelectedField, Selection

from gql.kit.connection import parents_of
from gql.kit.deferred_values import decided
from gql.kit.filters import predicate, the_one
from gql.kit.kinds import kind_of, longest_of, target_of
from gql.kit.naming import camel, plural, unkeyed, words
from gql.kit.narrowing import check_narrow, check_size
from gql.kit.node import global_id
from gql.kit.relations import attributes, ends, is_staff_only
from gql.kit.scalars import BigInt
from gql.kit.type_registry import register
from gql.kit.types import Field, input_type, object_type
from lango.errors import BadUserInput
from lango.graphql.cost import LONGEST
from lango.values.time_zones import zones
from models.base import Base

DEFAULT_GROUPS = 100
MAX_GROUPS = 1000
MAX_KEYS = 6
NUMBERS = frozenset({"int", "big_int", "decimal"})
EXTREMES = NUMBERS | {"moment", "date"}
GROUPED = frozenset({"uuid", "text", "choice", "boolean", "int", "date", "moment", "inet"})


@strawberry.enum(description="The span of time that one group covers.")
class TimeBucket(Enum):
    HOUR = strawberry.enum_value("hour", description="From one full hour to the next.")
    DAY = strawberry.enum_value("day", description="From midnight to midnight.")
    WEEK = strawberry.enum_value("week", description="From Monday to Monday.")
    MONTH = strawberry.enum_value("month", description="From the first of a month to the next.")
    QUARTER = strawberry.enum_value("quarter", description="From January, April, July or October, three months.")
    YEAR = strawberry.enum_value("year", description="From one new year to the next.")


@dataclass(frozen=True, slots=True)
class GroupArguments:
    """The arguments of an aggregate, and which of its fields are wanted: the others are not computed."""

    where: Any = None
    group_by: list[Any] | None = None
    time_zone: str = "UTC"
    first: int = DEFAULT_GROUPS
    wanted: tuple[tuple[str, frozenset[str]], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.first <= MAX_GROUPS:
            raise BadUserInput(f"`first` is from 0 to {MAX_GROUPS} groups, not {self.first}.")
        if len(self.group_by or ()) > MAX_KEYS:
            raise BadUserInput(f"An aggregate has at most {MAX_KEYS} keys.")
        if self.time_zone not in zones():
            raise BadUserInput(f"“{self.time_zone[:60]}” is no time zone: write one as in Africa/Dakar.")

    @property
    def fields(self) -> dict[str, frozenset[str]]:
        return dict(self.wanted)


class Group:
    """One group: its keys and what was computed, found by `part.column`."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.count = values.get("count.", 0)

    def part(self, name: str) -> dict[str, Any]:
        head = f"{name}."
        return {key.removeprefix(head): value for key, value in self.values.items() if key.startswith(head)}


def _columns(model: type[Base], kinds: Iterable[str]) -> dict[str, Column[Any]]:
    wanted = frozenset(kinds)
    return {
        attribute: column
        for attribute, column in attributes(model).items()
        if kind_of(column).name in wanted and not is_staff_only(column)
    }


def aggregate_of(model: type[Base]) -> type[Any]:
    """The aggregate type of a model with its parts, and the input that groups."""
    name, listed = model.__name__, words(plural(model))
    parts: dict[str, tuple[Any, str]] = {}
    grouped = _columns(model, GROUPED)
    parts["group"] = (_part(f"{name}Group", {key: _key_type(column) for key, column in grouped.items()}, grouped,
                            f"What the rows of a group of {listed} have in common; null for what is not grouped by."),
                      "What the rows of the group have in common.")  # fmt: skip
    parts["count_distinct"] = (_part(f"{name}Distinct", dict.fromkeys(grouped, BigInt), grouped,
                                     f"How many different values {listed} have."),
                               "How many different values there are, null left out.")  # fmt: skip
    if numbers := _columns(model, NUMBERS):
        kind = _part(f"{name}Numbers", dict.fromkeys(numbers, Decimal), numbers, f"Exact numbers over {listed}.")
        parts["sum"] = (kind, "The sums; null where there is nothing to add.")
        parts["avg"] = (kind, "The averages; null where there is nothing to average.")
    if ends_ := _columns(model, EXTREMES):
        kinds = {key: kind_of(column).outer for key, column in ends_.items()}
        kind = _part(f"{name}Extremes", kinds, ends_, f"Least or greatest values over {listed}.")
        parts["min"] = (kind, "The least values.")
        parts["max"] = (kind, "The greatest values.")

    fields = [Field("count", BigInt, name="count", description="How many rows the group has.")]
    for part, (kind, doc) in parts.items():
        fields.append(Field(part, kind, name=camel(part), description=doc, value=methodcaller("part", part)))
    description = f"One group of {listed}, or all of them where nothing is grouped by."
    _group_by(model, grouped)
    return register(f"{name}Aggregate", object_type(f"{name}Aggregate", fields, description=description))


def _key_type(column: Column[Any]) -> Any:
    return strawberry.ID if _holds_id(column) else kind_of(column).outer


def _holds_id(column: Column[Any]) -> bool:
    return kind_of(column).name == "uuid" and target_of(column) is not None


def _part(name: str, kinds: dict[str, Any], columns: dict[str, Column[Any]], description: str) -> type[Any]:
    fields = [
        Field(
            attribute, kind | None, name=unkeyed(attribute), description=columns[attribute].doc,
            value=methodcaller("get", attribute),
            metadata={LONGEST: longest_of(columns[attribute]) if kind is str else 0},
        )
        for attribute, kind in kinds.items()
    ]  # fmt: skip
    return object_type(name, fields, description=description)


def _group_by(model: type[Base], grouped: dict[str, Column[Any]]) -> None:
    fields = []
    for attribute, column in grouped.items():
        timed = kind_of(column).name in ("moment", "date")
        kind = (TimeBucket if timed else bool) | None
        fields.append(Field(attribute, kind, name=unkeyed(attribute), description=column.doc))
    name = f"{model.__name__}GroupBy"
    description = f"One key by which {words(plural(model))} are grouped: `true` for a column, a span for a time."
    register(name, input_type(name, fields, description=description, one_of=True))


def wanted(selections: list[Selection]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Which parts, and which of their columns, a selection names; through fragments, by the names of the API."""
    found: dict[str, set[str]] = {}

    def walk(listed: list[Selection], part: str | None) -> None:
        for selection in listed:
            if isinstance(selection, InlineFragment | FragmentSpread):
                walk(selection.selections, part)
            elif isinstance(selection, SelectedField):
                if part is None:
                    found.setdefault(selection.name, set())
                    walk(selection.selections, selection.name)
                else:
                    found[part].add(selection.name)

    for root in selections:
        walk(root.selections, None)
    return tuple(sorted((part, frozenset(names)) for part, names in found.items()))


def grouping(row: Any, model: type[Base], arguments: GroupArguments) -> list[ColumnElement[Any]]:
    """The keys over an alias, labelled `group.<attribute>`."""
    columns = attributes(model)
    keys: list[ColumnElement[Any]] = []
    for item in arguments.group_by or ():
        attribute, given_value = the_one(item)
        value = decided(given_value)
        expression = getattr(row, attribute)
        kind = kind_of(columns[attribute]).name
        if value is False:
            raise BadUserInput(f"`{unkeyed(attribute)}: false` groups by nothing: leave it out.")
        if kind == "moment":
            # Without a zone it is the session's, which is UTC, and takes a third of the time.
            zone = [] if arguments.time_zone == "UTC" else [literal(arguments.time_zone, Text)]
            expression = func.date_trunc(literal_column(f"'{value.value}'"), expression, *zone)
        elif kind == "date":
            expression = cast(func.date_trunc(literal_column(f"'{value.value}'"), expression), Date)
        label = f"group.{attribute}"
        if any(key.name == label for key in keys):
            raise BadUserInput(f"`{unkeyed(attribute)}` is there twice: group by it once.")
        keys.append(expression.label(label))
    return keys


def computed(row: Any, model: type[Base], arguments: GroupArguments) -> list[ColumnElement[Any]]:
    """What is wanted of each group over an alias, labelled `part.<attribute>`."""
    made: list[ColumnElement[Any]] = [func.count().label("count.")]
    for part, of in (
        ("countDistinct", GROUPED),
        ("sum", NUMBERS),
        ("avg", NUMBERS),
        ("min", EXTREMES),
        ("max", EXTREMES),
    ):
        names = arguments.fields.get(part, frozenset())
        shown = (attribute for attribute in _columns(model, of) if unkeyed(attribute) in names)
        made += [_computed(part, getattr(row, attribute), attribute) for attribute in shown]
    return made


def _computed(part: str, expression: Any, attribute: str) -> ColumnElement[Any]:
    if part == "countDistinct":
        return func.count(expression.distinct()).label(f"count_distinct.{attribute}")
    if part in ("sum", "avg"):
        return cast(getattr(func, part)(expression), Numeric).label(f"{part}.{attribute}")
    return getattr(func, part)(expression).label(f"{part}.{attribute}")  # type: ignore[no-any-return]


def groups(row: Any, model: type[Base], arguments: GroupArguments, *conditions: Any) -> Select[Any]:
    """The groups over an alias, in the order of their keys."""
    keys = grouping(row, model, arguments)
    statement = select(*keys, *computed(row, model, arguments)).select_from(row).where(*conditions)
    if arguments.where is not None:
        statement = statement.where(predicate(row, model, arguments.where))
    if keys:
        # By their places: an expression with a parameter is not the same expression twice.
        places: list[ColumnElement[Any]] = [literal_column(str(index + 1)) for index in range(len(keys))]
        statement = statement.group_by(*places).order_by(*places)
    return statement.limit(literal_column(str(arguments.first)))


async def read_groups(context: Any, model: type[Base], arguments: GroupArguments) -> list[Group]:
    """The groups of all the rows the caller may see: one statement."""
    check_narrow(model, arguments.where, staff=context.actor.is_staff)
    found = await context.reads.rows(groups(aliased(model), model, arguments))
    return [_group(model, row._mapping) for row in found]  # noqa: SLF001 - a row's public name for it


async def read_child_groups(
    context: Any, parent: Base, relation: RelationshipProperty[Any], arguments: GroupArguments
) -> list[Group]:
    """The groups of one parent's rows; parents of the same level are read by one statement."""
    local, _ = ends(relation)
    loader_key = ("groups", relation, repr(arguments))
    loader = context.loader(loader_key, partial(_read_child_groups, context, relation, arguments))
    # In a tuple, because a loader takes no null, and the groups of no rows are still a group.
    return list(await loader.load((parent.__dict__.get(local),)))


async def _read_child_groups(
    context: Any, relation: RelationshipProperty[Any], arguments: GroupArguments, wrapped: list[tuple[Any]]
) -> list[list[Group]]:
    model: type[Base] = relation.mapper.class_
    keys = [key for (key,) in wrapped]
    check_size(arguments.where)
    parents, child = parents_of(keys, relation), aliased(model)
    under = getattr(child, ends(relation)[1]) == parents.c.key
    inner = groups(child, model, arguments, under).correlate(parents).lateral()
    order = [column for column in inner.c if column.name.startswith("group.")]
    statement = select(parents.c.key.label("parent"), inner).select_from(parents.join(inner, true())).order_by(*order)
    by_parent: dict[Any, list[Group]] = {key: [] for key in keys}
    for row in await context.reads.rows(statement):
        values = dict(row._mapping)  # noqa: SLF001 - a row's public name for it
        by_parent[values.pop("parent")].append(_group(model, values))
    return [by_parent[key] for key in keys]


def _group(model: type[Base], values: Any) -> Group:
    columns = attributes(model)
    made: dict[str, Any] = {}
    for label, value in values.items():
        part, _, attribute = label.partition(".")
        if part == "group" and value is not None and _holds_id(columns[attribute]):
            target = target_of(columns[attribute])
            assert target is not None
            value = global_id(target, (value,))
        elif part == "group" and isinstance(value, date) and not isinstance(value, datetime):
            value = date(value.year, value.month, value.day)
        made[label] = value
    return Group(made)
