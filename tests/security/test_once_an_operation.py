"""What is guessed or sent one at a time: an operation has one field of it, however it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from gql.kit.executor import Executor
from gql.kit.mutation import mutations
from gql.kit.scalars import SCALARS
from lango.db.pipeline import Pipeline
from lango.http.app import create_app
from lango.rules.inputs import Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from lango.settings import Settings

done: list[str] = []


@dataclass
class Tried:
    guess: Annotated[str, Value("What was tried.")]


@rule(NotFound, anonymous=True, idempotent=False, once_an_operation=True)
async def guess_code(_tx: RuleTransaction, guess: Annotated[str, Text("The code.", 100)]) -> Tried:
    """Try a code."""
    done.append(guess)
    return Tried(guess)


@rule(NotFound, anonymous=True, idempotent=False, once_an_operation=True)
async def send_code(_tx: RuleTransaction, guess: Annotated[str, Text("To whom.", 100)]) -> Tried:
    """Have a code sent."""
    done.append(guess)
    return Tried(guess)


@rule(NotFound, anonymous=True, idempotent=False)
async def try_freely(_tx: RuleTransaction, guess: Annotated[str, Text("Anything.", 100)]) -> Tried:
    """Try something else."""
    done.append(guess)
    return Tried(guess)


@strawberry.type
class Query:
    hello: str = "hello"


@pytest.fixture
async def gateway(pipeline: Pipeline, settings: Settings, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    done.clear()
    mutation = mutations(guess_code, send_code, try_freely)
    config = StrawberryConfig(scalar_map=SCALARS)
    schema = strawberry.Schema(Query, mutation, config=config, execution_context_class=Executor)
    app = create_app(schema, settings, pipeline, services=services)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


async def post(client: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    answer = await client.post("/graphql", json={"query": query, "variables": variables})
    return answer.json()


def guess(text: str, alias: str = "", name: str = "guessCode") -> str:
    return f'{alias}{":" if alias else ""} {name}(input: {{guess: "{text}"}}) {{ guess }} '


async def test_one_is_done_and_costs_a_hundred(gateway: httpx.AsyncClient) -> None:
    answer = await post(gateway, f"mutation {{ {guess('a')} }}")
    other = await post(gateway, f"mutation {{ {guess('b', name='tryFreely')} }}")

    assert answer["data"] == {"guessCode": {"guess": "a"}}
    assert done == ["a", "b"]
    assert answer["extensions"]["cost"]["requested"] == other["extensions"]["cost"]["requested"] + 90
    assert answer["extensions"]["cost"]["requested"] >= 100


async def test_beside_other_mutations_it_is_done(gateway: httpx.AsyncClient) -> None:
    answer = await post(gateway, f"mutation {{ {guess('a')} {guess('b', name='tryFreely')} }}")

    assert answer["data"] == {"guessCode": {"guess": "a"}, "tryFreely": {"guess": "b"}}


ONE, TWO = guess("a", "one"), guess("b", "two")
SEVERAL = {
    "aliases": f"mutation {{ {ONE} {TWO} }}",
    "a hundred aliases": "mutation { " + " ".join(guess("x", f"a{i}") for i in range(100)) + " }",
    "two kinds": f"mutation {{ {ONE} {guess('b', name='sendCode')} }}",
    "a fragment": f"mutation {{ {ONE} ...F }} fragment F on Mutation {{ {TWO} }}",
    "fragments in fragments": (
        f"mutation {{ ...F ...G }} fragment F on Mutation {{ ...G {ONE} }} fragment G on Mutation {{ {TWO} }}"
    ),
    "an inline fragment": f"mutation {{ {ONE} ... on Mutation {{ ... {{ {TWO} }} }} }}",
    "one that is included": f"mutation ($yes: Boolean = true) {{ {ONE} ... @include(if: $yes) {{ {TWO} }} }}",
}


@pytest.mark.parametrize("document", SEVERAL.values(), ids=SEVERAL.keys())
async def test_several_are_refused_before_any_is_done(gateway: httpx.AsyncClient, document: str) -> None:
    answer = await post(gateway, document)

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["limit"] == 1
    assert "data" not in answer
    assert done == []


async def test_the_values_of_the_variables_decide_anew(gateway: httpx.AsyncClient) -> None:
    document = f"mutation ($yes: Boolean!) {{ {ONE} ... @include(if: $yes) {{ {TWO} }} }}"

    first, second = await post(gateway, document, yes=False), await post(gateway, document, yes=True)

    assert first["data"] == {"one": {"guess": "a"}}
    assert second["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert done == ["a"]


async def test_the_same_field_twice_is_one(gateway: httpx.AsyncClient) -> None:
    answer = await post(gateway, f"mutation {{ {guess('a')} ...F }} fragment F on Mutation {{ {guess('a')} }}")

    assert answer["data"] == {"guessCode": {"guess": "a"}}
    assert done == ["a"]


async def test_the_schema_says_so(gateway: httpx.AsyncClient) -> None:
    answer = await post(gateway, "{ __schema { mutationType { fields { name description } } } }")

    fields = {field["name"]: field["description"] for field in answer["data"]["__schema"]["mutationType"]["fields"]}
    assert fields["guessCode"] == "Try a code. An operation has at most one field of this kind."
    assert fields["tryFreely"] == "Try something else."
