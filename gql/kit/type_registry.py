"""The types the kit makes, by name: a relation names its type here and finds it when the schema is built."""

from __future__ import annotations

from typing import Any

from strawberry import LazyType

TYPES: dict[str, type[Any]] = {}


class TypeReference(LazyType[Any, Any]):
    """A type that may not exist yet; groups refer to each other without importing each other."""

    def __init__(self, name: str) -> None:
        super().__init__(name, __name__)

    def resolve_type(self) -> type[Any]:
        return TYPES[self.type_name]


def register(name: str, made: type[Any]) -> type[Any]:
    """Make a type known by its name."""
    TYPES[name] = made
    return made
