"""Whoever brings a pot's share token sees the pot, for that operation and no longer."""

from __future__ import annotations

from secrets import token_urlsafe
from types import SimpleNamespace
from typing import Any

import pytest

from lango.values import codes
from models.identity import User
from models.pots import Pot
from tests.client import Api
from tests.factories import Factory, now

BY_TOKEN = "query ($t: String) { pot(shareToken: $t) { title contributions { nodes { amountCfa } } } }"


@pytest.fixture
async def shared(make: Factory) -> SimpleNamespace:
    token = token_urlsafe(16)
    pot = await make(Pot, title="Behind a link", visibility="private", share_token=token)
    await make.donation(pot_id=pot.id, amount_cfa=700)
    return SimpleNamespace(pot=pot, token=token)


async def test_the_token_opens_the_pot_and_what_was_given(api: Api, shared: Any) -> None:
    answer = await api(BY_TOKEN, {"t": shared.token})

    assert answer["pot"] == {"title": "Behind a link", "contributions": {"nodes": [{"amountCfa": 700}]}}


async def test_a_token_may_be_typed(api: Api, make: Factory) -> None:
    token = codes.new(codes.LONG)
    await make(Pot, title="Read out", visibility="private", share_token=token)

    for typed in (token, token.lower(), f" {token[:13]}-{token[13:]}"):
        assert (await api("query ($t: String) { pot(shareToken: $t) { title } }", {"t": typed}))["pot"] is not None


async def test_it_opens_nothing_beyond_the_operation(api: Api, shared: Any) -> None:
    await api(BY_TOKEN, {"t": shared.token})
    later = await api("query ($id: ID!) { pot(id: $id) { title } }", {"id": str(shared.pot.id)})

    assert later["pot"] is None


@pytest.mark.parametrize("token", ["", "x", "a" * 65, "not-the-token-of-any", "a,b", "' OR true --"])
async def test_another_token_opens_nothing(api: Api, shared: Any, token: str) -> None:
    answer = await api("query ($t: String!) { pot(shareToken: $t, id: \"00000000-0000-0000-0000-000000000000\") { id } }",
                       {"t": token})  # fmt: skip

    assert answer["pot"] is None


async def test_a_token_opens_its_own_pot_only(api: Api, make: Factory, shared: Any) -> None:
    other = await make(Pot, visibility="private")
    answer = await api(
        "query ($t: String!, $id: ID!) { pot(shareToken: $t, id: $id) { id } }",
        {"t": shared.token, "id": str(other.id)},
    )

    assert answer["pot"] is None


async def test_two_tokens_open_two_pots(api: Api, make: Factory, shared: Any) -> None:
    token = token_urlsafe(16)
    await make(Pot, title="Another", visibility="private", share_token=token)

    answer = await api(
        "query ($a: String!, $b: String!) { a: pot(shareToken: $a) { title } b: pot(shareToken: $b) { title } }",
        {"a": shared.token, "b": token},
    )

    assert (answer["a"]["title"], answer["b"]["title"]) == ("Behind a link", "Another")


async def test_a_deleted_pot_is_not_opened(api: Api, make: Factory) -> None:
    token = token_urlsafe(16)
    await make(Pot, visibility="private", share_token=token, deleted_at=now())

    assert (await api(BY_TOKEN, {"t": token}))["pot"] is None


async def test_neither_id_nor_token_is_bad_input(api: Api) -> None:
    assert (await api("{ pot { id } }")).codes == ["BAD_USER_INPUT"]


async def test_filters_order_and_sums_of_a_face_work_on_what_it_shows(api: Api, make: Factory) -> None:
    pot = await make(Pot, visibility="public")
    donor = await make(User)
    await make.donation(pot_id=pot.id, amount_cfa=900, show_amount=False, donor_user_id=donor.id, donor_name="Hidden")
    await make.donation(pot_id=pot.id, amount_cfa=100, is_anonymous=True, donor_name="Anonymous")
    await make.donation(pot_id=pot.id, amount_cfa=300, donor_name="Open")

    answer = await api(
        """query ($id: ID!) { pot(id: $id) {
             all: contributions(orderBy: [{amountCfa: DESC}]) { nodes { amountCfa donorName } }
             dear: contributions(where: {amountCfa: {gt: 500}}) { totalCount }
             named: contributions(where: {donorName: {eq: "Anonymous"}}) { totalCount }
             contributionsAggregate { count sum { amountCfa } max { amountCfa } countDistinct { donorName } }
           } }""",
        {"id": str(pot.id)},
    )

    assert answer["pot"]["all"]["nodes"] == [
        {"amountCfa": 300, "donorName": "Open"},
        {"amountCfa": 100, "donorName": None},
        {"amountCfa": None, "donorName": "Hidden"},
    ]
    assert answer["pot"]["dear"]["totalCount"] == 0
    assert answer["pot"]["named"]["totalCount"] == 0
    assert answer["pot"]["contributionsAggregate"] == [
        {"count": "3", "sum": {"amountCfa": "400"}, "max": {"amountCfa": 300}, "countDistinct": {"donorName": "2"}}
    ]


async def test_groups_cost_by_how_many_are_requested(api: Api) -> None:
    few = await api("{ potsAggregate(first: 1) { count } }")
    many = await api("{ potsAggregate(first: 1000) { count sum { targetAmountCfa } } }")

    assert few.body["extensions"]["cost"]["requested"] < 10
    assert many.body["extensions"]["cost"]["requested"] > 1000
