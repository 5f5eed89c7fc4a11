"""Callers, a database that holds a row of everything, and what the schema itself says there is to try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLInputObjectType, GraphQLNonNull, GraphQLObjectType, get_named_type, is_leaf_type

from gql.kit.naming import camel, plural, singular
from gql.kit.node import MIRRORED
from gql.schema import schema
from models.base import Base
from models.identity import User
from models.usage import SubscriptionLimit
from tests import conftest as shared
from tests.client import Answer, Api
from tests.factories import Factory, sample

GRAPHQL = schema._schema
QUERY = GRAPHQL.query_type
assert QUERY is not None
MODELS = list(MIRRORED.values())
LISTED = [model for model in MODELS if camel(plural(model)) in QUERY.fields]
ENOUGH_ALIASES = 90

Ask = Callable[..., Awaitable[Answer]]

# Registered here once more, these serve this folder with a database of its own: a row of everything is no true ledger,
# which other tests demand of theirs.
owner_url, gateway_url, settings, pipeline = shared.owner_url, shared.gateway_url, shared.settings, shared.pipeline
owner, make, api, ordinary = shared.owner, shared.make, shared.api, shared.ordinary


@pytest.fixture(scope="session")
async def super_admin(make: Factory) -> SimpleNamespace:
    return await make(User, roles=["user", "admin", "super_admin"])


@pytest.fixture(scope="session")
async def member(make: Factory) -> SimpleNamespace:
    return await make(User)


@pytest.fixture(scope="session")
def as_staff(api: Api, super_admin: SimpleNamespace) -> Ask:
    """Ask as somebody who sees every row."""

    async def ask(query: str, variables: dict[str, Any] | None = None) -> Answer:
        return await api(query, variables, as_=super_admin, roles=("super_admin",))

    return ask


@pytest.fixture(scope="session")
def as_member(api: Api, member: SimpleNamespace) -> Ask:
    async def ask(query: str, variables: dict[str, Any] | None = None) -> Answer:
        return await api(query, variables, as_=member)

    return ask


@pytest.fixture(scope="session")
async def filled(make: Factory) -> dict[str, SimpleNamespace]:
    """A row of every table by its type's name, with a value in every column that takes one."""
    rows: dict[str, SimpleNamespace] = {}
    await make.move("provider:wave:XOF", "platform:fees", 100, "donation")
    await make(SubscriptionLimit, plan="free")
    for number, model in enumerate(MODELS):
        if model.__face__ is None and model.__module__ != "models.ledger":
            optional = {
                column.name: sample(column, number)
                for column in model.table().columns
                if column.nullable and not column.foreign_keys and column.computed is None
            }
            try:
                rows[model.__name__] = await make(model, **optional)
            except asyncpg.PostgresError:
                rows[model.__name__] = await make(model)
    return rows


def list_field(model: type[Base]) -> str:
    return camel(plural(model))


def one_field(model: type[Base]) -> str:
    return camel(singular(model))


def object_type(name: str) -> GraphQLObjectType:
    found = GRAPHQL.type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


def input_type(name: str) -> GraphQLInputObjectType:
    found = GRAPHQL.type_map[name]
    assert isinstance(found, GraphQLInputObjectType)
    return found


def leaves(name: str) -> list[str]:
    """The fields of a type that hold a plain value."""
    return [key for key, field in object_type(name).fields.items() if is_leaf_type(get_named_type(field.type))]


def named(annotation: Any) -> str:
    return str(get_named_type(annotation).name)


def is_required(annotation: Any) -> bool:
    return isinstance(annotation, GraphQLNonNull)


def in_batches(fields: list[str]) -> Iterator[str]:
    """Documents of as many aliased root fields as one operation may have: each fails or answers by itself."""
    for start in range(0, len(fields), ENOUGH_ALIASES):
        batch = fields[start : start + ENOUGH_ALIASES]
        yield "{ " + " ".join(f"a{index}: {field}" for index, field in enumerate(batch)) + " }"
