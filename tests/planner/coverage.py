"""What of the schema the documents reached: fields that held something, inputs, and ways of saying it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLObjectType

from tests.planner.documents import GRAPHQL, QUERY, Document
from tests.planner.scopes import Scope


@dataclass
class Coverage:
    """Counted over the documents of one test; those of all tests are added up."""

    counts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    given_fields: Counter[str] = field(default_factory=Counter)

    def note_document(self, document: Document) -> None:
        self.counts["documents"] += 1
        self.ways.update(document.ways)
        self.given_fields.update(f"{kind}.{key}" for kind, key in document.given_fields)

    def note_answer(self, document: Document, answer: Any) -> None:
        self.counts["answers"] += 1
        self.counts["rejected"] += answer.is_rejected
        self.counts["with errors"] += bool(answer.errors)
        self.codes.update(answer.codes)
        before = sum(self.held.values())
        if isinstance(answer.data, dict):
            self._note(document.scope, answer.data)
        self.counts["with data"] += sum(self.held.values()) > before

    def _note(self, scope: Scope, data: dict[str, Any]) -> None:
        for key, value in data.items():
            entry = scope.get(key)
            for item in value if isinstance(value, list) else [value]:
                if entry is not None and item is not None:
                    self.held[f"{entry.parent}.{entry.name}"] += 1
                    if entry.below is not None and isinstance(item, dict):
                        self._note(entry.below, item)

    def as_dict(self) -> dict[str, dict[str, int]]:
        return {part: dict(getattr(self, part)) for part in ("counts", "codes", "ways", "held", "given_fields")}

    def add(self, other: dict[str, dict[str, int]]) -> None:
        for part, counted in other.items():
            getattr(self, part).update(counted)

    def summary(self) -> list[str]:
        """Lines to be read by a person."""
        fields = reachable()
        inputs = {
            f"{name}.{key}"
            for name, kind in GRAPHQL.type_map.items()
            if isinstance(kind, GraphQLInputObjectType) and name.endswith(("Where", "Filter", "Order", "GroupBy"))
            for key in kind.fields
        }
        types = {name.partition(".")[0] for name in fields}
        reached = {name.partition(".")[0] for name in self.held} & types
        found = fields & set(self.held)
        return [
            ", ".join(f"{count} {what}" for what, count in self.counts.items()),
            f"codes: {dict(self.codes.most_common())}",
            f"types that held something: {len(reached)} of {len(types)}; never: {sorted(types - reached)[:40]}",
            f"fields that held something: {len(found)} of {len(fields)}; never: {sorted(fields - found)[:40]}",
            f"fields of inputs that were used: {len(inputs & set(self.given_fields))} of {len(inputs)}",
            f"ways: {dict(self.ways.most_common())}",
        ]


def reachable() -> set[str]:
    """The fields of every type that a query may come to."""
    seen: set[str] = set()
    pending: list[Any] = [QUERY]
    fields: set[str] = set()
    while pending:
        kind = pending.pop()
        if kind.name in seen or not isinstance(kind, GraphQLObjectType):
            continue
        seen.add(kind.name)
        for key, each in kind.fields.items():
            fields.add(f"{kind.name}.{key}")
            inner = each.type
            while hasattr(inner, "of_type"):
                inner = inner.of_type
            pending.append(inner)
    return fields
