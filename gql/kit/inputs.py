"""What a mutation takes: its input, made from the rule's signature, and the narrow values that the rule gets of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin

import strawberry
from strawberry import UNSET

from gql.kit.kinds import enum_of
from gql.kit.naming import camel
from gql.kit.node import parse_id
from gql.kit.scalars import Json
from lango.db.postgres import RawJson
from lango.errors import BadUserInput
from lango.rules.inputs import Changes, DetailsParameter, Id, Locked, Parameter, Seen, Text, Value, fields_of
from lango.rules.rule import Rule
from lango.values.exact_json import written_length
from lango.values.text_cleaning import cleaned
from models.base import Base
from models.columns import Documented

MODEL = "lango.model"
CLEARS = "lango.clears"
EXACT = "lango.exact"
# What an input type that is nested in another is made of.
DATACLASS = "__dataclass_of_rule__"
# A text that may be as long as this may have several lines.
MANY_LINES = 1_000
KEY = "Makes a retry answer as the first call did, for 24 hours: any text of your choosing, new for each new call."
VALIDATE_ONLY = (
    "Runs the mutation without keeping anything: its refusals and its payload are those of a real call, then all is"
    " rolled back. Outside services are not called, and the idempotency key is not used up."
)


def text_input(
    description: str, *, max_length: int, required: bool = False, clears: bool = False, exact: bool = False
) -> Any:
    """A text of an input, with the most characters it may have; `clears` as of a value.

    The rule gets it cleaned, so that no text looks like another or like nothing; one that is `exact`, as it came.
    """
    options: dict[str, Any] = {} if required else {"default": UNSET}
    metadata = {"max_length": max_length, CLEARS: clears, EXACT: exact}
    return strawberry.field(description=description, metadata=metadata, **options)


def value_input(description: str, *, required: bool = False, clears: bool = False) -> Any:
    """A value of an input that its type alone describes: a number, a day, a choice, a list, another input.

    Where null `clears` what is stored, the rule gets None for it, and nothing for what was left out.
    """
    options: dict[str, Any] = {} if required else {"default": UNSET}
    return strawberry.field(description=description, metadata={CLEARS: clears}, **options)


def id_of(model: type[Base], description: str, *, required: bool = True) -> Any:
    """An id of an input: a global id of that model, or its `rowId`. The rule gets the key."""
    options: dict[str, Any] = {} if required else {"default": UNSET}
    return strawberry.field(description=f"{description} Its id, or its `rowId`.", metadata={MODEL: model}, **options)


def key_input() -> Any:
    """The idempotency key, which is each input's last field."""
    return text_input(KEY, max_length=255, exact=True)


def input_of(rule: Rule[..., Any], name: str) -> type[Any]:
    """The input of a rule's mutation: the parameters, the idempotency key where there is one, and the dry run."""
    namespace = _fields(rule.signature.inputs())
    if rule.idempotent:
        _add(namespace, "idempotency_key", str | None, key_input())
    _add(namespace, "validate_only", bool | None, value_input(VALIDATE_ONLY))
    details = (each.type for each in rule.signature.parameters if isinstance(each, DetailsParameter))
    changes = any(issubclass(each, Changes) for each in details)
    description = f"What `{name}` takes{'; what is left out stays as it is' if changes else ''}."
    title = f"{name[:1].upper()}{name[1:]}Input"
    return strawberry.input(type(title, (), namespace), name=title, description=description)


@cache
def nested_input(kind: type[Any]) -> type[Any]:
    """The input type of a dataclass in a rule's input."""
    title = f"{kind.__name__.removesuffix('Input')}Input"
    namespace = {**_fields(fields_of(kind)), DATACLASS: kind}
    return strawberry.input(type(title, (), namespace), name=title, description=" ".join((kind.__doc__ or "").split()))


def _fields(parameters: Iterable[Parameter]) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__annotations__": {}}
    for each in parameters:
        assert each.field is not None
        annotation = _annotation(each.type, each.spec)
        _add(namespace, each.field, annotation if each.required else annotation | None, _field(each))
    return namespace


def _add(namespace: dict[str, Any], name: str, annotation: Any, field: Any) -> None:
    namespace["__annotations__"][name] = annotation
    namespace[name] = field


def _field(each: Parameter) -> Any:
    spec, options = each.spec, {"required": each.required}
    match spec:
        case Id():
            return id_of(spec.model, spec.doc, **options)  # type: ignore[arg-type]
        case Seen() | Locked():
            return id_of(each.type, spec.doc, **options)
        case Text():
            return text_input(spec.doc, max_length=spec.max_length, clears=each.clears, exact=spec.exact, **options)
        case Value():
            return value_input(spec.doc, clears=each.clears, **options)
    raise TypeError(f"{spec!r} is no field of an input.")


def _annotation(kind: Any, spec: Any) -> Any:
    """The type outside of a parameter's type."""
    if get_origin(kind) is list:
        return list[_annotation(get_args(kind)[0], spec)]  # type: ignore[misc]
    if isinstance(spec, Id | Seen | Locked):
        return strawberry.ID
    if is_dataclass(kind):
        return nested_input(kind)  # type: ignore[arg-type]
    if isinstance(kind, type) and issubclass(kind, Documented):
        return enum_of(kind)
    return Json if kind is RawJson else kind


def arguments_of(given: Any) -> dict[str, Any]:
    """The rule's arguments, from an input; what was left out is not among them, nor null where it clears nothing.

    Raises BadUserInput for a text that is too long, and for an id of another type.
    """
    arguments: dict[str, Any] = {}
    for field in fields(given):
        value = getattr(given, field.name)
        if value is not UNSET and (value is not None or field.metadata.get(CLEARS)):
            arguments[field.name] = _narrow(field, value)
    return arguments


def _narrow(field: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_narrow(field, item) for item in value if item is not None]
    if is_dataclass(value):
        kind = getattr(type(value), DATACLASS, dict)
        return kind(**arguments_of(value))
    if value is not None and (model := field.metadata.get(MODEL)) is not None:
        return parse_id(model, value)[0]
    if isinstance(value, RawJson):
        return _json(field, value)
    if isinstance(value, str):
        return _text(field, value)
    return value


def _json(field: Any, value: RawJson) -> RawJson:
    longest = field.metadata.get("max_length")
    if longest is not None and written_length(value) > longest:
        raise BadUserInput(f"`{camel(field.name)}` has at most {longest} characters, its numbers written out.")
    return value


def _text(field: Any, value: str) -> str:
    if "\0" in value:
        raise BadUserInput(f"`{camel(field.name)}` holds a NUL character.")
    longest = field.metadata.get("max_length")
    if longest is None:
        return value
    if not field.metadata[EXACT]:
        value = cleaned(value, lines=longest >= MANY_LINES)
    if len(value) > longest:
        raise BadUserInput(f"`{camel(field.name)}` has at most {longest} characters.")
    return value
