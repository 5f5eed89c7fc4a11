"""`@mirror`: a GraphQL type made from a model; the class under it says only what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from sqlalchemy import Column
from sqlalchemy.orm import RelationshipProperty
from strawberry.schema_directive import Location

from gql.kit.aggregates import GroupArguments, aggregate_of, read_child_groups, wanted
from gql.kit.arguments import group_arguments, list_arguments
from gql.kit.connection import ConnectionArguments, connection_of, read_children
from gql.kit.filters import where_of
from gql.kit.kinds import kind_of, longest_of, target_of
from gql.kit.loaders import by_key
from gql.kit.naming import camel
from gql.kit.node import MIRRORED, Node, global_id, key_columns, key_of
from gql.kit.ordering import order_of
from gql.kit.planner import fields as planner
from gql.kit.relations import attributes, ends, relations
from gql.kit.type_registry import TypeReference, register
from gql.kit.types import Field, object_type, own_fields
from lango.graphql.cost import LONGEST
from lango.libraries.strawberry import StrawberryField
from models.base import Base
from models.columns import DEPRECATED, MONEY, PERSONAL, Money
from models.transitions import Transitions


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="money",
    description="An amount of money, in `currency`, or in the currency that `currencyField` of the same object names.",
)
class MoneyDirective:
    currency: str | None = strawberry.UNSET
    currency_field: str | None = strawberry.UNSET


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="personal",
    description="Identifies or describes a person: an export holds it, an erasure clears it.",
)
class PersonalDirective:
    pass


def mirrors(*models: type[Base]) -> None:
    """Mirror models that have no fields but those of their own."""
    for model in models:
        mirror(model)(type(model.__name__, (), {}))


def mirror(model: type[Base]) -> Callable[[type[Any]], type[Any]]:
    """Mirror a model: every column that is not secret, every relation it declares, its connection, filters and
    aggregates. Fields that the decorated class has of its own are added."""
    MIRRORED[model.__name__] = model

    def decorate(own: type[Any]) -> type[Any]:
        name = model.__name__
        fields: list[StrawberryField] = [_id()]
        if len(key_columns(model)) == 1:
            fields.append(_row_id(model))
        fields += [_column(attribute, column) for attribute, column in attributes(model).items() if attribute != "id"]
        for relation in relations(model):
            fields += _relation(relation)
        if model.__transitions__ is not None:
            fields.append(_transitions(model, model.__transitions__))
        fields += own_fields(own)
        made = object_type(
            name, fields, description=" ".join((model.__doc__ or "").split()), interfaces=[Node],
            is_type_of=lambda row, _: isinstance(row, model),
        )  # fmt: skip
        connection_of(model)
        where_of(model)
        order_of(model)
        aggregate_of(model)
        return register(name, made)

    return decorate


def _id() -> Field:
    return Field(
        "id", strawberry.ID, name="id", description="The object's global id, for `node` and for caches.",
        value=lambda row: global_id(type(row), key_of(row)), metadata=planner.of_id(),
    )  # fmt: skip


def _row_id(model: type[Base]) -> Field:
    (column,) = key_columns(model)
    attribute = model.__mapper__.get_property_by_column(column).key
    return Field(
        "row_id", kind_of(column).outer, name="rowId", description="The key as the database holds it.",
        value=lambda row: row.__dict__[attribute], metadata=planner.of_row_id(),
    )  # fmt: skip


def _column(attribute: str, column: Column[Any]) -> Field:
    target = target_of(column)
    kind = kind_of(column)
    holds_id = target is not None and kind.name == "uuid"
    outer = strawberry.ID if holds_id else kind.annotation

    def value_of(row: Any) -> Any:
        value = row.__dict__.get(attribute)
        return global_id(target, (value,)) if holds_id and target is not None and value is not None else value

    return Field(
        attribute, outer | None if column.nullable else outer, name=camel(attribute), description=column.doc,
        value=value_of, directives=directives(column), deprecation_reason=column.info.get(DEPRECATED),
        metadata={**planner.of_column(attribute), LONGEST: longest_of(column)},
    )  # fmt: skip


def _transitions(model: type[Base], machine: Transitions) -> Field:
    kind = kind_of(model.table().columns[machine.column])
    return Field(
        "available_transitions", list[kind.outer], name="availableTransitions",  # type: ignore[name-defined]
        value=lambda row: machine.after(row.__dict__[machine.column]),
        description=f"What `{camel(machine.column)}` may become next, by a rule or by itself; empty at the end.",
        metadata=planner.of_transitions(machine),
    )  # fmt: skip


def directives(column: Column[Any]) -> list[object]:
    """What tools may know of a column: that it is money, that it is personal."""
    found: list[object] = []
    if isinstance(money := column.info.get(MONEY), Money):
        field = camel(money.currency_column) if money.currency_column else strawberry.UNSET
        found.append(MoneyDirective(currency=money.currency or strawberry.UNSET, currency_field=field))
    if column.info.get(PERSONAL):
        found.append(PersonalDirective())
    return found


def _relation(relation: RelationshipProperty[Any]) -> list[Field]:
    target: type[Base] = relation.mapper.class_
    if not relation.uselist:
        return [_to_one(relation, target)]
    return [_to_many(relation, target), _to_many_aggregate(relation, target)]


def _to_one(relation: RelationshipProperty[Any], target: type[Base]) -> Field:
    local, remote = ends(relation)

    def resolve(row: Any, info: Any) -> Any:
        value = row.__dict__.get(local)
        return None if value is None else by_key(info.context, target, remote).load(value)

    return Field(
        relation.key, TypeReference(target.__name__) | None, name=camel(relation.key), description=relation.doc,
        resolve=resolve, metadata=planner.of_one(relation),
    )  # fmt: skip


def _to_many(relation: RelationshipProperty[Any], target: type[Base]) -> Field:
    async def resolve(row: Any, info: Any, **arguments: Any) -> Any:
        return await read_children(info.context, row, relation, ConnectionArguments(**arguments))

    return Field(
        relation.key, TypeReference(f"{target.__name__}Connection"), name=camel(relation.key), description=relation.doc,
        resolve=resolve, arguments=list_arguments(target), metadata=planner.of_many(relation),
    )  # fmt: skip


def _to_many_aggregate(relation: RelationshipProperty[Any], target: type[Base]) -> Field:
    async def resolve(row: Any, info: Any, **arguments: Any) -> Any:
        group_arguments = GroupArguments(**arguments, wanted=wanted(info.selected_fields))
        return await read_child_groups(info.context, row, relation, group_arguments)

    return Field(
        f"{relation.key}_aggregate", list[TypeReference(f"{target.__name__}Aggregate")],  # type: ignore[misc]
        name=f"{camel(relation.key)}Aggregate", description=f"Counts, sums and extremes of `{camel(relation.key)}`.",
        resolve=resolve, arguments=group_arguments(target), metadata=planner.of_groups(relation),
    )  # fmt: skip
