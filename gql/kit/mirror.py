"""`@mirror`: a GraphQL type made from a model; the class under it says only what differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from sqlalchemy import Column
from sqlalchemy.orm import RelationshipProperty
from strawberry.schema_directive import Location
from strawberry.types import Info

from gql.kit.aggregates import AskedGroups, aggregate_of, read_child_groups, wanted
from gql.kit.arguments import group_arguments, list_arguments, with_arguments
from gql.kit.connection import Asked, connection_of, read_children
from gql.kit.filters import where_of
from gql.kit.kinds import kind_of, longest_of, target_of
from gql.kit.loaders import by_key
from gql.kit.naming import camel
from gql.kit.node import MIRRORED, Node, global_id, key_columns, key_of
from gql.kit.ordering import order_of
from gql.kit.planner import fields as planner
from gql.kit.relations import attributes, ends, relations
from gql.kit.type_registry import Address, keep
from lango.graphql.cost import LONGEST
from models.base import Base
from models.columns import DEPRECATED, MONEY, PERSONAL, Money
from models.transitions import Transitions


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="money",
    description="An amount of money, in `currency`, or in the currency that `currencyField` of the same object tells.",
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
        namespace: dict[str, Any] = {"__annotations__": {}, "__module__": own.__module__}
        namespace["is_type_of"] = classmethod(lambda _, row, __: isinstance(row, model))
        namespace["id"] = strawberry.field(
            _id, description="The object's global id, for `node` and for caches.", metadata=planner.of_id()
        )
        if len(key_columns(model)) == 1:
            _row_id(namespace, model)
        for attribute, column in attributes(model).items():
            if attribute != "id":
                _column(namespace, attribute, column)
        for relation in relations(model):
            _relation(namespace, relation)
        if model.__transitions__ is not None:
            _transitions(namespace, model, model.__transitions__)
        namespace |= {attribute: value for attribute, value in vars(own).items() if not attribute.startswith("__")}
        made = strawberry.type(
            type(name, (Node,), namespace), name=name, description=" ".join((model.__doc__ or "").split())
        )
        connection_of(model)
        where_of(model)
        order_of(model)
        aggregate_of(model)
        return keep(name, made)

    return decorate


def _id(root: Any) -> strawberry.ID:
    return global_id(type(root), key_of(root))


def _row_id(namespace: dict[str, Any], model: type[Base]) -> None:
    (column,) = key_columns(model)
    attribute = model.__mapper__.get_property_by_column(column).key
    outer = kind_of(column).outer

    def row_id(root: Any) -> Any:
        return root.__dict__[attribute]

    row_id.__annotations__ = {"root": Any, "return": outer}
    namespace["row_id"] = strawberry.field(
        row_id, description="The key as the database holds it.", metadata=planner.of_row_id()
    )


def _column(namespace: dict[str, Any], attribute: str, column: Column[Any]) -> None:
    target = target_of(column)
    kind = kind_of(column)
    holds_id = target is not None and kind.name == "uuid"
    outer = strawberry.ID if holds_id else kind.annotation

    def resolve(root: Any) -> Any:
        value = root.__dict__.get(attribute)
        return global_id(target, (value,)) if holds_id and target is not None and value is not None else value

    resolve.__annotations__ = {"root": Any, "return": outer | None if column.nullable else outer}
    namespace[attribute] = strawberry.field(
        resolve, name=camel(attribute), description=column.doc, directives=directives(column),
        deprecation_reason=column.info.get(DEPRECATED),
        metadata={**planner.of_column(attribute), LONGEST: longest_of(column)},
    )  # fmt: skip


def _transitions(namespace: dict[str, Any], model: type[Base], machine: Transitions) -> None:
    kind = kind_of(model.table().columns[machine.column])

    def available_transitions(root: Any) -> Any:
        return machine.after(root.__dict__[machine.column])

    available_transitions.__annotations__ = {"root": Any, "return": list[kind.outer]}  # type: ignore[name-defined]
    namespace["available_transitions"] = strawberry.field(
        available_transitions,
        description=f"What `{camel(machine.column)}` may become next, by a rule or by itself; empty at the end.",
        metadata=planner.of_transitions(machine),
    )


def directives(column: Column[Any]) -> list[object]:
    """What tools may know of a column: that it is money, that it is personal."""
    told: list[object] = []
    if isinstance(money := column.info.get(MONEY), Money):
        field = camel(money.currency_column) if money.currency_column else strawberry.UNSET
        told.append(MoneyDirective(currency=money.currency or strawberry.UNSET, currency_field=field))
    if column.info.get(PERSONAL):
        told.append(PersonalDirective())
    return told


def _relation(namespace: dict[str, Any], relation: RelationshipProperty[Any]) -> None:
    target: type[Base] = relation.mapper.class_
    if not relation.uselist:
        namespace[relation.key] = _to_one(relation, target)
        return
    namespace[relation.key] = _to_many(relation, target)
    namespace[f"{relation.key}_aggregate"] = _to_many_aggregate(relation, target)


def _to_one(relation: RelationshipProperty[Any], target: type[Base]) -> Any:
    local, remote = ends(relation)

    def resolve(root: Any, info: Any) -> Any:
        value = root.__dict__.get(local)
        return None if value is None else by_key(info.context, target, remote).load(value)

    resolve.__annotations__ = {"root": Any, "info": Info, "return": Address(target.__name__) | None}
    return strawberry.field(
        resolve, name=camel(relation.key), description=relation.doc, metadata=planner.of_one(relation)
    )


def _to_many(relation: RelationshipProperty[Any], target: type[Base]) -> Any:
    async def resolve(root: Any, info: Any, **arguments: Any) -> Any:
        return await read_children(info.context, root, relation, Asked(**arguments))

    with_arguments(resolve, list_arguments(target), Address(f"{target.__name__}Connection"))
    return strawberry.field(
        resolve, name=camel(relation.key), description=relation.doc, metadata=planner.of_many(relation)
    )


def _to_many_aggregate(relation: RelationshipProperty[Any], target: type[Base]) -> Any:
    async def resolve(root: Any, info: Any, **arguments: Any) -> Any:
        asked = AskedGroups(**arguments, wanted=wanted(info.selected_fields))
        return await read_child_groups(info.context, root, relation, asked)

    with_arguments(resolve, group_arguments(target), list[Address(f"{target.__name__}Aggregate")])  # type: ignore[misc]
    doc = f"Counts, sums and extremes of `{camel(relation.key)}`."
    return strawberry.field(
        resolve, name=f"{camel(relation.key)}Aggregate", description=doc, metadata=planner.of_groups(relation)
    )
