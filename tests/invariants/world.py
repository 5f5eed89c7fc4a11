"""A small world in which money moves: a few people, pots, a partner, traders, and every way to move something."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg

from lango.db.pipeline import make_pipeline
from lango.providers.wave import WAVE
from lango.rules.services import Services
from lango.settings import Settings
from models.identity import User
from models.packs import Pack, Partner
from models.pots import Pot
from models.profiles import Profile
from models.referrals import PointsLedgerEntry, Referral
from resolvers.donations.checkouts import ask_about_checkouts
from resolvers.ledger import ledger
from resolvers.points import points
from resolvers.pots import lifecycle
from resolvers.redemption import codes, settlements
from resolvers.trading import escrows
from tests.client import STAFF, Answer, Api
from tests.donations.giving import Giving
from tests.donations.wave import FakeWave
from tests.factories import Factory
from tests.trading.conftest import Desk

PRICE = 500
# Run by the worker when they are due; here at any moment, also twice at once.
JOBS = (
    lifecycle.open_due_pots, lifecycle.expire_due_pots, points.mature_points, codes.expire_due_codes,
    escrows.end_due_escrows, settlements.settle_partners, ask_about_checkouts,
)  # fmt: skip


class World:
    """Made once; what happens in it is checked after every sequence, whatever happened before."""

    def __init__(self, runner: asyncio.Runner, owner_url: str, gateway_url: str, settings: Settings) -> None:
        self.runner = runner
        self.owner_url = owner_url
        self.gateway_url = gateway_url
        self.settings = settings.model_copy(update={"pool_size": 10})
        self.wave = FakeWave()
        self.providers: dict[Any, Any] = {WAVE: self.wave}
        self.stack = AsyncExitStack()
        self.codes: set[str] = set()

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    async def open(self) -> None:
        """Connect, and put there what the world begins with."""
        await self.connect()
        await self._people()
        await self._shop()
        await self._traders()

    async def connect(self) -> None:
        pipeline = make_pipeline(self.gateway_url, self.settings)
        self.stack.callback(pipeline.close)
        self.owner: asyncpg.Pool[Any] = await self.stack.enter_async_context(
            asyncpg.create_pool(self.owner_url, min_size=1, max_size=4, setup=become_owner)
        )
        self.services = Services(pipeline, self.settings, self.providers)
        self.api = await self.stack.enter_async_context(Api.over(pipeline, self.settings, services=self.services))
        self.make = Factory(self.owner)
        self.giving = Giving(self.api, self.wave, self.services, self.make)
        self.desk = Desk(self.api, self.make, self.owner)

    async def close(self) -> None:
        await self.stack.aclose()

    async def _people(self) -> None:
        self.staff = await self.make.staff()
        self.people = [await self.make(User) for _ in range(4)]
        for person in self.people:
            await self.make(Profile, user_id=person.id, date_of_birth=date(1990, 5, 17), full_name="Awa Ndiaye")
        self.pots = [
            await self.make(Pot, owner_user_id=person.id, visibility="public", target_amount_cfa=20_000, status="open")
            for person in self.people
        ]
        sponsor = self.people[0]
        for sponsored in self.people[1:3]:
            await self.make(Referral, sponsor_user_id=sponsor.id, sponsored_user_id=sponsored.id, status="accepted")
        for person in self.people[:2]:
            await self.make(
                PointsLedgerEntry, sponsor_user_id=person.id, event_type="referral_accepted", points_earned=5000,
                status="matured",
            )  # fmt: skip
        self.donations: list[Any] = []

    async def _shop(self) -> None:
        self.partner = await self.make(Partner, minimum_payout_cfa=0, auto_approve_redemptions=False)
        self.cashier = await self.make(User)
        await self.make.member(self.partner, self.cashier)
        self.packs = [
            await self.make(
                Pack,
                partner_id=self.partner.id,
                base_price_cfa=PRICE * number,
                total_available_quantity=many,
                max_redemptions_per_user=None,
            )
            for number, many in ((1, None), (3, 8))
        ]
        self.issued: list[tuple[Any, str, str]] = []
        self.settled: list[str] = []

    async def _traders(self) -> None:
        self.coin = await self.desk.coin()
        self.traders = [await self.desk.person(self.coin, "50") for _ in range(3)]
        self.trades: list[UUID] = []
        self.deals: list[SimpleNamespace] = []
        self.disputes: list[UUID] = []

    # What may happen. `n` decides who does it, to what, and for how much.

    async def donate(self, n: int) -> None:
        pot, amount = pick(self.pots, n), 100 + n % 7000
        answer = await self.giving.donate(pot, amount, None if n % 3 else pick(self.people, n))
        given = self.heard(answer)["donate"]
        if given["paymentUrl"]:
            self.donations.append(
                SimpleNamespace(id=given["reference"], checkout=given["paymentUrl"].rpartition("/")[2])
            )

    async def pay(self, n: int) -> None:
        """Wave reports that a donation was paid; sometimes twice, and also one that it has reported before."""
        if self.donations:
            event = self.wave.paid(pick(self.donations, n).checkout)
            await asyncio.gather(*(self.giving.hear(event) for _ in range(1 + n % 2)))

    async def fail(self, n: int) -> None:
        if self.donations:
            await self.giving.hear(self.wave.failed(pick(self.donations, n).checkout))

    async def refund_donation(self, n: int) -> None:
        if self.donations:
            part = {"amountCfa": 50 + n % 900} if n % 2 else {}
            donation = pick(self.donations, n)
            self.heard(
                await self.giving.refund(self.staff, STAFF, donationId=donation.id, reason="ADMIN_ACTION", **part)
            )

    async def hold_or_let_go(self, n: int) -> None:
        if self.donations:
            name = ("releaseHeldDonation", "rejectHeldDonation")[n % 2]
            self.heard(await self.giving.api.mutate(name, self.staff, STAFF, donationId=pick(self.donations, n).id))

    async def convert(self, n: int) -> None:
        who, pot = pick(self.people, n), pick(self.pots, n // 7)
        await self.call("convertPoints", who, "pointsConversion { rowId }", points=90 + n % 300, potId=str(pot.id))

    async def close_pot(self, n: int) -> None:
        # Now and then: an ended pot ends much else.
        if n % 5 == 0:
            name, pot = ("closePot", "cancelPot")[n % 2], pick(self.pots, n // 5)
            await self.call(name, self.person_of(pot), "pot { status }", potId=str(pot.id))

    async def plan_pot(self, n: int) -> None:
        who, soon = pick(self.people, n), date.today() + timedelta(days=1 + n % 50)
        given = {"birthday": soon.isoformat(), "targetAmountCfa": 5000 + n % 9000, "visibility": "PUBLIC"}
        payload = await self.call("createPot", who, "pot { rowId ownerUserId }", **given)
        if payload["pot"]:
            self.pots.append(SimpleNamespace(id=UUID(payload["pot"]["rowId"]), owner_user_id=who.id))

    async def issue(self, n: int) -> None:
        pot, pack = pick(self.pots, n), pick(self.packs, n // 3)
        who = self.person_of(pot)
        payload = await self.call("issueQrCode", who, "qrCode { rowId code }", potId=str(pot.id), packId=str(pack.id))
        if payload["qrCode"]:
            self.issued.append((who, payload["qrCode"]["rowId"], payload["qrCode"]["code"]))
            # A code may be redeemed from the birthday on; here it is the birthday.
            await self.owner.execute(
                "UPDATE redemption.qr_codes SET redeemable_from = now() - interval '1 hour', expires_at = now() +"
                " make_interval(secs => $2) WHERE id = $1 AND status = 'issued'",
                UUID(payload["qrCode"]["rowId"]), 3600 if n % 4 else 0.2,
            )  # fmt: skip

    async def redeem(self, n: int) -> None:
        if self.issued:
            await self.call("redeemQrCode", self.cashier, "qrCode { status }", code=pick(self.issued, n)[2])

    async def cancel_code(self, n: int) -> None:
        if self.issued:
            who, key, _ = pick(self.issued, n)
            await self.call("cancelQrCode", who, "qrCode { status }", qrCodeId=key)

    async def reverse_redemption(self, n: int) -> None:
        if self.issued:
            given = {"qrCodeId": pick(self.issued, n)[1], "reason": "scanned twice"}
            await self.call("reverseRedemption", self.staff, "qrCode { status }", STAFF, **given)

    async def settle(self, n: int) -> None:
        begins = date.today() - timedelta(days=n % 3)
        given = {
            "partnerId": str(self.partner.id),
            "periodStart": begins.isoformat(),
            "periodEnd": date.today().isoformat(),
        }
        payload = await self.call("generateSettlement", self.staff, "settlement { rowId }", STAFF, **given)
        if payload["settlement"]:
            self.settled.append(payload["settlement"]["rowId"])

    async def decide_settlement(self, n: int) -> None:
        if self.settled:
            name = ("approveSettlement", "markSettlementPaid", "disputeSettlement", "reopenSettlement")[n % 4]
            more = {1: {"reference": "R-1"}, 2: {"reason": "not ours"}}.get(n % 4, {})
            key = pick(self.settled, n // 4)
            await self.call(name, self.staff, "settlement { status }", STAFF, settlementId=key, **more)

    async def place(self, n: int) -> None:
        given = {
            "side": ("SELL", "BUY")[n % 2],
            "pair": f"{self.coin}/KES",
            "price": "129.5",
            "amount": f"{1 + n % 30}.25",
        }
        payload = await self.call("placeTrade", pick(self.traders, n), "trade { rowId }", **given)
        if payload["trade"]:
            self.trades.append(UUID(payload["trade"]["rowId"]))

    async def take(self, n: int) -> None:
        if self.trades:
            trade = pick(self.trades, n)
            shown = "trade { rowId escrow { rowId sellerId buyerId } }"
            payload = await self.call("takeTrade", pick(self.traders, n // 3), shown, tradeId=str(trade))
            if payload["trade"]:
                row = await self.owner.fetchrow(
                    "SELECT id, seller_id, buyer_id FROM trading.crypto_escrows WHERE trade_id = $1"
                    " ORDER BY created_at DESC LIMIT 1",
                    trade,
                )
                self.deals.append(SimpleNamespace(trade=trade, escrow=row["id"], **row))

    async def on_a_deal(self, n: int) -> None:
        """Fund, pay, release, refund, dispute, cancel: by whom it concerns, or by somebody else."""
        if not self.deals:
            return
        deal = self.deals[-1 - (n // 6) % min(4, len(self.deals))]
        seller, buyer = SimpleNamespace(id=deal.seller_id), SimpleNamespace(id=deal.buyer_id)
        if n % 13 == 0:
            seller, buyer = buyer, seller
        escrow, trade = {"escrowId": str(deal.escrow)}, {"tradeId": str(deal.trade)}
        calls: list[tuple[str, Any, str, dict[str, str]]] = [
            ("fundEscrow", seller, "escrow { status }", escrow), ("fundEscrow", seller, "escrow { status }", escrow),
            ("markTradePaid", buyer, "trade { status }", trade), ("releaseEscrow", seller, "escrow { status }", escrow),
            ("refundEscrow", buyer, "escrow { status }", escrow), ("cancelTrade", seller, "trade { status }", trade),
            ("cancelTrade", buyer, "trade { status }", trade),
            ("openDispute", buyer, "dispute { rowId }", trade | {"reason": "not delivered"}),
        ]  # fmt: skip
        name, who, shown, given = calls[n % len(calls)]
        payload = await self.call(name, who, shown, **given)
        if name == "openDispute" and payload["dispute"]:
            self.disputes.append(UUID(payload["dispute"]["rowId"]))

    async def decide_dispute(self, n: int) -> None:
        if self.disputes:
            given: dict[str, str] = {"outcome": ("RELEASE", "REFUND", "SPLIT")[n % 3]}
            if n % 3 == 2:
                given["buyerShare"] = "0.75"
            key = str(pick(self.disputes, n // 3))
            await self.call("resolveDispute", self.staff, "dispute { status }", STAFF, disputeId=key, **given)

    async def split(self) -> None:
        """The newest deal is funded, disputed and decided in parts, which chance alone seldom comes to."""
        if not self.deals:
            return
        deal = self.deals[-1]
        seller, buyer = SimpleNamespace(id=deal.seller_id), SimpleNamespace(id=deal.buyer_id)
        await self.call("fundEscrow", seller, "escrow { status }", escrowId=str(deal.escrow))
        given = {"tradeId": str(deal.trade), "reason": "not delivered"}
        dispute = (await self.call("openDispute", buyer, "dispute { rowId }", **given))["dispute"]
        if dispute:
            given = {"disputeId": dispute["rowId"], "outcome": "SPLIT", "buyerShare": "0.75"}
            await self.call("resolveDispute", self.staff, "dispute { status }", STAFF, **given)

    async def time_passes(self, n: int) -> None:
        """What was taken runs out of its time."""
        if self.deals:
            await self.owner.execute(
                "UPDATE trading.crypto_escrows SET expires_at = now() - interval '1 second'"
                " WHERE id = $1 AND status IN ('pending', 'funded')",
                pick(self.deals, n).escrow,
            )

    async def worker(self, n: int) -> None:
        job = pick(JOBS, n)
        await asyncio.gather(*(job(self.services) for _ in range(1 + n % 2)))

    # How it is called, and what must hold.

    async def call(self, name: str, who: Any, shown: str, roles: tuple[str, ...] = (), **given: Any) -> Any:
        return self.heard(await self.api.mutate(name, who, roles, show=shown, **given))[name]

    def heard(self, answer: Answer) -> Any:
        """Every outcome is typed: nothing here is an error at the top."""
        assert not answer.errors, answer.errors
        for payload in answer.data.values():
            self.codes |= {error["code"] for error in payload["userErrors"]}
        return answer.data

    def person_of(self, pot: Any) -> Any:
        return SimpleNamespace(id=pot.owner_user_id)

    async def differences(self) -> list[Any]:
        return [*await ledger.verify(self.owner)]

    async def movements(self) -> set[str]:
        """The kinds of what the ledger has."""
        return {row["kind"] for row in await self.owner.fetch("SELECT DISTINCT kind FROM ledger.ledger_transactions")}


async def become_owner(connection: Any) -> None:
    await connection.execute("SET ROLE lango_owner; SET timezone = 'UTC'")


def pick(things: Any, n: int) -> Any:
    return things[n % len(things)]
