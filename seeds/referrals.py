"""Invitations by sponsors, and the points they earned by them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.referrals import PointsLedgerEntry, Referral, SponsorContactBatch, SponsorDailyLimit
from seeds import names
from seeds.world import Dice, Person, World, named

# Among so many users stands one sponsor; those who follow in the list are the invited.
A_SPONSOR_IN = 12
ACCEPTED = 100
MATURATION = timedelta(days=14)


@dataclass
class Sponsoring:
    """What pots and payouts need of it."""

    # Points that a sponsor may convert.
    matured: dict[UUID, int] = field(default_factory=dict)
    # The referral by which a user came.
    came_by: dict[UUID, UUID] = field(default_factory=dict)
    accepted: list[tuple[Person, UUID, datetime]] = field(default_factory=list)


async def load(world: World) -> Sponsoring:
    """A day's invitations of each sponsor: accepted, declined, expired and open ones."""
    dice = world.dice("sponsoring")
    done = Sponsoring()
    for number in range(0, len(world.adults), A_SPONSOR_IN):
        _put_day(world, dice, number, done)
        await world.rows.flush_if_many()
    await world.rows.flush()
    return done


def _put_day(world: World, dice: Dice, number: int, done: Sponsoring) -> None:
    sponsor = world.adults[number]
    invited = world.adults[number + 1 : number + 7]
    # The member's invitations are old enough for points, and one of them is still open.
    day = world.today - timedelta(days=dice.choice((25, 50, 80)) if number == 0 else dice.choice((3, 20, 40, 70, 90)))
    limit, batch = dice.id(), dice.id()
    world.rows.put(
        SponsorDailyLimit, id=limit, sponsor_user_id=sponsor.id, limit_date=day.date(),
        invitations_sent_today=len(invited), current_batch_start=50, last_reset_at=day,
        next_reset_at=day + timedelta(days=1), consecutive_active_days=dice.randrange(1, 9),
        total_lifetime_invitations=len(invited), created_at=day,
    )  # fmt: skip
    contacts = [{"id": f"c{place}", "name": dice.choice(names.WOMEN), "phone": f"+22176{dice.randrange(10**7):07d}"}
                for place in range(len(invited) + 2)]  # fmt: skip
    world.rows.put(
        SponsorContactBatch, id=batch, sponsor_user_id=sponsor.id, batch_date=day.date(), start_position=0,
        end_position=len(contacts), status="sent", selected_count=len(invited), sent_count=len(invited),
        contact_snapshot=contacts, manual_selections=[contact["id"] for contact in contacts[: len(invited)]],
        created_at=day,
    )  # fmt: skip
    if number % 60 == 0:
        world.rows.put(
            SponsorContactBatch, id=dice.id(), sponsor_user_id=sponsor.id, batch_date=day.date(), batch_number=2,
            start_position=50, end_position=60, status="pending", contact_snapshot=contacts, created_at=day,
        )  # fmt: skip
    for place, person in enumerate(invited):
        outcome = ("accepted", "accepted", "declined", "expired", "sent", "accepted")[place]
        if outcome == "sent" and world.today - day > timedelta(days=7):
            outcome = "expired"
        _put_referral(world, dice, sponsor, person, day, outcome, limit=limit, batch=batch, place=place, done=done)


def _put_referral(
    world: World, dice: Dice, sponsor: Person, person: Person, day: datetime, outcome: str, *, done: Sponsoring,
    **of: Any,
) -> None:  # fmt: skip
    referral, sent = dice.id(), day + timedelta(hours=10, minutes=of["place"])
    accepted = sent + timedelta(hours=dice.randrange(2, 40)) if outcome == "accepted" else None
    world.rows.put(
        Referral, id=referral, sponsor_user_id=sponsor.id, referral_code=dice.code(20), status=outcome,
        invited_phone=person.phone, invited_name=person.name,
        invitation_message="Rejoins-moi sur lango, et fêtons ensemble !",
        sponsored_user_id=person.id if accepted else None, both_ids_collected=accepted is not None,
        sponsor_id_verified=accepted is not None, sponsored_id_verified=accepted is not None and of["place"] == 0,
        sent_at=sent, accepted_at=accepted, expired_at=sent + timedelta(days=7), created_at=sent,
        daily_limit_id=of["limit"], batch_id=of["batch"], invitation_order=of["place"] + 1,
        declined_at=sent + timedelta(hours=5) if outcome == "declined" else None,
    )  # fmt: skip
    if accepted is None:
        return
    done.came_by[person.id] = referral
    done.accepted.append((sponsor, referral, accepted))
    boost = Decimal("1.50") if of["place"] == 1 else Decimal(1)
    _put_points(world, dice, sponsor, referral, "referral_accepted", int(ACCEPTED * boost), accepted, boost, done)
    if of["place"] == 0:
        later = accepted + timedelta(hours=12)
        _put_points(world, dice, sponsor, referral, "pot_opened", 50, later, Decimal(1), done)


def _put_points(
    world: World, dice: Dice, sponsor: Person, referral: UUID, event: str, points: int, when: datetime, boost: Decimal,
    done: Sponsoring,
) -> None:  # fmt: skip
    ripe = when + MATURATION <= world.today
    revoked = ripe and event == "pot_opened" and dice.happens(0.05)
    if ripe and not revoked:
        done.matured[sponsor.id] = done.matured.get(sponsor.id, 0) + points
    world.rows.put(
        PointsLedgerEntry, id=dice.id(), sponsor_user_id=sponsor.id, referral_id=referral, event_type=event,
        points_earned=points, status="revoked" if revoked else "matured" if ripe else "pending",
        matures_at=when + MATURATION, matured_at=when + MATURATION if ripe else None, sponsor_boost_multiplier=boost,
        description="Revoked: the invited person had an account before." if revoked else None,
        metadata={"campaign": str(named("campaign 1"))} if boost > 1 else None, created_at=when,
    )  # fmt: skip
