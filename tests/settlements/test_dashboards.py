"""The queries of docs/dashboards.md, as they stand there, over redemptions that are known."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gql.kit.node import global_id
from models.identity import User
from models.packs import Pack
from models.pots import Pot
from models.trading import CryptoTrade
from tests.books import Books
from tests.client import STAFF, Api
from tests.factories import Factory
from tests.settlements.calls import generate

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "dashboards.md").read_text(encoding="utf-8")
QUERIES = {query.split()[1].partition("(")[0]: query for query in re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)}
YEAR = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}


def test_the_page_holds_these_queries() -> None:
    # Those of sign-ins and messages are run in tests/admin, those of money in tests/treasury.
    elsewhere = {"FailedSignIns", "Deliveries", "Money", "DaoMoney"}
    assert QUERIES.keys() == {"Redemptions", "Payable", "Progress", "Volume"} | elsewhere


@pytest.fixture
async def sold(make: Factory, shop: Any) -> SimpleNamespace:
    """Four redemptions of two packs on two days at two venues and at none; and one of a rival."""
    cinema, spa = [await make(Pack, partner_id=shop.partner.id) for _ in range(2)]
    plateau, almadies = '{"id": "v1", "name": "Le Plateau"}', '{"id": "v2", "name": "Les Almadies"}'
    first, second = datetime(2026, 6, 1, 10, tzinfo=UTC), datetime(2026, 6, 2, 10, tzinfo=UTC)
    for pack, at, venue in (
        (cinema, first, plateau),
        (cinema, first, almadies),
        (spa, second, plateau),
        (spa, second, None),
    ):
        await make.redeemed_code(shop.partner, at=at, pack_id=pack.id, redeemed_at_venue=venue)
    other = await make.code_at_the_till()
    await make.redeemed_code(other.partner, at=first)
    return SimpleNamespace(cinema=cinema, spa=spa, rival=other)


@pytest.mark.parametrize("who", ["owner", "manager", "cashier"])
async def test_redemptions_by_day_by_venue_and_by_pack(api: Api, shop: Any, sold: Any, who: str) -> None:
    variables = {"partnerId": str(shop.partner.id), **YEAR}

    answer = await api(QUERIES["Redemptions"], variables, as_=getattr(shop, who))

    def group(count: int) -> dict[str, Any]:
        sums = {"priceCfa": f"{5000 * count}", "partnerShareCfa": f"{4000 * count}"}
        return {"count": f"{count}", "sum": sums}

    assert answer["byDay"] == [
        {"group": {"redeemedAt": "2026-06-01T00:00:00.000000Z"}, **group(2)},
        {"group": {"redeemedAt": "2026-06-02T00:00:00.000000Z"}, **group(2)},
    ]
    by_venue = {row["group"]["redeemedAtVenueName"]: row["count"] for row in answer["byVenue"]}
    assert by_venue == {"Le Plateau": "2", "Les Almadies": "1", None: "1"}
    packs = {global_id(Pack, (pack.id,)): group(2) for pack in (sold.cinema, sold.spa)}
    assert {row["group"].pop("packId"): {"count": row["count"], "sum": row["sum"]} for row in answer["byPack"]} == packs


async def test_redemptions_of_others_are_not_counted(api: Api, make: Factory, shop: Any, sold: Any) -> None:
    for caller in (sold.rival.cashier, await make(User)):
        answer = await api(QUERIES["Redemptions"], {"partnerId": str(shop.partner.id), **YEAR}, as_=caller)
        assert answer.data == {"byDay": [], "byVenue": [], "byPack": []}


async def test_what_a_redemption_notes_is_the_venues_name_of_then(api: Api, make: Factory, books: Books) -> None:
    till = await make.code_at_the_till(partner={"venues": '[{"id": "v1", "name": "Le Plateau"}]'})

    await api.redeem(till.code.code, as_=till.cashier, venue="v1")

    assert (await books.code(till.code.id))["redeemed_at_venue_name"] == "Le Plateau"


async def test_a_partner_is_owed_what_the_ledger_owes_it(
    api: Api, make: Factory, shop: Any, sold: Any, staff: Any, books: Books
) -> None:
    await generate(api, staff, shop.partner, date(2026, 6, 1), date(2026, 6, 2))
    for month in (7, 8):
        await make.redeemed_code(shop.partner, price=15_000, share=12_000, at=datetime(2026, month, 5, tzinfo=UTC))
    made = (await generate(api, staff, shop.partner, date(2026, 7, 1), date(2026, 7, 31)))["generateSettlement"]
    key = made["settlement"]["rowId"]
    await api.mutate("approveSettlement", staff, STAFF, settlementId=key)

    for caller in (shop.owner, shop.manager):
        answer = await api(QUERIES["Payable"], {"partnerId": str(shop.partner.id)}, as_=caller)

        (unsettled,) = answer["unsettled"]
        assert unsettled == {"count": "1", "sum": {"partnerShareCfa": "12000"}}
        unpaid = {row["group"]["status"]: row["sum"]["partnerShareCfa"] for row in answer["unpaid"]}
        assert unpaid == {"PENDING": "16000", "APPROVED": "12000"}
        assert await books.owed(f"partner:{shop.partner.id}:payable") == 12_000 + 16_000 + 12_000

    await api.mutate("markSettlementPaid", staff, STAFF, settlementId=key, reference="VIR-1")
    paid = await api(QUERIES["Payable"], {"partnerId": str(shop.partner.id)}, as_=shop.owner)
    assert [row["group"]["status"] for row in paid["unpaid"]] == ["PENDING"]
    assert await books.owed(f"partner:{shop.partner.id}:payable") == 12_000 + 16_000


async def test_a_cashier_sees_no_settlements(api: Api, shop: Any, sold: Any, staff: Any) -> None:
    await generate(api, staff, shop.partner, date(2026, 6, 1), date(2026, 6, 30))

    answer = await api(QUERIES["Payable"], {"partnerId": str(shop.partner.id)}, as_=shop.cashier)

    assert answer["unpaid"] == []


async def test_a_pots_progress(api: Api, make: Factory) -> None:
    owner = await make(User)
    pot = await make(
        Pot, owner_user_id=owner.id, raised_cfa=3000, balance_cfa=3000, target_amount_cfa=50_000, title="30 ans"
    )
    await make.move("provider:wave:XOF", f"pot:{pot.id}:balance", 3000, "donation")
    for amount, day in ((1000, 1), (1500, 2), (500, 2)):
        await make.donation(
            pot_id=pot.id, amount_cfa=amount, created_at=datetime(2026, 6, day, 9, tzinfo=UTC),
            show_amount=amount != 500,
        )  # fmt: skip

    answer = await api(QUERIES["Progress"], {"potId": str(pot.id)}, as_=owner)

    shown = answer["pot"]
    by_day = [(row["group"]["createdAt"][:10], row["count"], row["sum"]["amountCfa"]) for row in
              shown.pop("contributionsAggregate")]  # fmt: skip
    assert shown == {
        "title": "30 ans", "status": "OPEN", "targetAmountCfa": 50_000, "raisedCfa": 3000, "balanceCfa": 3000,
    }  # fmt: skip
    assert by_day == [("2026-06-01", "1", "1000"), ("2026-06-02", "2", "1500")]


async def test_trade_volume_by_pair(api: Api, make: Factory, staff: Any) -> None:
    user = await make(User)
    for pair, amount, status in (
        ("BTC/XOF-T", "0.5", "completed"),
        ("BTC/XOF-T", "1.5", "completed"),
        ("ETH/XOF-T", "3", "completed"),
        ("ETH/XOF-T", "9", "open"),
    ):
        value = Decimal(amount)
        await make(
            CryptoTrade, user_id=user.id, pair=pair, amount=value, price=Decimal(10), total_value=value * 10,
            fee=Decimal(0), status=status, timestamp=datetime(2026, 6, 1, tzinfo=UTC),
        )  # fmt: skip

    everyone = await api(QUERIES["Volume"], YEAR, as_=staff, roles=STAFF)
    own = await api(QUERIES["Volume"], YEAR, as_=user)
    other = await api(QUERIES["Volume"], YEAR, as_=await make(User))

    wanted = [
        ("BTC/XOF-T", "2", "2.00000000", "20.00000000"),
        ("ETH/XOF-T", "1", "3.00000000", "30.00000000"),
    ]
    for answer in (everyone, own):
        rows = [row for row in answer["cryptoTradesAggregate"] if row["group"]["pair"].endswith("-T")]
        found = [(row["group"]["pair"], row["count"], row["sum"]["amount"], row["sum"]["totalValue"]) for row in rows]
        assert found == wanted
    assert other["cryptoTradesAggregate"] == []
