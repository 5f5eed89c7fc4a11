"""Codes: issued, redeemed, expired and cancelled; the log of every attempt, and what partners were paid."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from models.ledger import LedgerKind
from models.redemption import PartnerSettlement, QrCode, QrRedemptionLog
from resolvers.ledger.ledger import Movement, commission, partner_payable, pot_account, pot_reserved, provider
from resolvers.redemption.till import partner_share
from seeds import names
from seeds.ledger import Books
from seeds.packs import MINIMUM_PAYOUT, Offer, Shop
from seeds.pots import Plan
from seeds.world import DAYS, World, at, digest, named

AN_HOUR = timedelta(hours=1)
FEWEST_CODES, MOST_CODES = 4, 7


class Tills:
    """Where codes are redeemed, and the sums of each partner's months."""

    def __init__(self, world: World, books: Books, shops: list[Shop]) -> None:
        self.world = world
        self.books = books
        self.shops = shops
        self.dice = world.dice("redeeming")
        self.issued = 0
        # The settlement's partner and first day, with how many codes, their prices and their shares.
        self.sums: dict[tuple[int, date], list[int]] = {}
        self.months = _months(world)

    def put_periods(self) -> None:
        """A settlement for each partner and ended month, to be summed when all codes are known."""
        for shop in self.shops:
            for first, last in self.months:
                self.world.rows.put(
                    PartnerSettlement, id=settlement_id(shop.number, first), partner_id=shop.id, period_start=first,
                    period_end=last,
                        created_at=min(at(last) + timedelta(days=1, hours=6), self.world.today),
                )  # fmt: skip

    def settlement(self, shop: Shop, when: datetime, price: int, share: int) -> UUID | None:
        """The settlement of a redemption; None while its month goes on."""
        first = when.date().replace(day=1)
        if first > self.months[-1][0]:
            return None
        sums = self.sums.setdefault((shop.number, first), [0, 0, 0])
        for place, amount in enumerate((1, price, share)):
            sums[place] += amount
        return settlement_id(shop.number, first)

    async def settle(self) -> None:
        """Write the sums, pay the older ones, and carry over what is below the least payout."""
        connection = self.world.rows.connection
        moved: list[tuple[UUID, UUID | None]] = []
        closed: list[tuple[Any, ...]] = []
        for shop in self.shops:
            carried, carried_from = [0, 0, 0], list[UUID]()
            for age, (first, last) in reversed(list(enumerate(reversed(self.months)))):
                key = settlement_id(shop.number, first)
                sums = [a + b for a, b in zip(carried, self.sums.get((shop.number, first), (0, 0, 0)), strict=True)]
                if sums[2] < MINIMUM_PAYOUT:
                    carried = sums
                    carried_from.append(key)
                    continue
                moved += [(below, key) for below in carried_from]
                carried, carried_from = [0, 0, 0], []
                closed.append(self._close(shop, key, age, last, sums))
            moved += [(below, None) for below in carried_from]
        # One statement for all: the tables have no statistics yet, and each would read them whole.
        await connection.execute(MOVE, *_columns(list(moved), 2))
        await connection.execute(CLOSE, *_columns(closed, 11))
        for hour in (30, 51):
            _log(self, self.shops[0], None, f"mistyped {hour}", self.world.today - hour * AN_HOUR, "invalid", None)
        await connection.execute("DELETE FROM redemption.partner_settlements WHERE total_redemptions_count = 0")
        await self.world.rows.flush()

    def _close(self, shop: Shop, key: UUID, age: int, last: date, sums: list[int]) -> tuple[Any, ...]:
        """The last month waits or is disputed, the one before is approved, the rest is paid."""
        status = ("disputed" if shop.number % 7 == 3 else "pending") if age == 0 else "approved" if age == 1 else "paid"
        decided = at(last) + timedelta(days=2, hours=9)
        paid = decided + timedelta(days=3) if status == "paid" else None
        approved = decided if status in ("approved", "paid") else None
        if paid:
            payout = Movement(partner_payable(shop.id), provider("bank"), sums[2])
            of = ("partner_settlement", key)
            self.books.post(LedgerKind.SETTLEMENT_PAID, paid, [payout], of=of, by=self.world.staff)
        return (
            key, *sums, sums[1] - sums[2], status, approved, f"VIR-{last:%Y%m}-{shop.number:04d}" if paid else None,
            paid, self.world.staff if approved and shop.number % 3 != 1 else None,
            min(paid or approved or decided, self.world.today),
        )  # fmt: skip


MOVE = """
    UPDATE redemption.qr_codes c SET settlement_id = m.target
    FROM unnest($1::uuid[], $2::uuid[]) AS m (source, target) WHERE c.settlement_id = m.source
"""
CLOSE = """
    UPDATE redemption.partner_settlements s SET total_redemptions_count = n.codes, total_revenue_cfa = n.revenue,
        partner_share_cfa = n.share, wolo_commission_cfa = n.commission, status = n.status,
        approved_at = n.approved_at, payment_reference = n.reference, paid_at = n.paid_at,
        approved_by_user_id = n.approved_by, updated_at = n.updated_at,
        invoice_url = 'https://media.lango.example/invoices/' || s.id || '.pdf',
        receipt_url = CASE WHEN n.paid_at IS NOT NULL
            THEN 'https://media.lango.example/receipts/' || s.id || '.pdf' END
    FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::integer[], $6::text[],
                $7::timestamptz[], $8::text[], $9::timestamptz[], $10::uuid[], $11::timestamptz[])
        AS n (id, codes, revenue, share, commission, status, approved_at, reference, paid_at, approved_by, updated_at)
    WHERE s.id = n.id
"""


def _columns(records: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Records as one list for each column."""
    return [[record[place] for record in records] for place in range(width)]


def settlement_id(partner: int, first: date) -> UUID:
    """By partner and month, counted from the load's: fixed for one day of loading."""
    return named(f"settlement {partner} {first}")


def _months(world: World) -> list[tuple[date, date]]:
    """First and last days of the months that ended before today, oldest first."""
    first = (world.today.date() - timedelta(days=DAYS)).replace(day=1)
    listed: list[tuple[date, date]] = []
    while True:
        following = (first + timedelta(days=32)).replace(day=1)
        if following > world.today.date():
            return listed
        listed.append((first, following - timedelta(days=1)))
        first = following


def spend(tills: Tills, pot_id: UUID, plan: Plan, raised: int, since: datetime) -> int:
    """Issue codes for what was raised; what they took for good or hold is returned, in francs."""
    if plan.status in ("scheduled", "cancelled") or raised < 5_000:
        return 0
    left, taken, used = raised, 0, set()
    planned = plan.codes if plan.codes is not None else (None,) * tills.dice.randint(FEWEST_CODES, MOST_CODES)
    for number, wished in enumerate(planned):
        shop = tills.shops[0] if plan.id and number != 1 else tills.dice.choice(tills.shops)
        offer = min(shop.offers, key=lambda one: one.price) if plan.codes else tills.dice.choice(shop.offers)
        if offer.price > left or (offer.id in used and not plan.codes):
            continue
        used.add(offer.id)
        if _issue(tills, pot_id, plan, shop, offer, since, wished):
            taken += offer.price
            left -= offer.price
    return taken


def _issue(
    tills: Tills, pot_id: UUID, plan: Plan, shop: Shop, offer: Offer, since: datetime, wished: str | None
) -> bool:
    """One code and its end. Whether its price stays with the code."""
    world, dice, books = tills.world, tills.dice, tills.books
    zone = ZoneInfo("Africa/Nairobi" if plan.owner.kenyan else "Africa/Dakar")
    begins = datetime(plan.birthday.year, plan.birthday.month, plan.birthday.day, tzinfo=zone)
    ends = begins + timedelta(days=offer.validity_days)
    now = world.today - AN_HOUR
    made = dice.moment(since, min(now, max(since, at(plan.birthday) + timedelta(days=1))))
    if plan.codes and wished == "expired":
        ends = begins + timedelta(days=30)
    status = wished or _end(dice.random(), world.today, begins, ends)
    used = dice.moment(max(begins, made), min(now, ends)) if status == "redeemed" else None
    code, key = dice.code(26), dice.id()
    price, balance, reserved = offer.price, pot_account(pot_id), pot_reserved(pot_id)
    share = partner_share(price, shop.split) if used else None
    venue = shop.venues[0] if used else None
    world.rows.put(
        QrCode, id=key, pot_id=pot_id, pack_id=offer.id, code=code, redeemable_from=begins, expires_at=ends,
        status=status, redeemed_at=used, redeemed_by_partner_id=shop.id if used else None, redeemed_at_venue=venue,
        partner_notes="Bonne soirée offerte." if used and dice.happens(0.1) else None, created_at=made, price_cfa=price,
        partner_share_cfa=share,
        settlement_id=tills.settlement(shop, used, price, share) if used and share is not None else None,
    )  # fmt: skip
    tills.issued += 1
    of = ("qr_code", key)
    books.post(LedgerKind.QR_ISSUE, made, [Movement(balance, reserved, price)], of=of, by=plan.owner.id)
    if used is not None and share is not None:
        split = [Movement(reserved, partner_payable(shop.id), share), Movement(reserved, commission(), price - share)]
        books.post(LedgerKind.QR_REDEEM, used, split, of=of, by=shop.cashiers[0])
        _log(tills, shop, key, code, used, "success", venue)
        if dice.happens(0.1) and used + AN_HOUR < world.today:
            _log(tills, shop, key, code, used + AN_HOUR, "already_used", venue)
    elif status in ("cancelled", "expired"):
        back = min(now, made + AN_HOUR) if status == "cancelled" else ends
        kind = LedgerKind.QR_CANCEL if status == "cancelled" else LedgerKind.QR_EXPIRE
        books.post(kind, back, [Movement(reserved, balance, price)], of=of)
        _log_refusal(tills, shop, key, code, status, back)
        return False
    elif dice.happens(0.1) and begins > world.today:
        _log(tills, shop, key, code, max(made, now - AN_HOUR), "not_yet_redeemable", None)
    return True


def _end(throw: float, today: datetime, begins: datetime, ends: datetime) -> str:
    """What became of a code by now."""
    if begins >= today - AN_HOUR:
        return "issued" if throw < 0.9 else "cancelled"
    if ends <= today - AN_HOUR:
        return "redeemed" if throw < 0.8 else "expired"
    return "redeemed" if throw < 0.6 else "issued" if throw < 0.92 else "cancelled"


REFUSED = {
    "already_used": "This code has already been redeemed.", "not_yet_redeemable": "This code is for a day to come.",
    "cancelled": "This code was cancelled.", "expired": "This code has expired.", "invalid": "No such code.",
    "wrong_partner": "This code is for another partner.",
    "venue_not_allowed": "This pack is not redeemed at that venue.",
    "partner_suspended": "The partner is suspended.",
}  # fmt: skip


def _log_refusal(tills: Tills, shop: Shop, key: UUID, code: str, status: str, when: datetime) -> None:
    """Somebody tried the code after its end; some others tried what could not work either."""
    result = tills.dice.choice(tuple(REFUSED)) if tills.dice.happens(0.5) else status
    later = min(when + AN_HOUR, tills.world.today)
    if result == "invalid":
        _log(tills, shop, None, f"{code[:8]}?", later, result, None)
    elif result in ("wrong_partner", "venue_not_allowed", "partner_suspended", status):
        _log(tills, shop, key, code, later, result, None)


def _log(
    tills: Tills, shop: Shop, key: UUID | None, code: str, when: datetime, result: str, venue: dict[str, str] | None
) -> None:
    tills.world.rows.put(
        QrRedemptionLog, id=tills.dice.id(), qr_code_id=key, partner_user_id=shop.cashiers[0], attempt_timestamp=when,
        validation_result=result, error_message=REFUSED.get(result), ip_address=tills.dice.address(),
        user_agent=names.AGENTS[3], venue_context={"asked": venue and venue["id"], "venue": venue},
        presented_code_sha256=digest(code), partner_id=shop.id, created_at=when,
    )  # fmt: skip
