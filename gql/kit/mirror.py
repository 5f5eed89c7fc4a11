"""`@mirror`: a GraphQL type made from a model; the class under it says only what differs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import strawberry
from sqlalchemy import ARRAY, Column, and_, any_, func, literal, select
from sqlalchemy import column as sql_column
from sqlalchemy.orm import RelationshipProperty
from strawberry.schema_directive import Location
from strawberry.types import Info

from gql.kit.addresses import Address, keep
from gql.kit.aggregates import DEFAULT_GROUPS, AskedGroups, aggregate_of, read_child_groups, read_groups, wanted
from gql.kit.connection import Asked, connection_of, read_children, read_list
from gql.kit.filters import where_of
from gql.kit.kinds import kind_of, target_of
from gql.kit.naming import camel, plural, singular, words
from gql.kit.node import MIRRORED, Node, global_id, key_columns, key_of, parse_id
from gql.kit.ordering import order_of
from gql.kit.relations import attributes, ends, loading, relations
from models.base import Base
from models.columns import DEPRECATED, MONEY, PERSONAL, Money


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


def mirror(model: type[Base]) -> Callable[[type[Any]], type[Any]]:
    """Mirror a model: every column that is not secret, every relation it declares, its connection, filters and
    aggregates. Fields that the decorated class has of its own are added."""
    MIRRORED[model.__name__] = model

    def decorate(own: type[Any]) -> type[Any]:
        name = model.__name__
        namespace: dict[str, Any] = {"__annotations__": {}, "__module__": own.__module__}
        namespace["is_type_of"] = classmethod(lambda _, row, __: isinstance(row, model))
        namespace["id"] = strawberry.field(_id, description="The object's global id, for `node` and for caches.")
        if len(key_columns(model)) == 1:
            _row_id(namespace, model)
        for attribute, column in attributes(model).items():
            if attribute != "id":
                _column(namespace, attribute, column)
        for relation in relations(model):
            _relation(namespace, relation)
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
    namespace["row_id"] = strawberry.field(row_id, description="The key as the database holds it.")


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
    )  # fmt: skip


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
    return strawberry.field(resolve, name=camel(relation.key), description=relation.doc)


def by_key(context: Any, model: type[Base], attribute: str) -> Any:
    """The dataloader of a model's rows by one of its columns, where that is unique."""

    async def batch(keys: list[Any]) -> list[Any]:
        column = getattr(model, attribute)
        statement = select(model).where(column == any_(literal(keys, ARRAY(column.type))))
        found = await context.reads.scalars(statement.options(*loading(model, model, staff=context.actor.is_staff)))
        rows = {getattr(row, attribute): row for row in found}
        return [rows.get(key) for key in keys]

    return context.loader(("one", model, attribute), batch)


async def read_node(context: Any, model: type[Base], key: tuple[Any, ...]) -> Any:
    """The row of that key, if the caller may see it. Many asked for at once are read by one statement a type."""
    if len(key) == 1:
        (column,) = key_columns(model)
        return await by_key(context, model, model.__mapper__.get_property_by_column(column).key).load(key[0])
    return await by_whole_key(context, model).load(key)


def by_whole_key(context: Any, model: type[Base]) -> Any:
    """The dataloader of a model's rows by a key of several columns."""
    columns = [getattr(model, model.__mapper__.get_property_by_column(column).key) for column in key_columns(model)]

    async def batch(keys: list[tuple[Any, ...]]) -> list[Any]:
        listed = [
            literal(list(parts), ARRAY(own.type)) for own, parts in zip(columns, zip(*keys, strict=True), strict=True)
        ]
        parts = [sql_column(f"part{index}", own.type) for index, own in enumerate(columns)]
        wanted_ = func.unnest(*listed).table_valued(*parts).render_derived("wanted")
        same = [own == wanted_.c[part.name] for own, part in zip(columns, parts, strict=True)]
        statement = select(model).join_from(model, wanted_, and_(*same))
        found = await context.reads.scalars(statement.options(*loading(model, model, staff=context.actor.is_staff)))
        rows = {key_of(row): row for row in found}
        return [rows.get(key) for key in keys]

    return context.loader(("one", model), batch)


LIST_ARGUMENTS = {
    "first": (
        int | None,
        "How many rows, from the start of the list or after `after`; 20 if neither is given, 100 at most.",
    ),
    "after": (str | None, "Only rows after this cursor."),
    "last": (int | None, "How many rows, from the end of the list or before `before`."),
    "before": (str | None, "Only rows before this cursor."),
}


def _list_signature(target: type[Base]) -> dict[str, tuple[Any, str, Any]]:
    arguments: dict[str, tuple[Any, str, Any]] = {
        key: (kind, doc, strawberry.UNSET) for key, (kind, doc) in LIST_ARGUMENTS.items()
    }
    arguments["where"] = (
        Address(f"{target.__name__}Where") | None,
        "Which rows; all that may be seen without it.",
        strawberry.UNSET,
    )
    arguments["order_by"] = (
        list[Address(f"{target.__name__}Order")] | None,  # type: ignore[misc]
        "The order, first key first; the newest come first without it.",
        strawberry.UNSET,
    )
    return arguments


def _group_signature(target: type[Base]) -> dict[str, tuple[Any, str, Any]]:
    return {
        "where": (
            Address(f"{target.__name__}Where") | None,
            "Which rows; all that may be seen without it.",
            strawberry.UNSET,
        ),
        "group_by": (
            list[Address(f"{target.__name__}GroupBy")] | None,  # type: ignore[misc]
            "The keys; one group of all rows without them.",
            strawberry.UNSET,
        ),
        "time_zone": (str, "The time zone in which days and months begin.", "UTC"),
        "first": (int, "How many groups, in the order of their keys; 1000 at most.", DEFAULT_GROUPS),
    }


def with_arguments(
    resolve: Callable[..., Any], arguments: dict[str, tuple[Any, str, Any]], returns: Any, *, rooted: bool = True
) -> Any:
    """Give a resolver that takes `**arguments` a signature that Strawberry can read."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotations: dict[str, Any] = ({"root": Any} if rooted else {}) | {"info": Info}
    parameters = [inspect.Parameter(name, kind, annotation=given) for name, given in annotations.items()]
    for name, (annotation, doc, default) in arguments.items():
        annotations[name] = Annotated[annotation, strawberry.argument(description=doc, name=camel(name))]
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotations[name]))
    resolve.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    resolve.__annotations__ = annotations | {"return": returns}
    return resolve


def _to_many(relation: RelationshipProperty[Any], target: type[Base]) -> Any:
    async def resolve(root: Any, info: Any, **arguments: Any) -> Any:
        return await read_children(info.context, root, relation, Asked(**arguments))

    with_arguments(resolve, _list_signature(target), Address(f"{target.__name__}Connection"))
    return strawberry.field(resolve, name=camel(relation.key), description=relation.doc)


def _to_many_aggregate(relation: RelationshipProperty[Any], target: type[Base]) -> Any:
    async def resolve(root: Any, info: Any, **arguments: Any) -> Any:
        asked = AskedGroups(**arguments, wanted=wanted(info.selected_fields))
        return await read_child_groups(info.context, root, relation, asked)

    with_arguments(resolve, _group_signature(target), list[Address(f"{target.__name__}Aggregate")])  # type: ignore[misc]
    doc = f"Counts, sums and extremes of `{camel(relation.key)}`."
    return strawberry.field(resolve, name=f"{camel(relation.key)}Aggregate", description=doc)


def root_fields(*listed: type[Base], unlisted: tuple[type[Base], ...] = ()) -> type[Any]:
    """A Query with three fields for each model: one row by its id, a list, and an aggregate of the list.

    They are nullable, so that one that fails does not take the others along. `unlisted` have only the row by its id:
    faces whose rows nobody may go through without a parent.
    """
    namespace: dict[str, Any] = {}
    for model in (*listed, *unlisted):
        namespace[singular(model)] = _root_one(model)
        if model not in unlisted:
            namespace[plural(model)] = _root_list(model)
            namespace[f"{plural(model)}_aggregate"] = _root_aggregate(model)
    return strawberry.type(type("Query", (), namespace), name="Query")


def _root_one(model: type[Base]) -> Any:
    async def resolve(info: Any, id: str) -> Any:
        return await read_node(info.context, model, parse_id(model, id))

    resolve.__annotations__ = {
        "info": Info,
        "id": Annotated[strawberry.ID, strawberry.argument(description="Its id, or its `rowId`.")],
        "return": Address(model.__name__) | None,
    }
    doc = f"One {words(singular(model))} by its id; null where there is none that you may see."
    return strawberry.field(resolve, name=camel(singular(model)), description=doc)


def _root_list(model: type[Base]) -> Any:
    async def resolve(info: Any, **arguments: Any) -> Any:
        return await read_list(info.context, model, Asked(**arguments))

    with_arguments(resolve, _list_signature(model), Address(f"{model.__name__}Connection") | None, rooted=False)
    doc = f"The {words(plural(model))} that you may see."
    return strawberry.field(resolve, name=camel(plural(model)), description=doc)


def _root_aggregate(model: type[Base]) -> Any:
    async def resolve(info: Any, **arguments: Any) -> Any:
        return await read_groups(info.context, model, AskedGroups(**arguments, wanted=wanted(info.selected_fields)))

    with_arguments(resolve, _group_signature(model), list[Address(f"{model.__name__}Aggregate")] | None, rooted=False)  # type: ignore[misc]
    doc = f"Counts, sums and extremes of the {words(plural(model))} that you may see."
    return strawberry.field(resolve, name=f"{camel(plural(model))}Aggregate", description=doc)
