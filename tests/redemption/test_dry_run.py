"""`validateOnly`: a mutation runs to its end, with its refusals and its payload, and nothing of it is kept."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from graphql import get_named_type

from gql.schema import schema
from models.packs import Pack
from tests.books import Books
from tests.changes import Changes
from tests.client import Api
from tests.factories import Factory
from tests.redemption.test_rules import issue

# Without the moment.
REDEEMED = "qrCode { rowId status partnerShareCfa redeemedByPartner { name } pot { balanceCfa } }"


async def test_the_payload_is_that_of_a_real_call_and_nothing_is_kept(api: Api, till: Any, changes: Changes) -> None:
    before = await changes.mark()

    tried = await api.redeem(till.code.code, as_=till.cashier, show=REDEEMED, validateOnly=True)

    assert tried.refusals("redeemQrCode") == []
    assert tried["redeemQrCode"]["qrCode"]["status"] == "REDEEMED"
    assert tried["redeemQrCode"]["qrCode"]["redeemedByPartner"]["name"] == till.partner.name
    assert await changes.since(before) == []
    real = await api.redeem(till.code.code, as_=till.cashier, show=REDEEMED)
    assert real["redeemQrCode"] == tried["redeemQrCode"]


async def test_what_would_be_made_is_shown_although_it_is_not_there(
    api: Api, make: Factory, till: Any, changes: Changes
) -> None:
    pack = await make(Pack, partner_id=till.partner.id, base_price_cfa=5000)
    before = await changes.mark()

    tried = await issue(api, till.pot, pack, till.owner, validateOnly=True)

    assert tried.refusals("issueQrCode") == []
    code = tried["issueQrCode"]["qrCode"]
    assert code["status"] == "ISSUED"
    assert code["pot"]["balanceCfa"] == till.pot.balance_cfa - 10_000
    assert await changes.since(before) == []


async def test_a_refusal_is_returned_and_its_log_row_is_kept(api: Api, till: Any, books: Books) -> None:
    answer = await api.redeem("tried-in-vain", as_=till.cashier, validateOnly=True)

    assert answer.refusals("redeemQrCode") == ["INVALID"]
    assert await books.attempts("tried-in-vain") == ["invalid"]


async def test_the_idempotency_key_is_not_used_up(api: Api, till: Any) -> None:
    key = str(uuid4())
    await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key, validateOnly=True)

    real = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key)
    again = await api.redeem(till.code.code, as_=till.cashier, idempotencyKey=key, validateOnly=True)

    assert real.refusals("redeemQrCode") == []
    # It runs, and says what a new call would be answered.
    assert again.refusals("redeemQrCode") == ["ALREADY_USED"]


async def test_a_dry_run_beside_real_calls_in_one_document(api: Api, make: Factory, till: Any) -> None:
    other = await make.code_at_the_till()
    query = """
      mutation ($tried: RedeemQrCodeInput!, $real: RedeemQrCodeInput!) {
        tried: redeemQrCode(input: $tried) { qrCode { status } userErrors { code } }
        real: redeemQrCode(input: $real) { qrCode { status } userErrors { code } }
      }
    """
    variables = {"tried": {"code": till.code.code, "validateOnly": True}, "real": {"code": till.code.code}}

    answer = await api(query, variables, as_=till.cashier)

    assert answer["tried"] == answer["real"] == {"qrCode": {"status": "REDEEMED"}, "userErrors": []}
    assert (await api.redeem(other.code.code, as_=other.cashier)).refusals("redeemQrCode") == []


async def test_many_at_once_hold_nobody_up(api: Api, till: Any) -> None:
    tries = [api.redeem(till.code.code, as_=till.cashier, validateOnly=True) for _ in range(20)]
    answers = await asyncio.gather(*tries)

    assert all(answer["redeemQrCode"]["qrCode"]["status"] == "REDEEMED" for answer in answers)
    assert (await api.redeem(till.code.code, as_=till.cashier)).refusals("redeemQrCode") == []


async def test_a_selection_of_nothing_ends_the_transaction(api: Api, till: Any) -> None:
    for _ in range(15):
        tried = await api.redeem(till.code.code, as_=till.cashier, show="", validateOnly=True)
        assert tried.refusals("redeemQrCode") == []

    assert (await api.redeem(till.code.code, as_=till.cashier)).refusals("redeemQrCode") == []


def test_every_mutation_may_be_tried() -> None:
    mutation = schema._schema.mutation_type
    assert mutation is not None
    inputs = {name: get_named_type(field.args["input"].type) for name, field in mutation.fields.items()}

    assert {name for name, kind in inputs.items() if "validateOnly" not in kind.fields} == set()  # type: ignore[union-attr]
