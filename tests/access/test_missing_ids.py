"""Ids of rows that do not exist, in every place of every mutation that takes one: refused, never an internal error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
)

from gql.kit.inputs import INPUTS
from gql.kit.naming import camel
from gql.schema import schema
from lango.rules.inputs import Id, Locked, Seen
from models.identity import User
from models.profiles import Profile
from tests.client import STAFF, Api
from tests.factories import Factory, now

SCHEMA = schema._schema
assert SCHEMA.mutation_type is not None
MUTATIONS = {name: field.args["input"].type.of_type for name, field in SCHEMA.mutation_type.fields.items()}
SAMPLES: dict[str, Any] = {
    "String": "x", "Int": 5_000, "Boolean": True, "Decimal": "10", "JSON": {}, "Float": 1.0,
    "DateTime": lambda: (now() + timedelta(days=40)).isoformat(), "Date": lambda: (date.today() + timedelta(days=40)).isoformat(),
}  # fmt: skip
NAMED: dict[str, Any] = {
    "phone": "+221771234567", "donorPhone": "+221771234567", "contactPhone": "+221771234567", "email": "a@test.example",
    "currency": "XOF", "timeZone": "Africa/Dakar", "reason": "Because it is so.", "message": "Welcome",
    "country": "SEN",
}  # fmt: skip


def models_of(kind: GraphQLInputObjectType) -> dict[str, Any]:
    """The model of each id of an input, by the field's name."""
    parameters, _ = INPUTS[kind.extensions["strawberry-definition"].origin]
    ids = {camel(name): each.model for name, each in parameters.items() if isinstance(each.spec, Id | Seen | Locked)}
    return {name: ids.get(name) for name in kind.fields}


def places(kind: GraphQLInputObjectType, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the ids in an input."""
    models = models_of(kind)
    for name, field in kind.fields.items():
        bare = field.type
        while isinstance(bare, GraphQLNonNull | GraphQLList):
            bare = bare.of_type
        if isinstance(bare, GraphQLInputObjectType):
            yield from places(bare, (*path, name))
        elif models[name] is not None:
            yield (*path, name)


async def filled(make: Factory, kind: GraphQLInputObjectType, missing: tuple[str, ...]) -> dict[str, Any]:
    """An input with rows for its ids, except for the one at that path, and with what else is required."""
    models, values = models_of(kind), {}
    for name, field in kind.fields.items():
        here = missing[:1] == (name,)
        if here or isinstance(field.type, GraphQLNonNull):
            values[name] = await value_of(make, field.type, name, models[name], missing[1:] if here else None)
    return values


async def value_of(make: Factory, kind: Any, name: str, model: Any, missing: tuple[str, ...] | None) -> Any:
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if isinstance(kind, GraphQLList):
        return [await value_of(make, kind.of_type, name, model, missing)]
    if isinstance(kind, GraphQLInputObjectType):
        return await filled(make, kind, missing or ())
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if model is not None:
        return str(uuid4()) if missing is not None else str((await make(model)).id)
    sample = NAMED.get(name, SAMPLES.get(kind.name, "x"))
    return sample() if callable(sample) else sample


CASES = [(name, place) for name, kind in MUTATIONS.items() for place in places(kind)]


@pytest.fixture(scope="module")
async def callers(make: Factory) -> list[tuple[SimpleNamespace, tuple[str, ...]]]:
    member, staff = await make(User), await make.staff()
    for person in (member, staff):
        await make(Profile, user_id=person.id)
    return [(member, ()), (staff, STAFF)]


@pytest.mark.parametrize(("name", "place"), CASES, ids=[f"{name} {'.'.join(place)}" for name, place in CASES])
async def test_a_missing_id_is_refused_with_a_type(
    api: Api, make: Factory, callers: Any, name: str, place: tuple[str, ...]
) -> None:
    for caller, roles in callers:
        answer = await api.mutate(name, caller, roles, show="", **await filled(make, MUTATIONS[name], place))

        assert "INTERNAL" not in answer.codes, answer.body
        assert answer.codes or answer.refusals(name), answer.body


def test_every_place_of_an_id_is_tried() -> None:
    assert len(CASES) > 30
