"""What a mutation answers to who comes by a token: what it made, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from models.pots import Pot
from resolvers.donations.refunds import unfinished
from tests.client import Api
from tests.donations.conftest import a_phone
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory

SHOWN = {
    "donate": """donation { rowId status pot { title status donations { totalCount } contributions { totalCount } } }
        reference receiptToken""",
    "retryDonation": "donation { rowId status pot { title } }",
    "refundDonation": """refund {
        amountCfa waveRefundStatus refundedByUser { id } donation { rowId status donorUser { id } pot { title } } }""",
}


@pytest.fixture
async def hidden(make: Factory) -> SimpleNamespace:
    """A pot that only its owner, and whoever has its link, may see."""
    return await make(
        Pot, title="Behind a link", visibility="private", target_amount_cfa=10_000_000, share_token=uuid4().hex
    )


async def call(api: Api, name: str, as_: Any = None, **given: Any) -> Any:
    return (await api.mutate(name, as_, show=SHOWN[name], **given))[name]


async def test_a_donor_by_a_share_link_is_shown_what_they_give_and_to_what(
    api: Api, giving: Giving, hidden: Any, donor: Any
) -> None:
    await giving.given(hidden, 700, shareToken=hidden.share_token)

    for who in (None, donor):
        made = await call(api, "donate", who, amountCfa=500, shareToken=hidden.share_token)

        assert made["donation"]["status"] == "PENDING"
        assert made["donation"]["pot"] == {
            "title": "Behind a link", "status": "OPEN", "donations": {"totalCount": 1}, "contributions": {"totalCount": 1},
        }  # fmt: skip


async def test_a_retry_of_the_same_call_is_shown_the_same(api: Api, hidden: Any) -> None:
    given = {"amountCfa": 500, "shareToken": hidden.share_token, "idempotencyKey": str(uuid4())}

    first, again = await call(api, "donate", **given), await call(api, "donate", **given)

    assert first["receiptToken"] is not None
    assert again == first | {"receiptToken": None}


@pytest.mark.parametrize("refuses", [False, True], ids=["sent", "refused by Wave"])
async def test_who_gives_back_by_a_receipt_is_shown_the_refund(
    api: Api, giving: Giving, wave: FakeWave, hidden: Any, refuses: bool
) -> None:
    given = await giving.given(hidden, 500, shareToken=hidden.share_token)
    if refuses:
        wave.refuses.add("refund")

    answer = await call(api, "refundDonation", receiptToken=given.token)

    assert answer["refund"] == {
        "amountCfa": 500, "waveRefundStatus": "FAILED" if refuses else "SUCCEEDED", "refundedByUser": None,
        "donation": {"rowId": given.id, "status": "REFUNDED", "donorUser": None, "pot": {"title": "Behind a link"}},
    }  # fmt: skip
    assert answer["warnings"] == ([{"code": "PAYMENT_PROVIDER_REFUSED"}] if refuses else [])


async def test_who_tries_again_by_a_receipt_is_shown_the_donation(api: Api, giving: Giving, hidden: Any) -> None:
    begun = await giving.begun(hidden, 500, shareToken=hidden.share_token)

    answer = await call(api, "retryDonation", receiptToken=begun.token)

    assert answer["donation"] == {"rowId": begun.id, "status": "PENDING", "pot": {"title": "Behind a link"}}


async def test_a_receipt_opens_its_rows_for_that_answer_alone(api: Api, giving: Giving, hidden: Any) -> None:
    begun = await giving.begun(hidden, 500, shareToken=hidden.share_token)
    look = "query ($pot: ID!, $key: ID!) { pot(id: $pot) { id } donation(id: $key) { id } }"
    two = """
      mutation ($first: RetryDonationInput!, $second: RecordPotViewInput!) {
        mine: retryDonation(input: $first) { donation { rowId pot { title } } }
        theirs: recordPotView(input: $second) { pot { donations { totalCount } } userErrors { code } }
      }
    """

    both = await api(two, {"first": {"receiptToken": begun.token}, "second": {"shareToken": hidden.share_token}})

    assert both["mine"]["donation"] == {"rowId": begun.id, "pot": {"title": "Behind a link"}}
    assert both["theirs"] == {"pot": {"donations": {"totalCount": 0}}, "userErrors": []}
    assert (await api(look, {"pot": str(hidden.id), "key": begun.id})).data == {"pot": None, "donation": None}


async def test_who_is_signed_in_sees_later_what_they_gave_to(api: Api, giving: Giving, hidden: Any, donor: Any) -> None:
    given = await giving.begun(hidden, 500, donor, shareToken=hidden.share_token)
    look = "query ($key: ID!) { donation(id: $key) { pot { title status } } }"
    before = await api(look, {"key": given.id}, as_=donor)
    await giving.hear(giving.wave.paid(given.checkout))

    after = await api(look, {"key": given.id}, as_=donor)

    assert before["donation"] == {"pot": None}
    assert after["donation"] == {"pot": {"title": "Behind a link", "status": "OPEN"}}


RECEIPT = """
  query ($token: String!) {
    donationReceipt(token: $token) {
      potId potTitle potStatus status amountCfa refundedCfa refundPendingCfa refundFailedCfa showAmount
    }
  }
"""


async def test_a_receipt_shows_the_pot_and_what_came_back(
    api: Api, giving: Giving, wave: FakeWave, hidden: Any
) -> None:
    async def shown(token: str) -> list[Any]:
        receipt = (await api(RECEIPT, {"token": token}))["donationReceipt"]
        return [receipt[f"refund{name}Cfa"] for name in ("ed", "Pending", "Failed")]

    given = await giving.given(hidden, 500, shareToken=hidden.share_token, phone=a_phone(), showAmount=False)
    first = (await api(RECEIPT, {"token": given.token}))["donationReceipt"]
    await giving.refund(receiptToken=given.token, amountCfa=200)
    partly = await shown(given.token)
    wave.down = True
    await giving.refund(receiptToken=given.token, amountCfa=100)
    wave.down = False
    on_its_way = await shown(given.token)
    wave.refuses.add("pay_out")
    await giving.refund(receiptToken=given.token)
    failed = await shown(given.token)

    assert first == {
        "potId": str(hidden.id), "potTitle": "Behind a link", "potStatus": "OPEN", "status": "SUCCEEDED",
        "amountCfa": 500, "refundedCfa": 0, "refundPendingCfa": 0, "refundFailedCfa": 0, "showAmount": False,
    }  # fmt: skip
    assert (partly, on_its_way, failed) == ([200, 0, 0], [200, 100, 0], [200, 100, 200])


async def test_refunds_that_wait_are_measured(giving: Giving, wave: FakeWave, pot: Any, donor: Any) -> None:
    before = await unfinished(giving.services)
    given = await giving.given(pot, 500, donor)
    wave.refuses.add("refund")
    await giving.refund(donor, donationId=given.id)

    assert await unfinished(giving.services) == before | {"failed": before["failed"] + 1}
