"""What a mutation takes: its input's fields, and the narrow values that the rule gets of them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import strawberry
from strawberry import UNSET

from gql.kit.naming import camel
from gql.kit.node import parse_id
from lango.errors import BadUserInput
from lango.exact_json import written_length
from lango.postgres import RawJson
from lango.texts import cleaned
from models.base import Base

MODEL = "lango.model"
CLEARS = "lango.clears"
EXACT = "lango.exact"
# A text that may be as long as this may have several lines.
MANY_LINES = 1_000
KEY = "Makes a retry answer as the first call did, for 24 hours: any text of your choosing, new for each new call."


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
        return arguments_of(value)
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
