"""Fields and types as Strawberry holds them, made without a dataclass and a signature each.

Strawberry reads a type from a class: it makes a dataclass of it, a signature of each resolver, and asks of every
annotation again what it means. For the types that a model brings along, some fifteen hundred, that was most of the time
in which the schema is made, and all of it is known here already. What is made here is the same in the schema as what
`strawberry.type` and `strawberry.input` make. Nothing else knows how Strawberry keeps them, and
`tests/startup/test_types.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING
from functools import cache
from inspect import iscoroutinefunction
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin

from strawberry import UNSET
from strawberry.schema_directives import OneOf

from lango.libraries.strawberry import (
    StrawberryAnnotation,
    StrawberryArgument,
    StrawberryField,
    StrawberryList,
    StrawberryObjectDefinition,
    StrawberryOptional,
    definition_of,
    keep_definition,
)


@cache
def annotated(annotation: Any) -> StrawberryAnnotation:
    """What an annotation means, found out once however many fields have it."""
    return StrawberryAnnotation(_meant(annotation))


def _meant(annotation: Any) -> Any:
    """Strawberry's type for what may be null and for lists; what it finds out by itself for anything else."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType) and len(parts) == 2 and parts[1] is NoneType:
        return StrawberryOptional(annotated(parts[0]).resolve())
    return StrawberryList(annotated(parts[0]).resolve()) if origin is list else annotation


class Field(StrawberryField):
    """A field whose value is the attribute of its name, or what `value` makes of the object, or what `resolve` makes
    of the object, Strawberry's info and the arguments, by name.
    """

    def __init__(
        self,
        attribute: str,
        annotation: Any,
        *,
        name: str,
        description: str | None,
        value: Callable[[Any], Any] | None = None,
        resolve: Callable[..., Any] | None = None,
        arguments: Iterable[StrawberryArgument] = (),
        default: Any = MISSING,
        metadata: Mapping[Any, Any] | None = None,
        directives: Iterable[object] = (),
        deprecation_reason: str | None = None,
    ) -> None:
        super().__init__(
            python_name=attribute,
            graphql_name=name,
            type_annotation=annotated(annotation),
            description=description,
            default=default,
            metadata=metadata,
            directives=list(directives),
            deprecation_reason=deprecation_reason,
        )
        self.arguments = list(arguments)
        self._value = value
        self._resolve = resolve
        self._kind = annotated(annotation).resolve()

    @property
    def is_basic_field(self) -> bool:
        return self._resolve is None

    @property
    def is_async(self) -> bool:
        return iscoroutinefunction(self._resolve)

    def resolve_type(self, **_: Any) -> Any:
        return self._kind

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:  # noqa: ARG002 - Strawberry's
        if self._resolve is not None:
            return self._resolve(source, info, **kwargs)
        return getattr(source, self.name) if self._value is None else self._value(source)


def argument(
    attribute: str, annotation: Any, *, name: str, description: str, default: Any = UNSET
) -> StrawberryArgument:
    """An argument of a field; several fields may have the same one."""
    return StrawberryArgument(attribute, name, annotated(annotation), description=description, default=default)


class Input:
    """What was given of an input, by attribute; UNSET, or the field's default, for what was not."""

    __attributes__: ClassVar[tuple[str, ...]]

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__attributes__)
        return f"{type(self).__name__}({given})"


def input_type(name: str, fields: Iterable[StrawberryField], *, description: str, one_of: bool = False) -> type[Any]:
    """An input of these fields, in their order, whose values are `Input`s. Of a `one_of`, one field is given."""
    listed = list(fields)
    attributes = tuple(field.name for field in listed)
    defaults = {field.name: UNSET if field.default is MISSING else field.default for field in listed}
    made = type(name, (Input,), {"__attributes__": attributes, **defaults})
    _define(made, name, listed, description=description, is_input=True, directives=(OneOf(),) if one_of else ())
    return made


def object_type(
    name: str,
    fields: Iterable[StrawberryField],
    *,
    description: str | None = None,
    interfaces: Iterable[type[Any]] = (),
    is_type_of: Callable[[Any, Any], bool] | None = None,
) -> type[Any]:
    """An object type of these fields, in their order; its interfaces' fields are among them.

    It makes no values: its fields read whatever a resolver gives.
    """
    made = type(name, (), {})
    above = [definition_of(interface) for interface in interfaces]
    _define(made, name, list(fields), description=description, interfaces=above, is_type_of=is_type_of)
    return made


def own_fields(own: type[Any]) -> list[StrawberryField]:
    """The fields that a class has of its own, by `@strawberry.field` over a method."""
    fields = []
    for attribute, field in vars(own).items():
        if isinstance(field, StrawberryField):
            field.python_name = attribute
            fields.append(field)
    return fields


def merged(name: str, types: Iterable[type[Any]], *, description: str) -> type[Any]:
    """An object type of all the fields of several, none of which may have a field of another's."""
    fields = [field for each in types for field in definition_of(each).fields]
    names = [field.python_name for field in fields]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise TypeError(f"{name} has two fields each of {', '.join(twice)}")
    return object_type(name, fields, description=description)


def _define(
    made: type[Any],
    name: str,
    fields: list[StrawberryField],
    *,
    description: str | None,
    is_input: bool = False,
    interfaces: Iterable[StrawberryObjectDefinition] = (),
    directives: Sequence[object] = (),
    is_type_of: Callable[[Any, Any], bool] | None = None,
) -> None:
    for field in fields:
        field.origin = field.origin or made
    definition = StrawberryObjectDefinition(
        name=name,
        is_input=is_input,
        is_interface=False,
        origin=made,
        description=description,
        interfaces=list(interfaces),
        extend=False,
        directives=directives,
        is_type_of=is_type_of,
        resolve_type=None,
        fields=fields,
    )
    keep_definition(made, definition)
