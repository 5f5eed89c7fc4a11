"""How each field of a mirrored type, and each root field, is planned: what stands in the field's metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from graphql import FieldNode, GraphQLObjectType
from sqlalchemy import ARRAY, Select, Text, case, cast, func, literal, select
from sqlalchemy.orm import RelationshipProperty

from gql.kit.aliases import Row
from gql.kit.deferred_values import DeferredValue, NotPlanned, changed
from gql.kit.kinds import kind_of
from gql.kit.node import MIRRORED, key_columns, parse_global_id, parse_id
from gql.kit.planner.builder import PLAN, Builder
from gql.kit.planner.text import (
    Parts,
    column_value,
    constant,
    global_id,
    list_of,
    or_null,
    plain_value,
    quoted,
    rows_of,
    text_of,
)
from gql.kit.relations import attributes, is_staff_only
from lango.errors import BadUserInput
from models.base import Base
from models.transitions import Transitions

Nodes = Sequence[FieldNode]
Planned = dict[Any, Any]
MAX_NODES = 100


def planned(plan: Callable[..., Any]) -> Planned:
    """The metadata of a field that is planned so."""
    return {PLAN: plan}


# The fields of a mirrored type


def of_id() -> Planned:
    return planned(lambda builder, row, nodes: quoted(global_id(row.row_model, row.row_key)))


def of_row_id() -> Planned:
    def plan(builder: Builder, row: Row, nodes: Nodes) -> Parts:
        (column,) = key_columns(row.row_model)
        return plain_value(row.row_key[0], column, nullable=False)

    return planned(plan)


def of_column(attribute: str) -> Planned:
    def plan(builder: Builder, row: Row, nodes: Nodes) -> Parts:
        column = attributes(row.row_model)[attribute]
        if is_staff_only(column) and not builder.staff:
            return ["null"]
        return column_value(getattr(row, attribute), column, nullable=bool(column.nullable))

    return planned(plan)


def of_transitions(machine: Transitions) -> Planned:
    def plan(builder: Builder, row: Row, nodes: Nodes) -> Parts:
        column = row.row_model.table().columns[machine.column]
        cases = [
            (getattr(row, machine.column) == constant(state), text_of(list_of([f'"{each.upper()}"'] for each in after)))
            for state in kind_of(column).choice or ()
            if (after := machine.after(state))
        ]
        return [case(*cases, else_=constant("[]"))]

    return planned(plan)


def of_one(relation: RelationshipProperty[Any]) -> Planned:
    return planned(lambda builder, row, nodes: builder.to_one(relation, row, nodes))


def of_many(relation: RelationshipProperty[Any]) -> Planned:
    return planned(lambda builder, row, nodes: builder.to_many(relation, row, nodes))


def of_groups(relation: RelationshipProperty[Any]) -> Planned:
    return planned(lambda builder, row, nodes: builder.groups_below(relation, row, nodes))


# The fields of Query


def root_one(model: type[Base]) -> Planned:
    return planned(partial(_root_one, model))


def root_list(model: type[Base]) -> Planned:
    return planned(lambda builder, parent, nodes: builder.page(model, parent, nodes))


def root_groups(model: type[Base]) -> Planned:
    return planned(lambda builder, parent, nodes: builder.groups(model, parent, nodes))


def _root_one(model: type[Base], builder: Builder, parent: GraphQLObjectType, nodes: Nodes) -> Select[Any]:
    return one_by_id(model, builder, builder.arguments(parent, nodes[0])["id"], nodes)


def one_by_id(model: type[Base], builder: Builder, id_: Any, nodes: Nodes) -> Select[Any]:
    """The row of that id, which may be deferred."""
    if not id_:
        raise NotPlanned
    return builder.one(model, parts_of(model, changed(id_, partial(parse_id, model))), nodes)


def parts_of(model: type[Base], key: Any) -> list[Any]:
    """The parts of a key, which may be deferred, as parameters."""
    columns = key_columns(model)
    values = (
        [key.then(partial(_item, index)) for index in range(len(columns))] if isinstance(key, DeferredValue) else key
    )
    return [literal(value, column.type) for value, column in zip(values, columns, strict=True)]


def _item(index: int, key: Sequence[Any]) -> Any:
    return key[index]


def root_own(model: type[Base]) -> Planned:
    """The caller's row of a model whose key is the user."""

    def plan(builder: Builder, parent: GraphQLObjectType, nodes: Nodes) -> Select[Any]:
        caller = DeferredValue(lambda given: (given.user_id,), builder.conditions)
        return builder.one(model, parts_of(model, caller), nodes)

    return planned(plan)


def root_node() -> Planned:
    """`node(id)`: the type is in the id, and a condition of the plan."""

    def plan(builder: Builder, parent: GraphQLObjectType, nodes: Nodes) -> Select[Any]:
        id_ = builder.arguments(parent, nodes[0])["id"]
        model = MIRRORED[id_.decide(_type_in) if isinstance(id_, DeferredValue) else _type_in(id_)]
        return builder.one(model, parts_of(model, changed(id_, _key_in)), nodes)

    return planned(plan)


def root_nodes() -> Planned:
    """`nodes(ids)`: the ids become rows, and each row reads the object of its type."""

    def plan(builder: Builder, parent: GraphQLObjectType, nodes: Nodes) -> Select[Any]:
        ids = changed(builder.arguments(parent, nodes[0])["ids"], _bounded)
        named = ids.decide(_types_in) if isinstance(ids, DeferredValue) else _types_in(ids)
        arrays = [literal(changed(ids, _type_of_each), ARRAY(Text))]
        longest = max((len(key_columns(MIRRORED[name])) for name in named), default=1)
        arrays += [literal(changed(ids, partial(_part_of_each, index)), ARRAY(Text)) for index in range(longest)]
        names = ["type", *(f"part{index}" for index in range(longest))]
        wanted = func.unnest(*arrays).table_valued(*names, with_ordinality="place").render_derived("wanted")
        found = []
        for name in named:
            columns = key_columns(MIRRORED[name])
            key = [cast(wanted.c[f"part{index}"], column.type) for index, column in enumerate(columns)]
            row = builder.one(MIRRORED[name], key, nodes).correlate(wanted).scalar_subquery()
            found.append((wanted.c.type == constant(name), row))
        item: Parts = or_null(case(*found)) if found else ["null"]
        return select(text_of(rows_of(text_of(item), order=wanted.c.place))).select_from(wanted)

    return planned(plan)


def _type_in(text: str) -> str:
    return parse_global_id(text)[0].__name__


def _key_in(text: str) -> tuple[Any, ...]:
    return parse_global_id(text)[1]


def _bounded(ids: list[str]) -> list[str]:
    if len(ids) > MAX_NODES:
        raise BadUserInput(f"`ids` takes at most {MAX_NODES} ids at once.")
    return ids


def _types_in(ids: list[str]) -> tuple[str, ...]:
    return tuple(sorted({_type_in(text) for text in ids}))


def _type_of_each(ids: list[str]) -> list[str]:
    return [_type_in(text) for text in ids]


def _part_of_each(index: int, ids: list[str]) -> list[str | None]:
    keys = [_key_in(text) for text in ids]
    return [_written(key[index]) if index < len(key) else None for key in keys]


def _written(part: Any) -> str:
    return part.isoformat() if isinstance(part, datetime) else str(part)
