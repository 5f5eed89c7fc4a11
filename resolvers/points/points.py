"""Points: a sponsor earns them by those who accepted an invitation; they mature, unless they are taken back before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Integer, Select, Uuid, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import TypeEngine

from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared, Query
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Locked, Referred, Text
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.packs import SponsorCampaign
from models.referrals import PointsLedgerEntry, Referral, ReferralStatus
from models.referrals import PointsLedgerEntryEventType as Event
from models.referrals import PointsLedgerEntryStatus as Status
from models.topics import Topic
from resolvers.kernel import clock, due, guardianship, system_config
from resolvers.kernel.notifications import notify
from resolvers.kernel.outbox import publish, published
from resolvers.kernel.own_matters import OwnMatter, refuse_related, relating
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TextMissing, check_text

LONGEST_REASON = 1_000
CFA_PER_POINT = Configured("points.cfa_per_point", Decimal(5))
MATURATION_DAYS = Configured("points.maturation_days", 14)
USUAL = {
    Event.REFERRAL_ACCEPTED: Configured("points.referral_accepted", 100),
    Event.POT_OPENED: Configured("points.pot_opened", 50),
    Event.FIRST_DONATION: Configured("points.first_donation", 50),
}
# A donation of which less is left earns nothing: no smaller one could have been given.
SMALLEST_DONATION = Configured("donations.minimum_cfa", 100)
# What an event's points are multiplied by before any campaign, and by a campaign where there is none.
BASE = UNBOOSTED = Decimal("1.00")


class NotEarned(Refused):
    """These points were spent, not earned: there is nothing to take back."""


class AlreadySpent(Refused):
    """These points have already been converted into money."""


def earning(
    sponsored_user_id: UUID, reason: Literal[Event.POT_OPENED, Event.FIRST_DONATION]
) -> tuple[Query, Query, Query]:
    """The look-ups of what `earn_what_is_found` needs, in the rules' role: to be sent together with others, after those
    that lock."""
    return (
        # Locked: what is earned here and what `take_back` finds undone elsewhere queue.
        CAME_BY_LOCKED.query(user_id=sponsored_user_id),
        guardianship.relating(sponsored_user_id),
        system_config.reading(USUAL[reason], MATURATION_DAYS),
    )


def earn_what_is_found(
    tx: RuleTransaction,
    reason: Event,
    came_by: Sequence[tuple[Any, ...]],
    wards: Sequence[tuple[Any, ...]],
    configured: Sequence[tuple[Any, ...]],
) -> None:
    """Whoever sponsored the user of whom `earning` has found this earns the points of that reason, once; nobody where
    the user has no sponsor."""
    for (referral,) in came_by:
        values = _entry(referral, reason, UNBOOSTED, wards, configured)
        if values is not None:
            EARN.send(tx, **values)


def earn_by(
    tx: RuleTransaction,
    referral: Referral,
    wards: Sequence[tuple[Any, ...]],
    configured: Sequence[tuple[Any, ...]],
    *,
    boost: Decimal,
    campaign_id: UUID | None,
    cost_cfa: int,
) -> int:
    """The sponsor earns the points of a referral that is being accepted, which happens once: how many.

    They are pending. What a campaign paid for its boost is noted, to be given back with them.
    """
    values = _entry(referral, Event.REFERRAL_ACCEPTED, boost, wards, configured)
    if values is None:
        return 0
    if campaign_id is not None:
        values["metadata"] = RawJson.of({"campaign": str(campaign_id), "costCfa": cost_cfa})
    EARN.send(tx, **values)
    return int(values["points_earned"])


def _entry(
    referral: Referral,
    reason: Event,
    boost: Decimal,
    wards: Sequence[tuple[Any, ...]],
    configured: Sequence[tuple[Any, ...]],
) -> dict[str, Any] | None:
    """What is written when the sponsor earns by a referral; None where nothing is earned."""
    sponsor, sponsored = referral.sponsor_user_id, referral.sponsored_user_id
    usual, days = system_config.numbers_in(configured, USUAL[reason], MATURATION_DAYS)
    points = boosted(usual, boost)
    # Somebody may have become the guardian since the referral was accepted.
    if sponsored is None or sponsor in guardianship.related_in(wards, sponsored) or points <= 0:
        return None
    return {
        "id": uuid4(), "sponsor_user_id": sponsor, "referral_id": referral.id, "event_type": reason,
        "points_earned": points, "base_multiplier": BASE, "sponsor_boost_multiplier": boost, "metadata": None,
        "days": days,
    }  # fmt: skip


async def take_back(tx: RuleTransaction, sponsored_user_id: UUID, *, why: str) -> int:
    """Take back whatever that user's sponsor earned by something that has been undone since: how many points.

    Call it when that is saved: a donation given back, a pot called off. Each event is held against what is there now,
    so that it does not matter which one was undone, nor how often this is called: a first donation stands while any
    donation to a pot that was not cancelled does, of which not less is left than is the smallest; an opened pot while
    any is that was not cancelled.
    Only pending points go back, and may be earned again; the sponsor reads `why`. Locks the referral, its entries and
    campaigns. In the rules' role.
    """
    _, configured = await tx.fetch(
        CAME_BY_LOCKED.query(user_id=sponsored_user_id), system_config.reading(SMALLEST_DONATION)
    )
    (smallest,) = system_config.numbers_in(configured, SMALLEST_DONATION)
    undone, ((now,),) = await tx.fetch(UNDONE.query(user_id=sponsored_user_id, smallest=smallest), clock.reading())
    for (entry,) in undone:
        entry.taken_back_at = now
        await _revoke(tx, entry, why)
    return sum(entry.points_earned for (entry,) in undone)


async def _revoke(tx: RuleTransaction, entry: PointsLedgerEntry, why: str) -> None:
    """Revoke points whose entry is locked, give the campaign back what their boost cost, and notify the sponsor."""
    entry.status, entry.description = Status.REVOKED, f"Revoked: {why}"
    tx.save(entry)
    paid_by = entry.metadata_.parsed() if entry.metadata_ else None
    if isinstance(paid_by, dict) and paid_by.get("costCfa"):
        campaign = await tx.lock(SponsorCampaign, UUID(paid_by["campaign"]))
        campaign.spent_cfa = max(0, campaign.spent_cfa - paid_by["costCfa"])
        campaign.conversions = max(0, (campaign.conversions or 0) - 1)
        tx.save(campaign)
    publish(tx, Topic.POINTS_REVOKED, entry.id, sponsor_user_id=entry.sponsor_user_id)
    notify(tx, entry.sponsor_user_id, "points_revoked", points=entry.points_earned, reason=why)


def boosted(usual: int, boost: Decimal) -> int:
    """An event's usual points with both multipliers, rounded half to even."""
    return int((usual * BASE * boost).quantize(Decimal(1), ROUND_HALF_EVEN))


def counting(sponsor_user_id: UUID) -> Query:
    """The look-up of the points that a sponsor may spend, matured less spent; `available_in` reads it.

    Decide by it only under the sponsor's lock.
    """
    return AVAILABLE.query(user_id=sponsor_user_id)


def available_in(found: Sequence[tuple[Any, ...]]) -> int:
    ((points,),) = found
    return int(points)


@rule(OwnMatter, NotEarned, InvalidState, AlreadySpent, TextMissing, staff=True)
async def revoke_points(
    tx: RuleTransaction,
    # Under the sponsor's lock: what is taken back cannot be spent meanwhile.
    sponsor: Annotated[User, Referred(PointsLedgerEntry.sponsor_user_id)],
    points_ledger_entry: Annotated[PointsLedgerEntry, Locked("The points to take back.")],
    reason: Annotated[str, Text("Why, as the sponsor reads it.", LONGEST_REASON)],
) -> PointsLedgerEntry:
    """Take points back that should not have been earned. Staff; the sponsor reads the reason.

    What the sponsor has turned into money already is not taken back.
    """
    entry, field = points_ledger_entry, "points_ledger_entry_id"
    check_text(reason, field="reason")
    by_referral, wards, found_points = await tx.fetch(
        SPONSORED.query(id=entry.referral_id), relating(tx), counting(sponsor.id)
    )
    refuse_related(tx, wards, sponsor.id, *(user_id for (user_id,) in by_referral), field=field)
    if entry.points_spent:
        raise NotEarned(field=field)
    if not PointsLedgerEntry.__transitions__.allows(entry.status, Status.REVOKED):
        raise InvalidState(f"The points are {entry.status}.", field=field, state=entry.status)
    if entry.status == Status.MATURED:
        left = available_in(found_points)
        if left < entry.points_earned:
            message = f"Of these {entry.points_earned} points only {max(left, 0)} are not spent."
            raise AlreadySpent(message, field=field, available=left)
    await _revoke(tx, entry, reason)
    return entry


@scheduled("points.mature_points", "* * * * *")
async def mature_points(services: Services) -> None:
    """Points become spendable `points.maturation_days` after they were earned.

    Where either person is a minor, only when the identities of both are collected and verified.
    """
    await due.each(services, mature_points, IDENTIFIED, _note_identities, together=due.TOGETHER, part="identities")
    await due.each(services, mature_points, RIPE, _mature, together=due.TOGETHER)


async def _note_identities(tx: RuleTransaction, referral_id: UUID) -> None:
    NOTE_IDENTITIES.send(tx, referral_id=referral_id)


async def _mature(tx: RuleTransaction, entry_id: UUID) -> None:
    for key, sponsor in await MATURE.run(tx, entry_id=entry_id):
        publish(tx, Topic.POINTS_MATURED, key, sponsor_user_id=sponsor)


def _came_by(rows: Select[Any]) -> Select[Any]:
    return rows.where(Referral.sponsored_user_id == bindparam("user_id"), Referral.status == ReferralStatus.ACCEPTED)


CAME_BY = Lookup([Referral], _came_by)
# After the pot, whose opening earns: whoever has locked the referral for an answer waits for pots while it is `sent`,
# and this one is accepted.
CAME_BY_LOCKED = Lookup([Referral], lambda rows: _came_by(rows).with_for_update(key_share=True), in_order=False)


def _earned(value: Callable[[str, TypeEngine[Any]], ColumnElement[Any]]) -> Select[Any]:
    """Write points of these values and publish them; gives their id, or no row where they have been earned before."""
    table = PointsLedgerEntry.table()
    written = (
        "id", "sponsor_user_id", "referral_id", "event_type", "points_earned", "base_multiplier",
        "sponsor_boost_multiplier", "metadata",
    )  # fmt: skip
    values = [value(name, table.c[name].type) for name in written]
    matures_at = func.clock_timestamp() + func.make_interval(0, 0, 0, value("days", Integer()))
    # A pot and another of the same person may open at once: the index decides, and neither of them fails by it.
    made = (
        upsert(table)
        .from_select([*written, "matures_at"], select(*values, matures_at), include_defaults=False)
        .on_conflict_do_nothing()
        .returning(table.c.id, table.c.sponsor_user_id)
    )
    earned = made.cte("earned")
    events = published(Topic.POINTS_EARNED, earned, earned.c.id, sponsor_user_id=earned.c.sponsor_user_id)
    return select(earned.c.id).add_cte(events.cte("events"))


# Whom the invitation brought that points were earned by; nobody of points that came otherwise.
SPONSORED = Lookup([Referral.sponsored_user_id], lambda rows: rows.where(Referral.id == bindparam("id", type_=Uuid)))
EARN = Prepared(
    _earned(lambda name, kind: bindparam(name, type_=kind)),
    several=lambda given: _earned(lambda name, _: given[name]),
)
AVAILABLE = Lookup(
    [func.coalesce(func.sum(PointsLedgerEntry.points_earned - PointsLedgerEntry.points_spent), 0)],
    lambda rows: rows.where(
        PointsLedgerEntry.sponsor_user_id == bindparam("user_id"), PointsLedgerEntry.status == Status.MATURED
    ),
)

# Of whoever sponsored a user, those whose event no longer stands.
IS_UNDONE = text("""
    referrals.points_ledger.id IN (
        SELECT e.id FROM referrals.referrals r JOIN referrals.points_ledger e ON e.referral_id = r.id
        WHERE r.sponsored_user_id = CAST(:user_id AS uuid) AND NOT CASE e.event_type
            WHEN 'referral_accepted' THEN r.status = 'accepted'
            WHEN 'pot_opened' THEN EXISTS (
                SELECT FROM pots.pots p
                WHERE p.owner_user_id = r.sponsored_user_id AND p.status NOT IN ('scheduled', 'cancelled'))
            WHEN 'first_donation' THEN EXISTS (
                SELECT FROM donations.donations d JOIN pots.pots p ON p.id = d.pot_id
                WHERE p.owner_user_id = r.sponsored_user_id AND p.status <> 'cancelled' AND d.status = 'succeeded'
                  AND least(d.amount_cfa, CAST(:smallest AS int)) <= d.amount_cfa - coalesce(
                      (SELECT sum(f.amount_cfa) FROM donations.refunds f WHERE f.donation_id = d.id), 0))
            ELSE true END
    )
""")
UNDONE = Lookup(
    [PointsLedgerEntry],
    lambda rows: (
        rows.where(PointsLedgerEntry.status == Status.PENDING, IS_UNDONE)
        .order_by(PointsLedgerEntry.id)
        .with_for_update(key_share=True)
    ),
)
DUE = "e.status = 'pending' AND e.matures_at <= now()"
# What has become known of both since the referral was accepted; what is known is not forgotten again.
KNOWN = """
    SELECT r.id, sponsor.id_type IS NOT NULL AND sponsored.id_type IS NOT NULL AS collected,
           sponsor.id_verified_at IS NOT NULL AS sponsor, sponsored.id_verified_at IS NOT NULL AS sponsored
    FROM referrals.referrals r
    JOIN profiles.profiles sponsor ON sponsor.user_id = r.sponsor_user_id
    JOIN profiles.profiles sponsored ON sponsored.user_id = r.sponsored_user_id
"""
IS_NEWS = """
    known.collected AND NOT r.both_ids_collected OR known.sponsor AND NOT r.sponsor_id_verified
    OR known.sponsored AND NOT r.sponsored_id_verified
"""
IDENTIFIED = due.Due(
    Referral.id,
    lambda rows: rows.where(
        text(f"""
        referrals.referrals.id IN (
            WITH known AS ({KNOWN} WHERE r.id IN (SELECT e.referral_id FROM referrals.points_ledger e WHERE {DUE}))
            SELECT r.id FROM referrals.referrals r JOIN known ON known.id = r.id WHERE {IS_NEWS}
        )
        """)
    ).order_by(Referral.id),
)
NOTE_IDENTITIES = Prepared(
    text(f"""
    WITH known AS ({KNOWN} WHERE r.id = :referral_id FOR UPDATE OF r SKIP LOCKED)
    UPDATE referrals.referrals r SET
        both_ids_collected = r.both_ids_collected OR known.collected,
        sponsor_id_verified = r.sponsor_id_verified OR known.sponsor,
        sponsored_id_verified = r.sponsored_id_verified OR known.sponsored
    FROM known WHERE known.id = r.id AND ({IS_NEWS})
    """)
)
MAY_MATURE = """
    NOT EXISTS (
        SELECT FROM referrals.referrals r
        JOIN profiles.profiles p ON p.user_id IN (r.sponsor_user_id, r.sponsored_user_id)
        WHERE r.id = e.referral_id AND lango.is_minor(p.date_of_birth, p.timezone)
          AND NOT (r.both_ids_collected AND r.sponsor_id_verified AND r.sponsored_id_verified)
    )
"""
RIPE = due.Due(
    PointsLedgerEntry.id,
    lambda rows: rows.where(
        text(f"""
        referrals.points_ledger.id IN (SELECT e.id FROM referrals.points_ledger e WHERE {DUE} AND {MAY_MATURE})
        """)
    ).order_by(PointsLedgerEntry.matures_at, PointsLedgerEntry.id),
)
MATURE = Prepared(
    text(f"""
    WITH ripe AS (
        SELECT e.id FROM referrals.points_ledger e WHERE e.id = :entry_id AND e.status = 'pending' AND {MAY_MATURE}
        FOR UPDATE OF e SKIP LOCKED
    )
    UPDATE referrals.points_ledger e SET status = 'matured', matured_at = now()
    FROM ripe WHERE ripe.id = e.id RETURNING e.id, e.sponsor_user_id
    """)
)
