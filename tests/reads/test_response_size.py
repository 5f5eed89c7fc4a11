"""An answer has a largest size, however it is put together; what is larger is refused as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from lango.settings import Settings
from models.identity import User
from models.pots import Pot
from models.redemption import QrCode
from tests.client import Answer, Api
from tests.factories import Factory

LIMIT = 100_000
ALIASES = " ".join(f"a{number}: description" for number in range(30))


@pytest.fixture(params=["on", "off"])
async def small(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Api]:
    """A gateway of small answers, with the planner and without."""
    changed = settings.model_copy(update={"planner": request.param, "max_answer_bytes": LIMIT})
    async with Api.alone(changed) as api:
        yield api


@pytest.fixture(scope="module")
async def owner_of_pots(make: Factory) -> SimpleNamespace:
    """Somebody with five pots, each with a description of 1,500 bytes."""
    person = await make(User)
    for _ in range(5):
        await make(Pot, owner_user_id=person.id, description="é" * 750)
    return person


def check_refused(answer: Answer) -> None:
    assert "data" not in answer.body
    (error,) = answer.errors
    assert error["extensions"] == {"code": "QUERY_TOO_COMPLEX", "limit": LIMIT}
    assert "path" not in error


async def test_an_answer_below_the_size_is_given(small: Api, owner_of_pots: SimpleNamespace) -> None:
    answer = await small(f"{{ viewer {{ pots(first: 2) {{ nodes {{ {ALIASES} }} }} }} }}", as_=owner_of_pots)

    assert len(answer.response.content) < LIMIT
    assert [len(node) for node in answer["viewer"]["pots"]["nodes"]] == [30, 30]


async def test_texts_under_many_aliases_are_refused(small: Api, owner_of_pots: SimpleNamespace) -> None:
    answer = await small(f"{{ viewer {{ pots {{ nodes {{ {ALIASES} }} }} }} }}", as_=owner_of_pots)

    check_refused(answer)


async def test_root_fields_count_together(small: Api, owner_of_pots: SimpleNamespace) -> None:
    field = "viewer { pots { nodes { description } } }"
    fields = " ".join(f"a{number}: {field}" for number in range(60))

    assert (await small(f"{{ {field} }}", as_=owner_of_pots)).errors == []
    check_refused(await small(f"{{ {fields} }}", as_=owner_of_pots))


async def test_long_keys_count(small: Api, owner_of_pots: SimpleNamespace) -> None:
    keys = " ".join(f"{'k' * 5_000}{number}: id" for number in range(5))

    check_refused(await small(f"{{ viewer {{ pots {{ nodes {{ {keys} }} }} }} }}", as_=owner_of_pots))


async def test_what_python_fills_in_counts(small: Api, make: Factory) -> None:
    person = await make(User)
    pot = await make(Pot, owner_user_id=person.id)
    for _ in range(3):
        await make(QrCode, pot_id=pot.id)
    images = " ".join(f"a{number}: svg" for number in range(60))

    one = await small("{ viewer { pots { nodes { qrCodes(first: 1) { nodes { id svg } } } } } }", as_=person)
    assert len(one["viewer"]["pots"]["nodes"][0]["qrCodes"]["nodes"]) == 1
    check_refused(
        await small(
            f"{{ viewer {{ pots(first: 1) {{ nodes {{ qrCodes(first: 3) {{ nodes {{ {images} }} }} }} }} }} }}",
            as_=person,
        )
    )


async def test_a_mutation_whose_answer_is_too_large_is_done(
    small: Api, owner: Any, owner_of_pots: SimpleNamespace
) -> None:
    pot = await owner.fetchrow("SELECT id FROM pots.pots WHERE owner_user_id = $1 LIMIT 1", owner_of_pots.id)
    title = f"Title {small.settings.planner}"
    mutation = f"""mutation ($pot: ID!, $title: String!) {{ updatePot(input: {{potId: $pot, title: $title}}) {{
        userErrors {{ code }} pot {{ ownerUser {{ pots {{ nodes {{ {ALIASES} }} }} }} }} }} }}"""

    answer = await small(mutation, {"pot": str(pot["id"]), "title": title}, as_=owner_of_pots)

    (error,) = answer.errors
    assert error["extensions"] == {"code": "QUERY_TOO_COMPLEX", "limit": LIMIT, "outcome": "DONE"}
    assert await owner.fetchval("SELECT title FROM pots.pots WHERE id = $1", pot["id"]) == title
