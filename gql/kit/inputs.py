"""What a mutation takes: its input, made from the rule's signature, and the narrow values that the rule gets of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin

import strawberry
from strawberry import UNSET

from gql.kit.kinds import enum_of
from gql.kit.naming import camel
from gql.kit.node import parse_id
from gql.kit.scalars import Json
from gql.kit.types import Field, Input, input_type
from lango.db.postgres import RawJson
from lango.errors import BadUserInput
from lango.rules.inputs import Changes, DetailsParameter, Id, Locked, Parameter, Seen, Text, Value, fields_of
from lango.rules.rule import LONGEST_IDEMPOTENCY_KEY, Rule
from lango.values.exact_json import written_length
from lango.values.text_cleaning import cleaned
from models.columns import Documented

# A text that may be as long as this may have several lines.
MANY_LINES = 1_000
KEY = Parameter(
    "idempotency_key",
    str,
    Text(
        "Makes a retry answer as the first call did, for 24 hours: any text of your choosing, new for each new call.",
        LONGEST_IDEMPOTENCY_KEY,
        exact=True,
    ),
    required=False,
)
VALIDATE_ONLY = Parameter(
    "validate_only",
    bool,
    Value(
        "Runs the mutation without keeping anything: its refusals and its payload are those of a real call, then all is"
        " rolled back. Outside services are not called, and the idempotency key is not used up."
    ),
    required=False,
)


def input_of(rule: Rule[..., Any], name: str) -> type[Input]:
    """The input of a rule's mutation: the parameters, the idempotency key where there is one, and the dry run."""
    parameters = [*rule.signature.inputs(), *([KEY] if rule.idempotent else []), VALIDATE_ONLY]
    details = (each.type for each in rule.signature.parameters if isinstance(each, DetailsParameter))
    changes = any(issubclass(each, Changes) for each in details)
    description = f"What `{name}` takes{'; what is left out stays as it is' if changes else ''}."
    return _input(f"{name[:1].upper()}{name[1:]}Input", parameters, description, dict)


@cache
def nested_input(kind: type[Any]) -> type[Input]:
    """The input type of a dataclass in a rule's input."""
    title = f"{kind.__name__.removesuffix('Input')}Input"
    return _input(title, fields_of(kind), " ".join((kind.__doc__ or "").split()), kind)


def _input(title: str, parameters: Iterable[Parameter], description: str, made_of: type[Any]) -> type[Input]:
    by_field = {each.field: each for each in parameters if each.field is not None}
    fields = [_field(name, each) for name, each in by_field.items()]
    made = input_type(title, fields, description=description)
    INPUTS[made] = by_field, made_of
    return made


# The parameters of an input by its fields, and what the rule gets of one: a dataclass of its own, or a dict.
INPUTS: dict[type[Input], tuple[dict[str, Parameter], type[Any]]] = {}


def _field(name: str, each: Parameter) -> Field:
    annotation = _annotation(each.type, each.spec)
    return Field(
        name,
        annotation if each.required else annotation | None,
        name=camel(name),
        description=f"{each.doc} Its id, or its `rowId`." if isinstance(each.spec, Id | Seen | Locked) else each.doc,
        default=MISSING if each.required else UNSET,
    )


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


def arguments_of(given: Input) -> Any:
    """The rule's arguments, from an input; what was left out is not among them, nor null where it clears nothing.

    Raises BadUserInput for a text that is too long, and for an id of another type.
    """
    parameters, made_of = INPUTS[type(given)]
    arguments: dict[str, Any] = {}
    for name, each in parameters.items():
        value = getattr(given, name)
        if value is not UNSET and (value is not None or each.clears):
            arguments[name] = _narrow(name, each, value)
    return made_of(**arguments)


def _narrow(name: str, each: Parameter, value: Any) -> Any:
    if isinstance(value, list):
        return [_narrow(name, each, item) for item in value if item is not None]
    if isinstance(value, Input):
        return arguments_of(value)
    if value is not None and isinstance(each.spec, Id | Seen | Locked):
        return parse_id(each.model, value)[0]
    if isinstance(each.spec, Text) and isinstance(value, str):
        return _text(name, each.spec, value)
    if isinstance(value, str) and "\0" in value:
        raise BadUserInput(f"`{camel(name)}` holds a NUL character.")
    return value


def _text(name: str, spec: Text, value: str) -> str:
    if isinstance(value, RawJson):
        if written_length(value) > spec.max_length:
            raise BadUserInput(f"`{camel(name)}` has at most {spec.max_length} characters, its numbers written out.")
        return value
    if "\0" in value:
        raise BadUserInput(f"`{camel(name)}` holds a NUL character.")
    if not spec.exact:
        value = cleaned(value, lines=spec.max_length >= MANY_LINES)
    if len(value) > spec.max_length:
        raise BadUserInput(f"`{camel(name)}` has at most {spec.max_length} characters.")
    return value
