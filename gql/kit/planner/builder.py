"""From a selection to SQL: the JSON of an object, of a page, of groups, each level as deep as it is selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLObjectType, get_named_type
from sqlalchemy import FromClause, Select, select
from sqlalchemy.orm import RelationshipProperty

from gql.kit.aggregates import GroupArguments, groups
from gql.kit.aliases import Row
from gql.kit.connection import ConnectionArguments
from gql.kit.deferred_values import PlanConditions, decided
from gql.kit.naming import unkeyed
from gql.kit.narrowing import check_narrow, check_size
from gql.kit.planner.members import object_over
from gql.kit.planner.pages import Page
from gql.kit.planner.places import Link, under
from gql.kit.planner.selections import DEFINITION, Fields, Selections
from gql.kit.planner.text import (
    PLACEHOLDER,
    Parts,
    column_value,
    exact,
    global_id,
    named,
    or_null,
    plain_value,
    rows_of,
    text_of,
)
from gql.kit.relations import attributes, is_staff_only
from lango.graphql.time_slices import pause
from models.base import Base
from models.reads import SHOWN

# What a field's metadata holds: how it is planned. A field without it is answered in Python.
PLAN = "lango.plan"
# The same of a mutation: by what it is performed.
MUTATION = "lango.mutation"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A field that Python fills in, for the row whose global id stands in its place."""

    type_name: str
    nodes: Sequence[FieldNode]


class Builder:
    """Builds the statement of one root field."""

    def __init__(
        self, selections: Selections, conditions: PlanConditions, *, staff: bool, marks_all: bool = False
    ) -> None:
        """`marks_all` marks every row that staff are shown, so that they can be counted; those that are no person's
        without their keys."""
        self.selections = selections
        self.conditions = conditions
        self.staff = staff
        self._marks_all = marks_all
        self.placeholders: list[Placeholder] = []
        # Whether rows are marked, and whether any of them are a person's.
        self.marked = self.shows_persons = False
        # What the field presents, so that its holder sees what it opens: a share token, mostly deferred.
        self.presented: Any = None
        # Whether it reads lists or groups, which may take long.
        self.has_lists = False
        self._named = 0

    def arguments(self, parent: GraphQLObjectType, node: FieldNode, *decisive: str) -> dict[str, Any]:
        """A field's arguments; those that are `decisive` become conditions of the plan."""
        given = self.selections.arguments(parent.fields[node.name.value], node)
        return given | {name: decided(given[name]) for name in decisive if name in given}

    def object(self, row: Row, nodes: Sequence[FieldNode]) -> Parts:
        """The object of a row."""
        type_ = self.selections.type(row.row_model.__name__)
        below = self.selections.below(type_, nodes)
        members = object_over(row.row_source, below, lambda found: self._field(type_, row, found))
        return [*self._mark(row), *members] if self.staff else members

    def _mark(self, row: Row) -> Parts:
        """What says in the text that staff are shown the row."""
        access = row.row_model.__access__
        if access is not None and access.of_person:
            self.marked = self.shows_persons = True
            return [SHOWN, *named(row.row_model, row.row_key), SHOWN]
        if self._marks_all:
            self.marked = True
            return [SHOWN * 2]
        return []

    def _field(self, type_: GraphQLObjectType, row: Row, nodes: list[FieldNode]) -> Parts:
        pause()
        name = nodes[0].name.value
        if name == "__typename":
            return [f'"{type_.name}"']
        plan = type_.fields[name].extensions[DEFINITION].metadata.get(PLAN)
        if plan is None:
            self.placeholders.append(Placeholder(type_.name, nodes))
            number = len(self.placeholders) - 1
            return [f"{PLACEHOLDER}{number}:", global_id(row.row_model, row.row_key), PLACEHOLDER]
        found: Parts = plan(self, row, nodes)
        return found

    def one(self, model: type[Base], key: Sequence[Any], nodes: Sequence[FieldNode]) -> Select[Any]:
        """The row of that key, whose parts are expressions; no row where there is none."""
        row = Row.of(model)
        same = [own == part for own, part in zip(row.row_key, key, strict=True)]
        return select(text_of(self.object(row, nodes))).where(*same)

    def to_one(self, relation: RelationshipProperty[Any], row: Row, nodes: Sequence[FieldNode]) -> Parts:
        other, link = Row.of(relation.mapper.class_), Link.along(relation, row)
        if not self.staff and is_staff_only(attributes(row.row_model)[link.local]):
            return ["null"]
        found = select(text_of(self.object(other, nodes))).where(link.joins(other))
        return or_null(under(found, link).scalar_subquery())

    def page(self, model: type[Base], parent: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Select[Any]:
        """A page of all the rows that the caller may see."""
        arguments = ConnectionArguments(**self.arguments(parent, nodes[0], "first", "last"))
        check_narrow(model, arguments.where, staff=self.staff)
        return self._page(model, arguments, None, nodes)

    def to_many(self, relation: RelationshipProperty[Any], row: Row, nodes: Sequence[FieldNode]) -> Parts:
        parent = self.selections.type(row.row_model.__name__)
        arguments = ConnectionArguments(**self.arguments(parent, nodes[0], "first", "last"))
        check_size(arguments.where)
        model, link = relation.mapper.class_, Link.along(relation, row)
        return [self._page(model, arguments, link, nodes).scalar_subquery()]

    def _page(
        self, model: type[Base], arguments: ConnectionArguments, link: Link | None, nodes: Sequence[FieldNode]
    ) -> Select[Any]:
        name = self._name(model, "page")
        return Page(model, arguments, link, nodes, self.selections, self.object, name).select()

    def _name(self, model: type[Base], what: str) -> str:
        """A name in the statement that tells its reader what stands there: a page, or groups."""
        self.has_lists = True
        self._named += 1
        return f"{model.__tablename__}_{what}_{self._named}"

    def groups(self, model: type[Base], parent: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Select[Any]:
        """The groups of all the rows that the caller may see."""
        arguments, fields = self._group_arguments(model, parent, nodes)
        check_narrow(model, arguments.where, staff=self.staff)
        return self._groups(model, arguments, fields, None)

    def groups_below(self, relation: RelationshipProperty[Any], row: Row, nodes: Sequence[FieldNode]) -> Parts:
        model = relation.mapper.class_
        arguments, fields = self._group_arguments(model, self.selections.type(row.row_model.__name__), nodes)
        check_size(arguments.where)
        return [self._groups(model, arguments, fields, Link.along(relation, row)).scalar_subquery()]

    def _group_arguments(
        self, model: type[Base], parent: GraphQLObjectType, nodes: Sequence[FieldNode]
    ) -> tuple[GroupArguments, Fields]:
        aggregate = self.selections.type(f"{model.__name__}Aggregate")
        fields = self.selections.below(aggregate, nodes)
        wanted: dict[str, frozenset[str]] = {}
        for found in fields.values():
            name = found[0].name.value
            below = self.selections.below(part_of(aggregate, name), found) if found[0].selection_set else {}
            wanted[name] = wanted.get(name, frozenset()) | {inner[0].name.value for inner in below.values()}
        given = self.arguments(parent, nodes[0], "first", "time_zone")
        return GroupArguments(**given, wanted=tuple(sorted(wanted.items()))), fields

    def _groups(self, model: type[Base], arguments: GroupArguments, fields: Fields, link: Link | None) -> Select[Any]:
        row = Row.of(model)
        found = under(groups(row, model, arguments, *([link.joins(row)] if link else [])), link).subquery(
            self._name(model, "groups")
        )
        group = object_over(found, fields, lambda nodes: self._of_group(model, found, nodes))
        return under(select(text_of(rows_of(text_of(group)))).select_from(found), link)

    def _of_group(self, model: type[Base], found: FromClause, nodes: Sequence[FieldNode]) -> Parts:
        aggregate, name = self.selections.type(f"{model.__name__}Aggregate"), nodes[0].name.value
        if name == "__typename":
            return [f'"{aggregate.name}"']
        if name == "count":
            return exact(found.c["count."])
        part = part_of(aggregate, name)
        below = self.selections.below(part, nodes)
        return object_over(found, below, lambda inner: self._of_part(model, found, part, name, inner))

    def _of_part(
        self, model: type[Base], found: FromClause, part: GraphQLObjectType, name: str, nodes: Sequence[FieldNode]
    ) -> Parts:
        field = nodes[0].name.value
        if field == "__typename":
            return [f'"{part.name}"']
        attribute, column = next(item for item in attributes(model).items() if unkeyed(item[0]) == field)
        value = found.c.get(f"{'count_distinct' if name == 'countDistinct' else name}.{attribute}")
        if value is None:
            # What is not grouped by.
            return ["null"]
        if name in ("countDistinct", "sum", "avg"):
            return exact(value)
        return (column_value if name == "group" else plain_value)(value, column, nullable=True)


def part_of(aggregate: GraphQLObjectType, name: str) -> GraphQLObjectType:
    part = get_named_type(aggregate.fields[name].type)
    assert isinstance(part, GraphQLObjectType)
    return part
