"""Rewards of referrals, a sentence of the rules a test: requested once, decided by staff, paid once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models.referrals import Referral
from models.treasury import ExchangeRate, ReferralPayout
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Answer
from tests.factories import now
from tests.treasury.house import House, a_phone
from tests.treasury.withdrawing import SETTLE, Withdrawing

REQUEST, APPROVE = "requestReferralPayout", "approveReferralPayout"
REJECT, RETRY = "rejectReferralPayout", "retryReferralPayout"


@pytest.fixture(autouse=True)
async def _rate(house: House) -> Any:
    """An MTAA is 9.90 shillings, less a hundredth."""
    await house.owner.execute("DELETE FROM treasury.exchange_rates WHERE from_currency = 'MTAA'")
    return await house.make(
        ExchangeRate, from_currency="MTAA", to_currency="KES", rate=Decimal("9.9"), spread=Decimal("0.01"),
        valid_from=now() - timedelta(hours=1),
    )  # fmt: skip


async def accepted(house: House, sponsor: Any = None, status: str = "accepted") -> SimpleNamespace:
    """An invitation that somebody accepted, with its `sponsor`."""
    sponsor = sponsor or await house.person()
    sponsored = await house.person()
    referral = await house.make(
        Referral, sponsor_user_id=sponsor.id, sponsored_user_id=sponsored.id if status == "accepted" else None,
        status=status,
    )  # fmt: skip
    referral.sponsor = sponsor
    return referral


async def request(house: House, referral: Any, method: str = "WALLET", as_: Any = None, **more: Any) -> Answer:
    return await house.call(REQUEST, as_ or referral.sponsor, referralId=referral.id, method=method, **more)


async def requested(house: House, method: str = "WALLET", **person: Any) -> SimpleNamespace:
    referral = await accepted(house, await house.person(**person))
    answer = await request(house, referral, method)
    assert answer.refusals(REQUEST) == []
    return SimpleNamespace(id=UUID(answer[REQUEST]["referralPayout"]["rowId"]), referral=referral, given=answer,
                           sponsor=referral.sponsor)  # fmt: skip


async def decide(house: House, name: str, payout: Any, staff: Any = None, **more: Any) -> Answer:
    return await house.call(name, staff or await house.make.staff(), STAFF, payoutId=payout.id, **more)


async def approved(house: House, method: str = "MPESA", **person: Any) -> SimpleNamespace:
    """A reward that staff agreed to, with its newest `payment`."""
    payout = await requested(house, method, **person)
    answer = await decide(house, APPROVE, payout)
    assert answer.refusals(APPROVE) == []
    payout.payment = (await row(house, payout))["mpesa_transaction_id"]
    return payout


async def row(house: House, payout: Any) -> Any:
    return await house.owner.fetchrow("SELECT * FROM treasury.referral_payouts WHERE id = $1", payout.id)


async def test_a_reward_goes_to_the_sponsors_balance_when_staff_agree(house: House, books: Books) -> None:
    payout = await requested(house)
    shown = payout.given[REQUEST]["referralPayout"]
    assert (shown["status"], shown["amount"], shown["currency"]) == ("PENDING", "50.00", "MTAA")

    answer = await decide(house, APPROVE, payout, notes=" well done ")

    shown = answer[APPROVE]["referralPayout"]
    assert (shown["status"], shown["notes"]) == ("COMPLETED", "well done")
    assert await house.balance(payout.sponsor, "MTAA") == "50"
    assert await house.posted(payout) == [
        ("referral_payout", "platform:promotion:MTAA", "50"),
        ("referral_payout", f"user:{payout.sponsor.id}:available:MTAA", "-50"),
    ]
    assert await books.events(payout.id) == [
        "referral_payout.requested", "referral_payout.approved", "referral_payout.completed",
    ]  # fmt: skip


async def test_a_reward_is_sent_to_the_sponsors_phone_in_whole_shillings(
    house: House, withdrawing: Withdrawing, books: Books
) -> None:
    payout = await requested(house, "MPESA")
    shown = payout.given[REQUEST]["referralPayout"]
    # 50 × 9.9 × 0.99 = 490.05
    assert (shown["amount"], shown["currency"]) == ("490.00", "KES")
    assert shown["destinationPhone"] == payout.sponsor.phone

    answer = await decide(house, APPROVE, payout)

    assert answer[APPROVE]["referralPayout"]["status"] == "PROCESSING"
    payment = (await row(house, payout))["mpesa_transaction_id"]
    assert withdrawing.daraja.called("pay_phone", str(payment)) == 1
    assert await withdrawing.money(payout.sponsor) == ("0", "490")
    await withdrawing.paid(payment)
    assert (await row(house, payout))["status"] == "completed"
    assert await withdrawing.money(payout.sponsor) == ("0", "0")
    assert await withdrawing.movements(payout.sponsor) == [("payout", "completed", "490")]
    assert [kind for kind, *_ in await house.posted(payout)][::2] == ["referral_payout", "referral_payout_paid"]
    assert (await books.events(payout.id))[-1] == "referral_payout.completed"


async def test_what_did_not_arrive_is_the_platforms_again_and_staff_send_it_anew(
    house: House, withdrawing: Withdrawing
) -> None:
    payout = await approved(house)
    await withdrawing.hear(withdrawing.result(payout.payment, 2001))
    failed = await row(house, payout)
    assert (failed["status"], failed["failure_reason"]) == ("failed", "Failed by 2001.")
    assert await withdrawing.money(payout.sponsor) == ("0", "0")

    answer = await decide(house, RETRY, payout)

    shown = answer[RETRY]["referralPayout"]
    assert (shown["status"], shown["retryCount"], shown["failureReason"]) == ("PROCESSING", 1, None)
    again = (await row(house, payout))["mpesa_transaction_id"]
    assert again != payout.payment
    late = withdrawing.result(payout.payment, 0, withdrawing.daraja.receipt())
    await withdrawing.hear(late)
    assert await withdrawing.problem(late) is not None
    assert await withdrawing.money(payout.sponsor) == ("0", "490")
    await withdrawing.paid(again)
    assert (await row(house, payout))["status"] == "completed"
    assert await withdrawing.movements(payout.sponsor) == [("payout", "failed", "490"), ("payout", "completed", "490")]


async def test_a_refused_request_fails_at_once(house: House, withdrawing: Withdrawing) -> None:
    payout = await requested(house, "MPESA")
    withdrawing.daraja.refuses.add("pay_phone")

    answer = await decide(house, APPROVE, payout)

    assert answer[APPROVE]["referralPayout"]["status"] == "FAILED"
    assert await withdrawing.money(payout.sponsor) == ("0", "0")


async def test_staff_settle_a_reward_that_m_pesa_never_reported(house: House, withdrawing: Withdrawing) -> None:
    for paid, status in ((True, "completed"), (False, "failed")):
        payout = await approved(house)
        await withdrawing.later(payout.payment, hours=25)
        receipt = {"receiptNumber": withdrawing.daraja.receipt()} if paid else {}

        assert (await withdrawing.settle(payout.payment, paid, **receipt)).refusals(SETTLE) == []

        assert (await row(house, payout))["status"] == status
        assert await withdrawing.money(payout.sponsor) == ("0", "0")


async def test_a_reward_is_requested_by_its_sponsor_for_what_was_accepted(house: House, changes: Changes) -> None:
    referral, sent = await accepted(house), await accepted(house, status="sent")
    sponsored = SimpleNamespace(id=referral.sponsored_user_id)
    stranger = await house.person()
    before = await changes.mark()

    assert (await request(house, sent)).refusals(REQUEST) == ["INVALID_STATE"]
    assert (await request(house, referral, as_=sponsored)).refusals(REQUEST) == ["NOT_YOUR_REFERRAL"]
    assert (await request(house, referral, as_=stranger)).refusals(REQUEST) == ["NOT_FOUND"]
    assert (await request(house, referral, "BANK_TRANSFER")).refusals(REQUEST) == ["METHOD_NOT_SERVED"]
    assert (await request(house, referral, "MPESA", phone=a_phone())).refusals(REQUEST) == ["PHONE_NOT_VERIFIED"]
    assert await changes.since(before) == []


async def test_a_phone_that_was_just_verified_and_a_minor_wait(house: House, changes: Changes) -> None:
    fresh = await accepted(house, await house.person(user={"phone_verified_at": now()}))
    guardian = await house.person()
    born = {"date_of_birth": now().date() - timedelta(days=5_000), "guardian_user_id": guardian.id}
    minor = await accepted(house, await house.person(profile=born | {"relationship_type": "parent"}))
    before = await changes.mark()

    assert (await request(house, fresh, "MPESA")).refusals(REQUEST) == ["PHONE_TOO_NEW"]
    assert (await request(house, minor)).refusals(REQUEST) == ["NOT_OF_AGE"]
    assert await changes.since(before) == []


async def test_what_cannot_be_converted_is_refused(house: House, changes: Changes, configure: Any) -> None:
    referral = await accepted(house)
    before = await changes.mark()

    await configure("treasury.rate_max_age", 3_599)
    assert (await request(house, referral, "MPESA")).refusals(REQUEST) == ["RATE_STALE"]
    await configure("treasury.rate_max_age", 3_700)
    await configure("treasury.referral_payout", 1)
    assert (await request(house, referral, "MPESA")).refusals(REQUEST) == ["BELOW_MINIMUM"]
    await house.owner.execute("DELETE FROM treasury.exchange_rates WHERE from_currency = 'MTAA'")
    assert (await request(house, referral, "MPESA")).refusals(REQUEST) == ["RATE_MISSING"]
    changed = await changes.since(before)
    assert [each for each in changed if "payout" in str(each).lower() and "config" not in str(each).lower()] == []


async def test_a_reward_is_requested_once_and_anew_only_after_staff_declined(house: House, books: Books) -> None:
    referral = await accepted(house)
    refusals = await asyncio.gather(*(request(house, referral) for _ in range(8)))
    assert sorted(each.refusals(REQUEST) for each in refusals) == [[]] + [["ALREADY_REQUESTED"]] * 7
    key = next(each[REQUEST]["referralPayout"]["rowId"] for each in refusals if not each.refusals(REQUEST))
    payout = SimpleNamespace(id=UUID(key))

    answer = await decide(house, REJECT, payout, notes=" not ours ")

    shown = answer[REJECT]["referralPayout"]
    assert (shown["status"], shown["notes"]) == ("REJECTED", "not ours")
    assert await books.events(payout.id) == ["referral_payout.requested", "referral_payout.rejected"]
    assert (await request(house, referral)).refusals(REQUEST) == []
    with pytest.raises(asyncpg.UniqueViolationError):
        await house.make(ReferralPayout, referral_id=referral.id, referrer_id=referral.sponsor.id)


async def test_what_staff_may_not_decide(house: House, withdrawing: Withdrawing, changes: Changes) -> None:
    own = await requested(house, user={"roles": ["user", "admin"]})
    done, waiting, gone = await approved(house, "WALLET"), await requested(house), await requested(house)
    moved = await requested(house, "MPESA")
    await house.owner.execute("UPDATE identity.users SET is_active = false WHERE id = $1", gone.sponsor.id)
    await house.owner.execute("UPDATE identity.users SET phone = $2 WHERE id = $1", moved.sponsor.id, a_phone())
    staff = await house.make.staff()
    before = await changes.mark()

    async def refused(name: str, payout: Any, by: Any = staff, **more: Any) -> list[str]:
        return (await decide(house, name, payout, by, **more)).refusals(name)

    assert await refused(APPROVE, own, own.sponsor) == ["OWN_MATTER"]
    assert await refused(REJECT, own, own.sponsor, notes="no") == ["OWN_MATTER"]
    assert await refused(APPROVE, done) == ["INVALID_STATE"]
    assert await refused(REJECT, done, notes="no") == ["INVALID_STATE"]
    assert await refused(REJECT, waiting, notes=" ") == ["TEXT_MISSING"]
    assert await refused(RETRY, waiting) == ["INVALID_STATE"]
    assert await refused(APPROVE, gone) == ["SPONSOR_NOT_AVAILABLE"]
    assert await refused(APPROVE, moved) == ["PHONE_NOT_VERIFIED"]
    assert (await house.call(APPROVE, waiting.sponsor, payoutId=waiting.id)).codes == ["FORBIDDEN"]
    assert await changes.since(before) == []


async def test_of_many_who_decide_at_once_one_does(house: House, withdrawing: Withdrawing) -> None:
    for method, held in (("WALLET", ("MTAA", "available", "50")), ("MPESA", ("KES", "pending", "490"))):
        payout, staff = await requested(house, method), await house.make.staff()

        refusals = await asyncio.gather(*(decide(house, APPROVE, payout, staff) for _ in range(6)))

        assert sorted(each.refusals(APPROVE) for each in refusals) == [[]] + [["INVALID_STATE"]] * 5
        currency, part, amount = held
        assert await house.balance(payout.sponsor, currency, part) == amount
