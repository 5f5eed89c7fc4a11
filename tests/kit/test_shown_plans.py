"""How a query is answered can be seen by staff, where the settings say so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lango.db.pipeline import Pipeline
from lango.settings import Settings
from models.donations import Donation
from models.identity import User
from models.pots import Pot
from tests.client import STAFF, Api
from tests.factories import Factory

QUERY = """
    query ($id: ID!) {
      one: pot(id: $id) { title donations { nodes { amountCfa donorUser { email } } } }
      wrong: pot(id: "of nothing") { title }
      __typename
    }
"""


@pytest.fixture(scope="module")
async def showing(pipeline: Pipeline, settings: Settings) -> AsyncIterator[Api]:
    async with Api.over(pipeline, settings.model_copy(update={"show_plans": True})) as api:
        yield api


async def test_staff_see_the_statements_with_their_rows_and_times(showing: Api, make: Factory) -> None:
    admin, pot = await make.staff(), await make(Pot)
    for _ in range(3):
        await make(Donation, pot_id=pot.id, donor_user_id=(await make(User)).id)

    answer = await showing(QUERY, {"id": str(pot.id)}, as_=admin, roles=STAFF)

    shown = answer.body["extensions"]["lango"]
    (statement,) = shown["statements"]
    assert statement["field"] == "one"
    assert statement["sql"].startswith("/* lango_staff */ SELECT ")
    # The pot, three donations and three donors.
    assert statement["rows"] == 7
    assert statement["bytes"] > 100
    assert shown["databaseMs"] > 0
    assert shown["pythonMs"] > 0
    assert "\\u0002" not in answer.response.text


async def test_nobody_else_sees_them(api: Api, showing: Api, make: Factory) -> None:
    admin, member, pot = await make.staff(), await make(User), await make(Pot)

    for gateway, caller, roles in ((showing, member, ()), (showing, None, ()), (api, admin, STAFF)):
        answer = await gateway(QUERY, {"id": str(pot.id)}, as_=caller, roles=roles)

        assert set(answer.body["extensions"]) == {"cost"}
