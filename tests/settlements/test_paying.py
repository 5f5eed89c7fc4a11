"""From a settlement to its payment: approved, paid once, or disputed. A sentence of the rules a test."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from models.identity import User
from models.notifications import NotificationTemplate
from models.packs import Partner
from tests.books import Books
from tests.changes import Changes
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.settlements.calls import IN_JUNE, JUNE, Settlements, generate

# approveSettlement


async def test_staff_approve_a_settlement_once(api: Api, staff: Any, pending: Any, books: Books) -> None:
    first = await api.mutate("approveSettlement", staff, STAFF, settlementId=pending.id)
    again = await api.mutate("approveSettlement", staff, STAFF, settlementId=pending.id)

    settlement = first["approveSettlement"]["settlement"]
    assert (settlement["status"], settlement["availableTransitions"]) == ("APPROVED", ["DISPUTED", "PAID"])
    assert settlement["approvedAt"] is not None
    assert settlement["approvedByUserId"] is not None
    assert again["approveSettlement"]["userErrors"][0]["details"] == {"state": "approved"}
    assert await books.events(pending.id) == ["settlement.generated", "settlement.approved"]


@pytest.mark.parametrize("name", ["approveSettlement", "reopenSettlement", "markSettlementPaid"])
async def test_a_partner_decides_nothing_about_its_settlement(
    api: Api, shop: Any, pending: Any, stored: Settlements, name: str
) -> None:
    more = {"reference": "VIR-1"} if name == "markSettlementPaid" else {}

    assert (await api.mutate(name, shop.owner, settlementId=pending.id, **more)).codes == ["FORBIDDEN"]
    assert (await stored.all())[0]["status"] == "pending"


@pytest.mark.parametrize("name", ["approveSettlement", "reopenSettlement", "markSettlementPaid", "disputeSettlement"])
async def test_a_settlement_that_is_not_there_is_not_found(api: Api, staff: Any, name: str) -> None:
    more = {"markSettlementPaid": {"reference": "VIR-1"}, "disputeSettlement": {"reason": "?"}}.get(name, {})

    assert (await api.mutate(name, staff, STAFF, settlementId=uuid4(), **more)).refusals(name) == ["NOT_FOUND"]


# markSettlementPaid


async def pay(api: Api, staff: Any, settlement: Any, **more: Any) -> Any:
    given = {"settlementId": settlement.id, "reference": "VIR-202606-0001", **more}
    return await api.mutate("markSettlementPaid", staff, STAFF, **given)


async def test_a_paid_settlement_is_owed_no_more(api: Api, staff: Any, shop: Any, approved: Any, books: Books) -> None:
    bank = await books.owed("provider:bank:XOF")

    answer = await pay(
        api, staff, approved, invoiceUrl="https://media.example/i.pdf", receiptUrl="https://media.example/r.pdf"
    )

    settlement = answer["markSettlementPaid"]["settlement"]
    assert (settlement["status"], settlement["paymentReference"]) == ("PAID", "VIR-202606-0001")
    assert (settlement["invoiceUrl"], settlement["receiptUrl"]) == (
        "https://media.example/i.pdf", "https://media.example/r.pdf",
    )  # fmt: skip
    assert settlement["paidAt"] is not None
    assert await books.owed(f"partner:{shop.partner.id}:payable") == 0
    assert await books.owed("provider:bank:XOF") - bank == 12_000
    assert (await books.events(approved.id))[-1] == "settlement.paid"


async def test_owners_and_managers_are_notified_of_a_payment(
    api: Api, make: Factory, staff: Any, shop: Any, approved: Any, owner: asyncpg.Pool[Any]
) -> None:
    await owner.execute("DELETE FROM notifications.notification_templates WHERE template_key = 'settlement_paid'")
    template = await make(
        NotificationTemplate, template_key="settlement_paid", body_text="Votre règlement de {amount} francs est parti.",
        channels=["email"], is_active=True,
    )  # fmt: skip

    await pay(api, staff, approved)

    notifications = await owner.fetch(
        "SELECT user_id, body FROM notifications.notifications WHERE template_id = $1", template.id
    )
    assert {row["user_id"] for row in notifications} == {shop.owner.id, shop.manager.id}
    assert {row["body"] for row in notifications} == {"Votre règlement de 12000 francs est parti."}
    await owner.execute("DELETE FROM notifications.notifications WHERE template_id = $1", template.id)
    await owner.execute("DELETE FROM notifications.notification_templates WHERE id = $1", template.id)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"reference": " "}, "TEXT_MISSING"),
        ({"invoiceUrl": "javascript:alert(1)"}, "URL_NOT_VALID"),
        ({"receiptUrl": "file:///etc/passwd"}, "URL_NOT_VALID"),
    ],
)
async def test_a_payment_is_noted_with_a_reference_and_real_links(
    api: Api, staff: Any, approved: Any, given: dict[str, str], code: str, changes: Changes
) -> None:
    before = await changes.mark()

    assert (await pay(api, staff, approved, **given)).refusals("markSettlementPaid") == [code]
    assert await changes.since(before) == []


async def test_what_is_not_approved_is_not_paid(api: Api, staff: Any, pending: Any, changes: Changes) -> None:
    before = await changes.mark()

    waiting = await pay(api, staff, pending)
    changed = await changes.since(before)
    await api.mutate("disputeSettlement", staff, STAFF, settlementId=pending.id, reason="Wrong")
    before = await changes.mark()
    disputed = await pay(api, staff, pending)

    assert waiting["markSettlementPaid"]["userErrors"][0]["details"] == {"state": "pending"}
    assert disputed["markSettlementPaid"]["userErrors"][0]["details"] == {"state": "disputed"}
    assert changed + await changes.since(before) == []


async def test_a_settlement_paid_by_20_at_once_is_paid_once(
    api: Api, staff: Any, shop: Any, approved: Any, books: Books
) -> None:
    answers = await asyncio.gather(*(pay(api, staff, approved, reference=f"VIR-{n}") for n in range(20)))

    refusals = [answer.refusals("markSettlementPaid") for answer in answers]
    assert sorted(refusals) == [[]] + [["INVALID_STATE"]] * 19
    assert await books.owed(f"partner:{shop.partner.id}:payable") == 0
    assert (await books.events(approved.id)).count("settlement.paid") == 1


async def test_a_retry_of_a_payment_answers_as_the_first(
    api: Api, staff: Any, shop: Any, approved: Any, books: Books
) -> None:
    key = str(uuid4())

    answers = [await pay(api, staff, approved, idempotencyKey=key) for _ in range(2)]

    assert answers[1].data == answers[0].data
    assert answers[0].refusals("markSettlementPaid") == []
    assert await books.owed(f"partner:{shop.partner.id}:payable") == 0


async def test_a_settlement_of_nothing_may_be_paid(api: Api, make: Factory, staff: Any, books: Books) -> None:
    partner = await make(Partner, revenue_split_percentage=0, minimum_payout_cfa=0, auto_approve_redemptions=True)
    await make.redeemed_code(partner, share=0, at=IN_JUNE)
    settlement = (await generate(api, staff, partner, *JUNE))["generateSettlement"]["settlement"]

    answer = await pay(api, staff, SimpleNamespace(id=settlement["rowId"]))

    assert answer["markSettlementPaid"]["settlement"]["status"] == "PAID"
    assert await books.owed(f"partner:{partner.id}:payable") == 0


# disputeSettlement, reopenSettlement


@pytest.mark.parametrize("who", ["owner", "manager"])
async def test_a_partner_disputes_with_a_reason(api: Api, shop: Any, pending: Any, books: Books, who: str) -> None:
    answer = await api.mutate(
        "disputeSettlement", getattr(shop, who), settlementId=pending.id, reason="Two codes are missing."
    )

    settlement = answer["disputeSettlement"]["settlement"]
    assert (settlement["status"], settlement["disputeReason"]) == ("DISPUTED", "Two codes are missing.")
    assert (await books.events(pending.id))[-1] == "settlement.disputed"


async def test_who_may_not_see_a_settlement_cannot_dispute_it(
    api: Api, make: Factory, shop: Any, pending: Any, stored: Settlements
) -> None:
    for caller in (shop.cashier, await make(User)):
        answer = await api.mutate("disputeSettlement", caller, settlementId=pending.id, reason="No")
        assert answer.refusals("disputeSettlement") == ["NOT_FOUND"]
    nobody = await api.mutate("disputeSettlement", None, settlementId=pending.id, reason="No")

    assert nobody.codes == ["UNAUTHENTICATED"]
    assert (await stored.all())[0]["status"] == "pending"


async def test_a_dispute_needs_a_reason(api: Api, shop: Any, pending: Any, stored: Settlements) -> None:
    answer = await api.mutate("disputeSettlement", shop.owner, settlementId=pending.id, reason=" ")

    assert answer.refusals("disputeSettlement") == ["TEXT_MISSING"]
    assert (await stored.all())[0]["status"] == "pending"


async def test_a_dispute_over_an_approved_settlement_ends_with_a_new_approval(
    api: Api, staff: Any, shop: Any, approved: Any, books: Books
) -> None:
    await api.mutate("disputeSettlement", shop.owner, settlementId=approved.id, reason="Too little.")
    twice = await api.mutate("disputeSettlement", staff, STAFF, settlementId=approved.id, reason="Again.")
    reopened = await api.mutate("reopenSettlement", staff, STAFF, settlementId=approved.id)

    settlement = reopened["reopenSettlement"]["settlement"]
    assert twice.refusals("disputeSettlement") == ["INVALID_STATE"]
    assert (settlement["status"], settlement["disputeReason"]) == ("PENDING", "Too little.")
    assert (settlement["approvedAt"], settlement["approvedByUserId"]) == (None, None)
    await api.mutate("approveSettlement", staff, STAFF, settlementId=approved.id)
    assert (await pay(api, staff, approved)).refusals("markSettlementPaid") == []
    assert await books.events(approved.id) == [
        "settlement.generated", "settlement.approved", "settlement.disputed", "settlement.reopened",
        "settlement.approved", "settlement.paid",
    ]  # fmt: skip


async def test_what_is_paid_is_not_disputed(api: Api, staff: Any, shop: Any, approved: Any) -> None:
    await pay(api, staff, approved)

    answer = await api.mutate("disputeSettlement", shop.owner, settlementId=approved.id, reason="Late.")

    assert answer["disputeSettlement"]["userErrors"][0]["details"] == {"state": "paid"}


async def test_what_is_not_disputed_is_not_reopened(api: Api, staff: Any, pending: Any) -> None:
    answer = await api.mutate("reopenSettlement", staff, STAFF, settlementId=pending.id)

    assert answer.refusals("reopenSettlement") == ["INVALID_STATE"]


async def test_a_payment_and_a_dispute_at_once_one_wins(
    api: Api, make: Factory, staff: Any, shop: Any, stored: Settlements
) -> None:
    for month in range(1, 7):
        await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=datetime(2025, month, 3, tzinfo=UTC))
        first = date(2025, month, 1)
        made = (await generate(api, staff, shop.partner, first, first + timedelta(days=10)))["generateSettlement"]
        settlement = SimpleNamespace(id=made["settlement"]["rowId"])
        await api.mutate("approveSettlement", staff, STAFF, settlementId=settlement.id)

        paid, disputed = await asyncio.gather(
            pay(api, staff, settlement),
            api.mutate("disputeSettlement", shop.owner, settlementId=settlement.id, reason="Wait."),
        )

        refusals = paid.refusals("markSettlementPaid") + disputed.refusals("disputeSettlement")
        assert refusals == ["INVALID_STATE"]
    assert {row["status"] for row in await stored.all()} <= {"paid", "disputed"}


# Staff who are on the partner


@pytest.mark.parametrize("name", ["approveSettlement", "markSettlementPaid", "reopenSettlement", "generateSettlement"])
async def test_staff_who_are_on_the_partner_decide_nothing_about_its_settlements(
    api: Api, make: Factory, staff: Any, shop: Any, pending: Any, changes: Changes, name: str
) -> None:
    if name == "markSettlementPaid":
        await api.mutate("approveSettlement", staff, STAFF, settlementId=pending.id)
    if name == "reopenSettlement":
        await api.mutate("disputeSettlement", staff, STAFF, settlementId=pending.id, reason="Too little")
    await make.member(shop.partner, staff, "cashier")
    given = {"partnerId": shop.partner.id, "periodStart": IN_JUNE.date(), "periodEnd": IN_JUNE.date()}
    if name != "generateSettlement":
        given = {"settlementId": pending.id} | ({"reference": "BANK-1"} if name == "markSettlementPaid" else {})
    before = await changes.mark()

    answer = await api.mutate(name, staff, STAFF, **given)

    assert answer.refusals(name) == ["OWN_MATTER"]
    assert await changes.since(before) == []
