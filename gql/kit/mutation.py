"""Mutations: the field of a rule, with its input, its payload and its refusals as types."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from copy import copy
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any

import orjson
import strawberry

from gql.kit.inputs import arguments_of, input_of
from gql.kit.kinds import enum_of
from gql.kit.loaders import read_node
from gql.kit.naming import camel
from gql.kit.node import key_from
from gql.kit.planner.answers import PlannedObject, QueryPlanner, RowReference
from gql.kit.planner.builder import MUTATION
from gql.kit.planner.finishing import finished
from gql.kit.planner.mutations import Reading
from gql.kit.scalars import Json
from gql.kit.type_registry import TypeReference, register
from gql.kit.types import Field, Input, argument, object_type
from lango.actor import Actor
from lango.db.connection import Query
from lango.db.postgres import RawJson
from lango.errors import Forbidden, Refused, Unauthenticated
from lango.graphql.cookie_session import ACCESS, REFRESH, CookieSession
from lango.graphql.cost import ONCE
from lango.graphql.permissions import FOR_STAFF, IN_PERSON, NotByKey
from lango.libraries.strawberry import definition_of, raw_info_of
from lango.providers.registry import WARNINGS
from lango.providers.warnings import ProviderWarning
from lango.rules.rule import Result, Rule
from models.base import Base
from models.columns import Documented
from resolvers.kernel.running import Outcome, run

ONLY_ONE = "An operation has at most one field of this kind."


@strawberry.interface(description="Why a mutation refused. Each mutation has its own type of it, with its own codes.")
class UserError:
    message: str = strawberry.field(description="What to tell the person.")
    field: list[str] | None = strawberry.field(
        description="The path into the input, also to what is missing there; null where it is about no field."
    )
    details: Json | None = strawberry.field(description="Facts about the refusal, for programs; null without any.")


def _warning_codes() -> Any:
    """Of all providers that there are: each says itself what a call of it may warn of."""
    members = {kind.code: strawberry.enum_value(kind.code, description=kind.description) for kind in WARNINGS}
    made = Enum("WarningCode", members)  # type: ignore[misc]
    return strawberry.enum(made, description="What a mutation warns of although it was done.")


WARNING_CODES: Any = _warning_codes()


@strawberry.type(name="Warning", description="Something that is not yet as it should be, although it was done.")
class MutationWarning:
    code: WARNING_CODES = strawberry.field(description="The warning, for programs.")
    message: str = strawberry.field(description="What to tell the person.")


def mutations(*rules: Rule[..., Any], in_person: bool = False) -> type[Any]:
    """The mutations of a group: a field for each rule, with its name, its input, its payload and its refusals.

    `in_person`: an API key may do none of them, whatever it may do otherwise.
    """
    return object_type("Mutation", [field_of(rule, in_person=in_person) for rule in rules])


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule as a mutation of the schema."""

    rule: Rule[..., Any]
    name: str
    in_person: bool = False

    @property
    def rows(self) -> dict[str, Result]:
        """The single rows of its payload, by the names of their fields."""
        return {camel(each.name): each for each in self.rule.results if each.model is not None and not each.many}

    @property
    def gives(self) -> set[str]:
        """The names of its results."""
        return {each.name for each in self.rule.results}

    async def perform(self, context: Any, given: Input, path: tuple[str | int, ...], reading: Reading) -> Outcome:
        """Run the rule with that input; `path` is where the mutation stands in the answer. Raises CallerError."""
        arguments = arguments_of(given)
        key, validate_only = arguments.pop("idempotency_key", None), arguments.pop("validate_only", False)
        self._check_caller(context.actor)
        operation = self.name
        if key is None and context.idempotency_key is not None:
            key, operation = context.idempotency_key, f"{self.name}:{'.'.join(map(str, path))}"
        session: CookieSession | None = context.cookie_session
        if session is not None:
            takes, gives = (each.name for each in self.rule.signature.inputs()), self.gives
            session.bring(takes, gives, arguments)
        await context.restart_reads()
        outcome = await run(
            context.services,
            context.actor,
            self.rule,
            arguments,
            key=key if self.rule.idempotent else None,
            operation=operation,
            validate_only=validate_only,
            committing=context.note_commit,
            counting=context.count_call,
            reading=reading,
        )
        if session is not None:
            refused, done = bool(outcome.refusals), outcome.dry_run is None
            session.keep(self.rule.name, arguments, outcome.values, refused=refused, done=done)
        context.replayed += outcome.replayed
        context.show(outcome.opened, outcome.dry_run)
        return outcome

    def _check_caller(self, actor: Actor) -> None:
        if actor.user_id is None and not self.rule.anonymous:
            raise Unauthenticated
        if self.rule.staff and not actor.is_staff:
            raise Forbidden("Only staff may do this.")
        if self.in_person and actor.api_key is not None:
            raise NotByKey(self.name)


def reference_to(result: Result, outcome: Outcome) -> RowReference | None:
    """The row that is the value of that result, by its key; None where there is none."""
    key = outcome.values.get(result.name)
    model: Any = result.model
    return None if key is None else RowReference(model, key_from(model, key))


@dataclass(slots=True)
class PayloadReading:
    """How the rows of a payload are read with the commit, where the executor makes the answer."""

    info: Any
    payload_name: str
    mutation: Mutation
    planned: list[PlannedObject] = field(default_factory=list)

    async def queries(self, outcome: Outcome) -> list[Query]:
        """The statements that read the rows which are selected and can be planned."""
        context = self.info.context
        if isinstance(context.planner, QueryPlanner):
            shown = {name: reference_to(each, outcome) for name, each in self.mutation.rows.items()}
            rows = {name: reference for name, reference in shown.items() if reference is not None}
            models: dict[str, Any] = {name: each.model for name, each in self.mutation.rows.items()}
            self.planned = await context.planner.payload(
                raw_info_of(self.info), context, self.payload_name, models, rows
            )
        return [(each.statement.sql, each.values) for each in self.planned]

    def keep(self, outcome: Outcome) -> None:
        """Let the executor find what they gave."""
        context = self.info.context
        if isinstance(outcome.payload, list):
            for each, text in zip(self.planned, outcome.payload, strict=True):
                context.read_objects[each.path] = finished(each.statement, text)


def field_of(rule: Rule[..., Any], *, in_person: bool = False) -> Field:
    """The field of a rule."""
    name = camel(rule.name)
    input_type = input_of(rule, name)
    title = name[:1].upper() + name[1:]
    codes = _codes(title, name, rule)
    payload_name = f"{title}Payload"
    payload = _payload_type(title, name, rule, _error_type(title, name, codes))

    mutation = Mutation(rule, name, in_person)

    async def resolve(_: Any, info: Any, input: Any) -> Any:
        context, path = info.context, tuple(info.path.as_list())
        outcome = context.performed.pop(path, None)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is None:
            reading = PayloadReading(info, payload_name, mutation)
            outcome = await mutation.perform(context, input, path, reading.queries)
            reading.keep(outcome)
        values: dict[str, Any] = {}
        for result in rule.results:
            values[result.name] = _shown(context, result, outcome.values.get(result.name))
        if rule.calls:
            values["warnings"] = [_warning(each) for each in outcome.warnings]
        return SimpleNamespace(**values, user_errors=[_error(item, codes) for item in outcome.refusals])

    given = argument("input", input_type, name="input", description="What the mutation takes.")
    return Field(
        rule.name,
        payload | None,
        name=name,
        description=f"{rule.doc} {ONLY_ONE}" if rule.once_an_operation else rule.doc,
        resolve=resolve,
        arguments=[given],
        metadata={
            MUTATION: mutation,
            ONCE: rule.once_an_operation,
            FOR_STAFF: rule.staff,
            IN_PERSON: in_person,
        },
    )


def _shown(context: Any, result: Result, value: Any) -> Any:
    """A value as the payload has it: rows by their keys, to be read when they are selected; others as they are."""
    if value is None or result.model is None:
        return value
    model: Any = result.model
    if result.many:
        return RowReferences(context, model, [key_from(model, key) for key in value])
    return RowReference(model, key_from(model, value))


@dataclass(frozen=True, slots=True)
class RowReferences:
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


def _codes(title: str, name: str, rule: Rule[..., Any]) -> Any:
    members = {item.code(): strawberry.enum_value(item.code(), description=_doc(item)) for item in rule.refusals}
    made = Enum(f"{title}ErrorCode", members)  # type: ignore[misc]
    return strawberry.enum(made, name=f"{title}ErrorCode", description=f"Why `{name}` may refuse.")


def _doc(refusal: type[Refused]) -> str:
    return " ".join((refusal.__doc__ or "").split())


def _error_type(title: str, name: str, codes: Any) -> type[Any]:
    code = Field("code", codes, name="code", description="The refusal, for programs.")
    fields = [*map(copy, definition_of(UserError).fields), code]
    description = f"Why `{name}` refused."
    made = object_type(
        f"{title}UserError", fields, description=description, interfaces=[UserError], is_type_of=_is_error
    )
    return register(f"{title}UserError", made)


def _is_error(value: Any, _: Any) -> bool:
    return isinstance(value, SimpleNamespace)


def _payload_type(title: str, name: str, rule: Rule[..., Any], error: type[Any]) -> type[Any]:
    fields = []
    for result in rule.results:
        annotation, doc = _annotated(result)
        fields.append(Field(result.name, annotation | None, name=camel(result.name), description=doc))
    if rule.calls:
        doc = "What is not yet as it should be; empty as a rule."
        fields.append(Field("warnings", list[MutationWarning], name="warnings", description=doc))
    doc = "Why it was refused; empty where it was done."
    fields.append(Field("user_errors", list[error], name="userErrors", description=doc))  # type: ignore[valid-type]
    made = object_type(f"{title}Payload", fields, description=f"What `{name}` came to.")
    return register(f"{title}Payload", made)


def _annotated(result: Result) -> tuple[Any, str]:
    if result.model is None:
        kind = result.type
        annotation = enum_of(kind) if isinstance(kind, type) and issubclass(kind, Documented) else kind
        return annotation, f"{result.doc}{_about_secret(result)}" if result.once else result.doc
    model: Any = result.model
    address = TypeReference(model.__name__)
    if result.many:
        return list[address], f"{_about(model)} Null where it was refused."  # type: ignore[valid-type]
    return address, f"{_about(model)} Null where it was refused, or where you may not see it."


def _about_secret(result: Result) -> str:
    if result.name in (ACCESS, REFRESH):
        return " Null too where you keep it in cookies (`X-Lango-Session: cookie`)."
    return " A retry with the same key gets null."


def _about(model: type[Base]) -> str:
    return " ".join((model.__doc__ or "").split())


def _error(item: dict[str, Any], codes: Any) -> SimpleNamespace:
    details = RawJson(orjson.dumps(item["details"]).decode()) if item["details"] else None
    field = [camel(part) for part in item["field"].split(".")] if item["field"] else None
    return SimpleNamespace(code=codes[item["code"]], message=item["message"], field=field, details=details)


def _warning(warning: ProviderWarning) -> MutationWarning:
    return MutationWarning(code=WARNING_CODES[warning.code], message=warning.message)
