"""Mutations: the field of a rule, with its input, its payload and its refusals as types."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import orjson
import strawberry

from gql.kit.addresses import Address, keep
from gql.kit.arguments import with_arguments
from gql.kit.inputs import arguments_of
from gql.kit.naming import camel
from gql.kit.node import key_from
from gql.kit.planner.answers import MadeRow
from gql.kit.rows import read_node
from gql.kit.running import Asked, run
from gql.kit.scalars import Json
from lango.errors import Forbidden, Refused, Unauthenticated
from lango.postgres import RawJson
from lango.rules import Rule
from models.base import Base


@strawberry.interface(description="Why a mutation refused. Each mutation has its own type of it, with its own codes.")
class UserError:
    message: str = strawberry.field(description="What to tell the person.")
    field: list[str] | None = strawberry.field(
        description="The path into the input, also to what is missing there; null where it is about no field."
    )
    details: Json | None = strawberry.field(description="Facts about the refusal, for programs; null without any.")


@strawberry.enum(description="What a mutation warns of although it was done.")
class WarningCode(Enum):
    PAYMENT_PROVIDER_UNAVAILABLE = strawberry.enum_value(
        "PAYMENT_PROVIDER_UNAVAILABLE",
        description="The payment service could not be reached; it is asked again until it answers.",
    )
    PAYMENT_PROVIDER_REFUSED = strawberry.enum_value(
        "PAYMENT_PROVIDER_REFUSED",
        description="The payment service has answered that it will not do this; to ask the same again does not help.",
    )
    NOT_YET_FINISHED = strawberry.enum_value(
        "NOT_YET_FINISHED",
        description="Something that follows from it has failed for the moment; it is tried again until it is done.",
    )


@strawberry.type(name="Warning", description="Something that is not yet as it should be, although it was done.")
class MutationWarning:
    code: WarningCode = strawberry.field(description="The warning, for programs.")
    message: str = strawberry.field(description="What to tell the person.")


UNFINISHED = MutationWarning(
    code=WarningCode.NOT_YET_FINISHED,
    message="Something that follows from this has failed for the moment; it is tried again until it is done.",
)


class Once(NamedTuple):
    """A value of a payload that is shown to the first call alone: a retry with its idempotency key gets null."""

    annotation: Any
    doc: str


def mutation(rule: Rule, *, name: str, input: type[Any], makes: dict[str, Any]) -> Any:
    """The field of a rule. `makes` names what its payload holds: a model, a list with one model for rows of it, or the
    annotation of a plain value with its description, which is `Once` for a secret.

    A rule that makes one thing returns it; one that makes several returns a dataclass with these fields.
    """
    title = name[:1].upper() + name[1:]
    codes = _codes(title, name, rule)
    error = _error_type(title, name, codes)
    payload = _payload_type(title, name, rule, makes, error)
    once = frozenset(key for key, value in makes.items() if isinstance(value, Once))

    async def resolve(info: Any, input: Any) -> Any:
        context = info.context
        arguments = arguments_of(input)
        key = arguments.pop("idempotency_key", None)
        _check_caller(rule, context.actor)
        operation = name
        if key is None and context.idempotency_key is not None:
            key, operation = context.idempotency_key, f"{name}:{'.'.join(str(part) for part in info.path.as_list())}"
        asked = Asked(rule, operation, arguments, key if rule.idempotent else None, next(iter(makes)), once)
        made = await run(context, asked)
        values: dict[str, Any] = dict.fromkeys(makes)
        for field, value in made.values.items():
            values[field] = _shown(context, makes[field], value)
        if rule.calls:
            values["warnings"] = [*map(_unreached, made.unreached), *map(_unwilling, made.unwilling)]
            if made.unfinished:
                values["warnings"].append(UNFINISHED)
        return payload(**values, user_errors=[error(**_error(item, codes)) for item in made.errors])

    argument = {"input": (input, "What the mutation takes.", inspect.Parameter.empty)}
    with_arguments(resolve, argument, payload | None, rooted=False)
    return strawberry.field(resolve, name=name, description=rule.doc)


def _shown(context: Any, what: Any, value: Any) -> Any:
    """A value as the payload has it: rows by their keys, to be read when they are selected; others as they are."""
    if value is None:
        return None
    if _is_model(what):
        return MadeRow(what, key_from(what, value))
    if isinstance(what, list):
        return MadeRows(context, what[0], [key_from(what[0], key) for key in value])
    return value


@dataclass(frozen=True, slots=True)
class MadeRows:
    """Rows that a rule made: read by one statement as the caller, where the payload's field is selected.

    An error in that is the field's: the rule has been done, and the rest of the payload says so.
    """

    context: Any
    model: type[Base]
    keys: list[tuple[Any, ...]]

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return self._read().__await__()

    async def _read(self) -> list[Any]:
        found = await asyncio.gather(*(read_node(self.context, self.model, key) for key in self.keys))
        return [row for row in found if row is not None]


def _codes(title: str, name: str, rule: Rule) -> Any:
    members = {item.code(): strawberry.enum_value(item.code(), description=_doc(item)) for item in rule.refusals}
    made = Enum(f"{title}ErrorCode", members)  # type: ignore[misc]
    return strawberry.enum(made, name=f"{title}ErrorCode", description=f"Why `{name}` may refuse.")


def _doc(refusal: type[Refused]) -> str:
    return " ".join((refusal.__doc__ or "").split())


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Base)


def _error_type(title: str, name: str, codes: Any) -> type[Any]:
    namespace = {
        "__annotations__": {"code": codes},
        "code": strawberry.field(description="The refusal, for programs."),
        "is_type_of": classmethod(lambda cls, value, _: isinstance(value, cls)),
    }
    made = type(f"{title}UserError", (UserError,), namespace)
    return keep(
        f"{title}UserError", strawberry.type(made, name=f"{title}UserError", description=f"Why `{name}` refused.")
    )


def _payload_type(title: str, name: str, rule: Rule, makes: dict[str, Any], error: type[Any]) -> type[Any]:
    namespace: dict[str, Any] = {"__annotations__": {}}
    for key, value in makes.items():
        annotation, doc = _annotated(value)
        namespace["__annotations__"][key] = annotation | None
        namespace[key] = strawberry.field(name=camel(key), description=doc)
    if rule.calls:
        namespace["__annotations__"]["warnings"] = list[MutationWarning]
        namespace["warnings"] = strawberry.field(description="What is not yet as it should be; empty as a rule.")
    namespace["__annotations__"]["user_errors"] = list[error]  # type: ignore[valid-type]
    namespace["user_errors"] = strawberry.field(description="Why it was refused; empty where it was done.")
    made = type(f"{title}Payload", (), namespace)
    return keep(f"{title}Payload", strawberry.type(made, name=f"{title}Payload", description=f"What `{name}` came to."))


def _annotated(value: Any) -> tuple[Any, str]:
    if _is_model(value):
        return Address(value.__name__), f"{_about(value)} Null where it was refused, or where you may not see it."
    if isinstance(value, list):
        return list[Address(value[0].__name__)], f"{_about(value[0])} Null where it was refused."  # type: ignore[misc]
    annotation, doc = value
    return annotation, f"{doc} A retry with the same key gets null." if isinstance(value, Once) else doc


def _about(model: type[Base]) -> str:
    return " ".join((model.__doc__ or "").split())


def _check_caller(rule: Rule, actor: Any) -> None:
    if actor.user_id is None and not rule.anonymous:
        raise Unauthenticated
    if rule.staff and not actor.is_staff:
        raise Forbidden("Only staff may do this.")


def _error(item: dict[str, Any], codes: Any) -> dict[str, Any]:
    details = RawJson(orjson.dumps(item["details"]).decode()) if item["details"] else None
    field = item["field"].split(".") if item["field"] else None
    return {"code": codes[item["code"]], "message": item["message"], "field": field, "details": details}


def _unreached(provider: str) -> MutationWarning:
    told = f"{provider} cannot be reached at the moment; it is asked again until it answers."
    return MutationWarning(code=WarningCode.PAYMENT_PROVIDER_UNAVAILABLE, message=told)


def _unwilling(provider: str) -> MutationWarning:
    told = f"{provider} has answered that it will not do this; to ask the same again does not help."
    return MutationWarning(code=WarningCode.PAYMENT_PROVIDER_REFUSED, message=told)
