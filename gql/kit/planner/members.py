"""The members of an object: what is selected under several keys alike is computed once and repeated by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from graphql import FieldNode
from sqlalchemy import ColumnClause, Select, Text, literal_column, select

from gql.kit.planner.selections import Fields
from gql.kit.planner.text import Parts, object_of, text_of

Meaning = tuple[str, ...]


def meaning(nodes: Sequence[FieldNode]) -> Meaning:
    """What a field selects, whatever its alias: its name, arguments and selection, as they are written."""
    written = []
    for node in nodes:
        assert node.loc is not None
        assert node.name.loc is not None
        written.append(node.loc.source.body[node.name.loc.start : node.loc.end])
    return tuple(written)


class Members:
    """The members of an object by their keys."""

    def __init__(self, fields: Fields, value_of: Callable[[list[FieldNode]], Parts]) -> None:
        self._meanings = {key: meaning(nodes) for key, nodes in fields.items()}
        self._values: dict[Meaning, Parts] = {}
        for key, nodes in fields.items():
            if self._meanings[key] not in self._values:
                self._values[self._meanings[key]] = value_of(nodes)
        self._computed = [key for key, parts in self._values.items() if not is_constant(parts)]
        counts = Counter(self._meanings.values())
        self.repeat = any(counts[key] > 1 for key in self._computed)

    def object(self) -> Parts:
        """The object, each of its values in its place."""
        return self._object(self._values)

    def once(self, complete: Callable[[Select[Any]], Select[Any]]) -> Select[Any]:
        """The object read from a subquery that computes each value once; `complete` says of which rows."""
        labels: list[Any] = [
            text_of(self._values[key]).label(f"value_{index}") for index, key in enumerate(self._computed, 1)
        ]
        # Without the offset PostgreSQL would write each value where its name stands, and compute it there again.
        values = complete(select(*labels)).offset(literal_column("0")).subquery()
        named: dict[Meaning, Parts] = {
            key: [ColumnClause(label.name, Text(), _selectable=values)]
            for key, label in zip(self._computed, labels, strict=True)
        }
        return select(text_of(self._object(self._values | named))).select_from(values)

    def _object(self, values: dict[Meaning, Parts]) -> Parts:
        return object_of((key, values[found]) for key, found in self._meanings.items())


def is_constant(parts: Parts) -> bool:
    return all(isinstance(part, str) for part in parts)


def object_over(source: Any, fields: Fields, value: Callable[[list[FieldNode]], Parts]) -> Parts:
    """The object of those fields, whose values are computed from a row of `source`."""
    members = Members(fields, value)
    if not members.repeat:
        return members.object()
    return [members.once(lambda statement: statement.correlate(source)).correlate(source).scalar_subquery()]
