"""Mutations: how a rule is called, what it may answer, and that a retry answers the same.

A call runs in one transaction: the idempotency key is claimed, the rule runs (it reads as the caller and writes as the
rules' role), what it made is read again as the caller with the selection of this very call, and only then it commits.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import orjson
import strawberry
from sqlalchemy.exc import DBAPIError
from strawberry import UNSET

from gql.kit.addresses import Address, keep
from gql.kit.arguments import with_arguments
from gql.kit.naming import camel
from gql.kit.node import key_from, key_of, parse_id
from gql.kit.planner.answers import MadeRow
from gql.kit.scalars import Json
from lango.errors import BadUserInput, Forbidden, Refused, Unauthenticated
from lango.postgres import RawJson
from lango.rows import save
from lango.rules import Rule
from lango.session import Work
from models.base import Base
from resolvers import idempotency

ATTEMPTS = 4
# Deadlock and serialization failure: the same call may succeed when it is made again.
RETRIED = frozenset({"40P01", "40001"})
MODEL = "lango.model"


@strawberry.interface(description="Why a mutation refused. Each mutation has its own type of it, with its own codes.")
class UserError:
    message: str = strawberry.field(description="What to tell the person.")
    field: list[str] | None = strawberry.field(description="The path into the input; null where it is about no field.")
    details: Json | None = strawberry.field(description="Facts about the refusal, for programs; null without any.")


def text_input(description: str, *, max_length: int, required: bool = False) -> Any:
    """A text of an input, with the most characters it may have."""
    options: dict[str, Any] = {} if required else {"default": UNSET}
    return strawberry.field(description=description, metadata={"max_length": max_length}, **options)


def id_of(model: type[Base], description: str) -> Any:
    """An id of an input: a global id of that model, or its `rowId`. The rule gets the key."""
    return strawberry.field(description=f"{description} Its id, or its `rowId`.", metadata={MODEL: model})


@dataclass(frozen=True, slots=True)
class Made:
    """What a call came to: the fields of its payload, or its refusals."""

    values: dict[str, Any]
    errors: list[dict[str, Any]]


def mutation(rule: Rule, *, name: str, input: type[Any], makes: dict[str, Any]) -> Any:
    """The field of a rule. `makes` names what its payload holds: a model, or the annotation of a plain value.

    A rule that makes one thing returns it; one that makes several returns a dataclass with these fields.
    """
    title = name[:1].upper() + name[1:]
    codes = _codes(title, name, rule)
    error = _error_type(title, name, codes)
    payload = _payload_type(title, name, makes, error)

    async def resolve(info: Any, input: Any) -> Any:
        arguments, key = _arguments(input)
        _check_caller(rule, info.context.actor)
        made = await call(info, rule, name, arguments, key, makes)
        values = dict.fromkeys(makes) | made.values
        return payload(**values, user_errors=[error(**_error(item, codes)) for item in made.errors])

    argument = {"input": (input, "What the mutation takes.", inspect.Parameter.empty)}
    with_arguments(resolve, argument, payload | None, rooted=False)
    return strawberry.field(resolve, name=name, description=rule.doc)


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


def _payload_type(title: str, name: str, makes: dict[str, Any], error: type[Any]) -> type[Any]:
    namespace: dict[str, Any] = {"__annotations__": {}}
    for key, value in makes.items():
        annotation, doc = (Address(value.__name__), _about(value)) if _is_model(value) else value
        namespace["__annotations__"][key] = annotation | None
        namespace[key] = strawberry.field(name=camel(key), description=doc)
    namespace["__annotations__"]["user_errors"] = list[error]  # type: ignore[valid-type]
    namespace["user_errors"] = strawberry.field(description="Why it was refused; empty where it was done.")
    made = type(f"{title}Payload", (), namespace)
    return keep(f"{title}Payload", strawberry.type(made, name=f"{title}Payload", description=f"What `{name}` came to."))


def _about(model: type[Base]) -> str:
    return f"{' '.join((model.__doc__ or '').split())} Null where it was refused, or where you may not see it."


def _arguments(value: Any) -> tuple[dict[str, Any], str | None]:
    """The rule's arguments and the idempotency key, from an input."""
    arguments: dict[str, Any] = {}
    for field in fields(value):
        given = getattr(value, field.name)
        if given is UNSET or given is None:
            continue
        if (model := field.metadata.get(MODEL)) is not None:
            given = parse_id(model, given)[0]
        _check_text(field, given)
        arguments[field.name] = given
    return arguments, arguments.pop("idempotency_key", None)


def _check_text(field: Any, given: Any) -> None:
    if not isinstance(given, str):
        return
    if "\0" in given:
        raise BadUserInput(f"`{camel(field.name)}` holds a NUL character.")
    longest = field.metadata.get("max_length")
    if longest is not None and len(given) > longest:
        raise BadUserInput(f"`{camel(field.name)}` has at most {longest} characters.")


def _check_caller(rule: Rule, actor: Any) -> None:
    if actor.user_id is None and not rule.anonymous:
        raise Unauthenticated
    if rule.staff and not actor.is_staff:
        raise Forbidden("Only staff may do this.")


def _error(item: dict[str, Any], codes: Any) -> dict[str, Any]:
    details = RawJson(orjson.dumps(item["details"]).decode()) if item["details"] else None
    field = item["field"].split(".") if item["field"] else None
    return {"code": codes[item["code"]], "message": item["message"], "field": field, "details": details}


async def call(
    info: Any, rule: Rule, name: str, arguments: dict[str, Any], key: str | None, makes: dict[str, Any]
) -> Made:
    """Run a rule, again after a deadlock; leaves its transaction open in the context, for the payload to be read."""
    context, operation = info.context, name
    if key is None and context.idempotency_key is not None:
        key, operation = context.idempotency_key, f"{name}:{'.'.join(str(part) for part in info.path.as_list())}"
    for attempt in range(ATTEMPTS):
        work = Work(context.engine, context.actor, as_rules=rule.as_rules)
        try:
            made = await _run(work, rule, operation, arguments, key if rule.idempotent else None, makes)
            break
        except BaseException as error:
            await work.fail(error)
            if isinstance(error, Refused):
                # The key, not the rule, refused: another call has it.
                return Made({}, [_told(error)])
            if attempt + 1 == ATTEMPTS or not _is_retried(error):
                raise
            await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)  # noqa: S311 - jitter, no secret
    context.read_in(work)
    models = {field: value for field, value in makes.items() if field in made.values and _is_model(value)}
    rows = {field: MadeRow(model, key_from(model, made.values[field])) for field, model in models.items()}
    return Made(made.values | rows, made.errors)


def _is_retried(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in RETRIED


async def _run(
    work: Work, rule: Rule, operation: str, arguments: dict[str, Any], key: str | None, makes: dict[str, Any]
) -> Made:
    """The rule in its transaction, which is left showing what the caller may see of it."""
    claimed = None
    await work.begin(with_rule=key is None)
    if key is not None:
        request = idempotency.hash_of(arguments)
        claimed = await idempotency.claim(work.session, work.actor, operation, key, request)
        if claimed.outcome is not None:
            await work.show()
            return Made(claimed.outcome.get("made", {}), claimed.outcome.get("refused", []))
        await work.start_rule()
    try:
        made = Made(_keys(await rule.run(work.session, work.actor, **arguments), makes), [])
        await work.keep(and_show=claimed is None)
        if claimed is None:
            return made
    except Refused as refusal:
        await work.undo()
        await save(work.session, *refusal.kept)
        made = Made({}, [_told(refusal)])
    if claimed is not None:
        await idempotency.store(work.session, claimed, {"made": made.values, "refused": made.errors})
    await work.show()
    return made


def _told(refusal: Refused) -> dict[str, Any]:
    return {"code": refusal.code(), "message": refusal.message, "field": refusal.field, "details": refusal.details}


def _keys(result: Any, makes: dict[str, Any]) -> dict[str, Any]:
    """The payload's values: for a row the parts of its key, because the payload reads it anew; others as they are."""
    parts = (
        {next(iter(makes)): result}
        if isinstance(result, Base)
        else {f.name: getattr(result, f.name) for f in fields(result)}
    )
    return {
        key: [str(part) for part in key_of(value)] if isinstance(value, Base) else value for key, value in parts.items()
    }
