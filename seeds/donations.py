"""Pots, who is invited to them, and what was given to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from uuid import UUID

from models.donations import Donation, Refund, WaveWebhookEvent
from models.ledger import LedgerKind
from models.pots import Pot, PotInvitation
from models.referrals import PointsConversion, PointsLedgerEntry
from resolvers.ledger.ledger import Movement, pot_account, provider
from seeds import names, pots, redemption
from seeds.ledger import PROMOTION, Books
from seeds.packs import Shop
from seeds.pots import Plan
from seeds.redemption import Tills
from seeds.referrals import Sponsoring
from seeds.world import Dice, Person, World, digest

AMOUNTS = (500, 1_000, 2_000, 2_500, 5_000, 10_000, 15_000, 25_000, 50_000)
WEIGHTS = tuple(accumulate((10, 20, 18, 12, 22, 10, 4, 3, 1)))
CFA_PER_POINT = 5
AN_HOUR = timedelta(hours=1)


@dataclass
class Filled:
    """What a pot holds, while it is being filled."""

    id: UUID
    plan: Plan
    raised: int = 0
    donors: int = 0
    last: datetime | None = None


async def load(world: World, books: Books, shops: list[Shop], sponsoring: Sponsoring) -> tuple[int, int]:
    """Every pot with its donations and codes; the number of pots and of codes."""
    dice = world.dice("giving")
    tills = Tills(world, books, shops)
    tills.put_periods()
    number = 0
    for plan in pots.pots(world):
        pot = Filled(plan.id or dice.id(), plan)
        _give(world, dice, books, pot)
        _convert(world, dice, books, pot, sponsoring)
        spent = redemption.spend(tills, pot.id, plan, pot.raised, pot.last or plan.opens)
        _put_pot(world, dice, pot, spent, sponsoring)
        _invite(world, dice, pot)
        number += 1
        await world.rows.flush_if_many()
    await world.rows.flush()
    await tills.settle()
    return number, tills.issued


def _give(world: World, dice: Dice, books: Books, pot: Filled) -> None:
    plan = pot.plan
    if plan.status == "scheduled":
        return
    count = max(2, round(dice.gauss(world.size.donations_a_pot / 0.9, world.size.donations_a_pot / 4)))
    moments = sorted(dice.moment(plan.opens + AN_HOUR, plan.last_gift) for _ in range(count))
    for number, moment in enumerate(moments):
        donor = plan.donors[number] if number < len(plan.donors) else None
        _donate(world, dice, books, pot, moment, donor)


def _donate(world: World, dice: Dice, books: Books, pot: Filled, moment: datetime, known: Person | None) -> None:
    plan, throw = pot.plan, 0.5 if known else dice.random()
    recent = plan.status in ("open", "funded") and world.today - moment < timedelta(days=2)
    cancelled = plan.status == "cancelled"
    status = "succeeded"
    if throw > 0.97:
        status = "pending" if recent else "failed"
    elif throw > 0.95:
        status = "processing" if recent else "failed"
    elif throw > 0.93 or cancelled:
        status = "refunded"
    donation, amount = dice.id(), dice.choices(AMOUNTS, cum_weights=WEIGHTS)[0]
    if plan.id is not None:
        # The demo's own pots hold enough for every code that is planned.
        amount = max(amount, 10_000)
    stranger = known is None and plan.anonymous and dice.happens(0.12)
    donor = None if stranger else known or dice.choice(world.adults)
    delay = AN_HOUR / 30
    paid = moment + delay if status in ("succeeded", "refunded") else None
    given_back = (
        (plan.closed if cancelled else moment + dice.randrange(2, 23) * AN_HOUR) if status == "refunded" else None
    )
    if given_back is not None and given_back >= world.today:
        given_back = moment + 2 * delay
    hidden = dice.random()
    world.rows.put(
        Donation, id=donation, pot_id=pot.id, donor_user_id=donor.id if donor else None,
        donor_name=None if donor else dice.choice(names.WOMEN), amount_cfa=amount,
        donor_phone=donor.phone if donor else f"+22178{dice.randrange(10**7):07d}",
        wave_transaction_id=f"T_{donation.hex[:16].upper()}" if paid else None,
        wave_payment_url=f"https://pay.wave.example/c/{donation.hex[:18]}", status=status, initiated_at=moment,
        wave_notified_at=paid, confirmed_at=paid, failed_at=moment + AN_HOUR if status == "failed" else None,
        refunded_at=given_back, donation_message=dice.choice(names.WISHES) if plan.messages and hidden < 0.5 else None,
        is_anonymous=plan.anonymous and hidden > 0.88, show_amount=not 0.78 < hidden < 0.92,
        ip_address=plan.ip, user_agent=names.AGENTS[int(hidden * 4)], risk_score=int(hidden**6 * 90),
        created_at=moment, updated_at=given_back or paid or moment,
        wave_checkout_session_id=f"cos-{donation.hex[:20]}",
        receipt_token_hash=None if donor else digest(f"receipt {donation}"),
    )  # fmt: skip
    if paid is None:
        return
    pot.last, wave, balance = paid, provider("wave"), pot_account(pot.id)
    pot.donors += 1
    books.post(LedgerKind.DONATION, paid, [Movement(wave, balance, amount)], of=("donation", donation), by=None)
    if dice.happens(world.size.webhooks):
        _put_webhook(world, donation, amount, paid)
    back = amount if given_back else amount // 2 if 0.9275 < throw <= 0.93 else 0
    pot.raised += amount - back
    if back:
        when = given_back or paid + AN_HOUR / 2
        refund = _refund(world, dice, donation, back, when, donor, cancelled=cancelled)
        books.post(LedgerKind.DONATION_REFUND, when, [Movement(balance, wave, back)], of=("refund", refund))
        pot.last = max(pot.last, when)


def _put_webhook(world: World, donation: UUID, amount: int, when: datetime) -> None:
    event = f"EV_{donation.hex[:20]}"
    world.rows.put(
        WaveWebhookEvent, id=UUID(int=donation.int ^ 1), wave_event_id=event, event_type="checkout.session.completed",
        donation_id=donation, processed_at=when, idempotency_key=event, created_at=when,
        raw_payload={"id": event, "data": {"amount": str(amount), "currency": "XOF", "client_reference": donation}},
    )  # fmt: skip


def _refund(
    world: World, dice: Dice, donation: UUID, amount: int, when: datetime, donor: Person | None, *, cancelled: bool
) -> UUID:
    by_donor, refund = donor is not None and not cancelled, dice.id()
    world.rows.put(
        Refund, id=refund, donation_id=donation, refunded_by_user_id=donor.id if donor and by_donor else world.staff,
        amount_cfa=amount, reason="failed_pot" if cancelled else "user_request" if by_donor else "admin_action",
        reason_description="La cagnotte a été annulée." if cancelled else "Erreur de montant.",
        wave_refund_id=f"R_{donation.hex[:16].upper()}", wave_refund_status="succeeded", processed_at=when,
        completed_at=when, created_at=when,
    )  # fmt: skip
    return refund


def _convert(world: World, dice: Dice, books: Books, pot: Filled, sponsoring: Sponsoring) -> None:
    """The owner's matured points, put into the pot."""
    owner, status = pot.plan.owner, pot.plan.status
    points = sponsoring.matured.get(owner.id, 0) // 2
    if points < 100 or status not in ("open", "funded") or pot.last is None:
        return
    sponsoring.matured[owner.id] -= points
    when, conversion, francs = min(pot.last + AN_HOUR, world.today), dice.id(), points * CFA_PER_POINT
    world.rows.put(
        PointsLedgerEntry, id=dice.id(), sponsor_user_id=owner.id, event_type="conversion", points_spent=points,
        status="matured", matures_at=None, matured_at=when, metadata={"conversion": conversion}, created_at=when,
    )  # fmt: skip
    world.rows.put(
        PointsConversion, id=conversion, sponsor_user_id=owner.id, points_converted=points, credits_issued=francs,
        conversion_rate=Decimal(CFA_PER_POINT), applied_to_pot_id=pot.id, created_at=when,
    )  # fmt: skip
    credit = Movement(PROMOTION, pot_account(pot.id), francs)
    books.post(LedgerKind.POINTS_CONVERSION, when, [credit], of=("points_conversion", conversion), by=owner.id)
    pot.raised += francs
    pot.last = when


def _put_pot(world: World, dice: Dice, pot: Filled, spent: int, sponsoring: Sponsoring) -> None:
    plan = pot.plan
    reached = plan.status == "funded" or (plan.status == "closed" and dice.happens(0.5))
    target = max(1_000, pot.raised // 5_000 * 5_000) if reached else (pot.raised * 13 // 10) // 5_000 * 5_000 + 50_000
    zone = "Africa/Nairobi" if plan.owner.kenyan else "Africa/Dakar"
    title = dice.choice(names.POT_TITLES).replace("{age} ans de {}", "20 ans de {}")
    world.rows.put(
        Pot, id=pot.id, owner_user_id=plan.owner.id, title=plan.title or title.format(plan.owner.name.split()[0]),
        description=dice.choice(names.POT_TEXTS), target_amount_cfa=target, birthday_date=plan.birthday,
        scheduled_open_at=plan.opens, actual_opened_at=None if plan.status == "scheduled" else plan.opens,
        closed_at=plan.closed, status=plan.status, visibility=plan.visibility,
        allow_anonymous_donations=plan.anonymous, show_donor_names=dice.happens(0.9), enable_messages=plan.messages,
        share_count=pot.donors // 3, view_count=pot.donors * 4 + dice.randrange(9),
        cover_image_url=f"https://media.lango.example/pots/{pot.id}.jpg" if dice.happens(0.5) else None,
        gallery_images=[] if dice.happens(0.8) else [f"https://media.lango.example/pots/{pot.id}-1.jpg"],
        created_from_referral_id=sponsoring.came_by.get(plan.owner.id) if plan.by_referral else None,
        created_at=plan.opens - timedelta(hours=2) if plan.status != "scheduled" else dice.ago(20),
        updated_at=plan.closed or pot.last or plan.opens if plan.status != "scheduled" else world.today,
        raised_cfa=pot.raised, balance_cfa=pot.raised - spent, time_zone=zone, share_token=dice.code(26),
        deleted_at=plan.deleted,
    )  # fmt: skip


def _invite(world: World, dice: Dice, pot: Filled) -> None:
    plan = pot.plan
    for number in range(3 if plan.id else dice.randrange(0, 3)):
        guest = plan.donors[number] if number < len(plan.donors) else dice.choice(world.adults)
        sent = min(plan.opens + number * AN_HOUR, world.today - 2 * AN_HOUR)
        opened = sent + AN_HOUR if number < 2 else None
        method = ("whatsapp", "sms", "email", "social")[(number + plan.birthday.day) % 4]
        world.rows.put(
            PotInvitation, id=dice.id(), pot_id=pot.id, invited_by_user_id=plan.owner.id, invitation_method=method,
            recipient_identifier=guest.email if method == "email" else guest.phone,
            custom_message="Viens fêter avec nous !", sent_at=sent, created_at=sent, opened_at=opened,
            clicked_at=opened if number == 0 else None, token_hash=digest(f"invitation {pot.id} {number}"),
            invited_user_id=guest.id if number < 2 else None,
        )  # fmt: skip
