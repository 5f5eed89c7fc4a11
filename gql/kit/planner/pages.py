"""The JSON of a connection: its page of rows as one row of a statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphql import FieldNode
from sqlalchemy import Select, func, literal_column, select

from gql.kit.aliases import Row
from gql.kit.connection import ConnectionArguments, page
from gql.kit.deferred_values import NotPlanned
from gql.kit.filters import predicate
from gql.kit.ordering import cursor
from gql.kit.planner.members import Members, object_over
from gql.kit.planner.places import Link, Rows, under
from gql.kit.planner.selections import Fields, Selections
from gql.kit.planner.text import Parts, boolean, integer, object_of, quoted, rows_of, text_of
from models.base import Base

ObjectOf = Callable[[Row, Sequence[FieldNode]], Parts]


class Page:
    """One page of a model's rows, alone or under the row above, and what is asked of it."""

    def __init__(
        self,
        model: type[Base],
        arguments: ConnectionArguments,
        link: Link | None,
        nodes: Sequence[FieldNode],
        selections: Selections,
        object_of_row: ObjectOf,
        name: str,
    ) -> None:
        self._model = model
        self._arguments = arguments
        self._link = link
        self._selections = selections
        self._object_of_row = object_of_row
        self._fields = selections.below(selections.type(f"{model.__name__}Connection"), nodes)
        about = {
            inner[0].name.value
            for found in self._fields.values()
            if found[0].name.value == "pageInfo"
            for inner in self._info(found).values()
        }
        has_rows = any(found[0].name.value in ("nodes", "edges") for found in self._fields.values())
        # Whether there is more shows in a row beyond the page, or in a cursor there.
        towards, end = (
            ("hasPreviousPage", arguments.after) if arguments.is_backward else ("hasNextPage", arguments.before)
        )
        self._one_more = towards in about and end is None
        numbered = self._one_more or bool(about & {"startCursor", "endCursor"}) or (arguments.is_backward and has_rows)
        counted = any(found[0].name.value == "totalCount" for found in self._fields.values())
        has_cursor = arguments.after is not None or arguments.before is not None
        if not has_rows and not numbered and (has_cursor or (arguments.where is not None and not counted)):
            # Cursors and conditions are checked where they are used, and here they would not be.
            raise NotPlanned
        base = Row.of(model)
        statement, self._keys = page(
            base, model, arguments, *([link.joins(base)] if link else []), one_more=self._one_more
        )
        self._rows = Rows(under(statement, link), base, name, numbered=numbered)
        self._gathered = False
        self._row = Row(model, self._rows.source, self._rows)

    def select(self) -> Select[Any]:
        """The connection's JSON."""
        members = Members(self._fields, self._field)
        if self._gathered:
            self._rows.finish()
        if members.repeat:
            return under(members.once(self._over_rows), self._link)
        return self._over_rows(select(text_of(members.object())))

    def _over_rows(self, statement: Select[Any]) -> Select[Any]:
        if self._gathered:
            statement = statement.select_from(self._rows.source)
        return under(statement, self._link)

    def _field(self, nodes: Sequence[FieldNode]) -> Parts:
        match nodes[0].name.value:
            case "nodes":
                return self._listed(self._object_of_row(self._row, nodes))
            case "edges":
                return self._listed(self._edge(nodes))
            case "pageInfo":
                return object_of((key, self._about(found[0].name.value)) for key, found in self._info(nodes).items())
            case "totalCount":
                return integer(self._total())
            case _:
                return [f'"{self._model.__name__}Connection"']

    def _info(self, nodes: Sequence[FieldNode]) -> Fields:
        return self._selections.below(self._selections.type("PageInfo"), nodes)

    def _listed(self, item: Parts) -> Parts:
        self._gathered = True
        only = self._rows.place <= self._size if self._one_more else None
        # A page from the end of the list is read backwards.
        order = self._rows.place.desc() if self._arguments.is_backward else None
        return rows_of(text_of(item), only=only, order=order)

    @property
    def _size(self) -> Any:
        return literal_column(str(self._arguments.size))

    def _edge(self, nodes: Sequence[FieldNode]) -> Parts:
        name = f"{self._model.__name__}Edge"

        def value(found: Sequence[FieldNode]) -> Parts:
            match found[0].name.value:
                case "node":
                    return self._object_of_row(self._row, found)
                case "cursor":
                    return quoted(cursor(self._row, self._model, self._keys))
                case _:
                    return [f'"{name}"']

        return object_over(self._rows.source, self._selections.below(self._selections.type(name), nodes), value)

    def _about(self, name: str) -> Parts:
        arguments = self._arguments
        if name == "__typename":
            return ['"PageInfo"']
        if name in ("startCursor", "endCursor"):
            return self._cursor(first=(name == "startCursor") is not arguments.is_backward)
        end = arguments.after if name == "hasPreviousPage" else arguments.before
        if end is not None:
            return ["true"]
        if (name == "hasPreviousPage") is not arguments.is_backward:
            return ["false"]
        self._gathered = True
        return boolean(func.count() > self._size)

    def _cursor(self, *, first: bool) -> Parts:
        """The cursor of the row that was read first, or last."""
        if self._arguments.size == 0:
            return ["null"]
        self._gathered = True
        place = literal_column("1") if first else func.least(self._rows.found, self._size)
        text = func.max(cursor(self._row, self._model, self._keys)).filter(self._rows.place == place)
        return quoted(text, nullable=True)

    def _total(self) -> Any:
        row = Row.of(self._model)
        statement = select(func.count()).select_from(row)
        if self._link is not None:
            statement = statement.where(self._link.joins(row))
        if self._arguments.where is not None:
            statement = statement.where(predicate(row, self._model, self._arguments.where))
        return under(statement, self._link).scalar_subquery()
