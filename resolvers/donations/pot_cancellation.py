"""Calling a pot off: what was given goes back to who gave it.

All of it leaves the pot at once, and stands in suspense. The refunds are written in portions: the first by the rule
itself, the others by a job, so that a pot with thousands of donations is not locked for as long as that takes
(docs/adr/0034). A donation of a cancelled pot that has succeeded is one whose refund is still to be written; nothing
but this module gives it back.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy import Executable, Uuid, bindparam, func, insert, literal_column, or_, select, update

from lango.db.prepared import Lookup, Prepared
from lango.jobs.job import enqueue, enqueued, job
from lango.rules.inputs import OwnedBy, Seen
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.donations import Donation, DonationStatus, Refund, RefundReason, RefundWaveRefundStatus
from models.ledger import LedgerAccount, LedgerEntry, LedgerKind, LedgerTransaction
from models.pots import Pot, PotStatus
from models.referrals import PointsConversion
from models.topics import Topic
from resolvers.donations import refunds
from resolvers.donations.refunds import CodesOutstanding, PotFundsSpent
from resolvers.kernel import clock, guardianship
from resolvers.kernel.outbox import publish, published
from resolvers.kernel.own_matters import OwnMatter, refuse_related, relating
from resolvers.kernel.steps import step
from resolvers.ledger import ledger
from resolvers.points import points
from resolvers.pots.gifts import take_back
from resolvers.pots.lifecycle import CARRIED_FROM
from resolvers.pots.point_conversions import give_back
from resolvers.pots.pots import NotYourPot

# How many donations are refunded in one transaction, which locks them for about a tenth of a second.
PORTION = 200
IS_GIVEN = (Donation.pot_id == bindparam("pot_id")) & (Donation.status == DonationStatus.SUCCEEDED)
# What has not gone back of a donation.
LEFT = Donation.amount_cfa - func.coalesce(
    select(func.sum(Refund.amount_cfa)).where(Refund.donation_id == Donation.id).scalar_subquery(), literal_column("0")
)
# Under the lock of the pot: none is added meanwhile, and nothing goes back.
GIVEN = Lookup([func.count(), func.coalesce(func.sum(LEFT), literal_column("0"))], lambda rows: rows.where(IS_GIVEN))
GIVERS = Lookup([Donation.donor_user_id], lambda rows: rows.where(IS_GIVEN).distinct())
CONVERTED = Lookup(
    [PointsConversion], lambda rows: rows.where(PointsConversion.applied_to_pot_id == bindparam("pot_id"))
)
# Those that something may have been carried over from: they are locked before anybody knows.
ENDED = Lookup(
    [Pot.id],
    lambda rows: rows.where(
        Pot.owner_user_id == bindparam("owner_user_id"), or_(*(Pot.status == status for status in CARRIED_FROM))
    ),
)
# What this pot took over when it opened, by the pot that it came from.
CARRIED = Lookup(
    [LedgerAccount.owner_id, func.sum(LedgerEntry.amount)],
    lambda rows: (
        rows.select_from(LedgerTransaction)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerTransaction.kind == LedgerKind.POT_CARRY_OVER,
            LedgerTransaction.reference_type == "pot",
            LedgerTransaction.reference_id == bindparam("pot_id"),
            LedgerEntry.amount > 0,
        )
        .group_by(LedgerAccount.owner_id)
        .order_by(LedgerAccount.owner_id)
    ),
)


@rule(OwnMatter, InvalidState, PotFundsSpent, CodesOutstanding)
async def cancel_pot(
    tx: RuleTransaction,
    pot: Annotated[Pot, Seen("The pot to call off."), OwnedBy(Pot.owner_user_id, NotYourPot, or_staff=True)],
) -> Pot:
    """Call a pot off before it closes: donations go back to their donors, converted points to their sponsors.

    What it took over from an earlier pot goes back there. The owner, or staff who have given nothing to it; not once
    any of it is spent.
    """
    ended, mine, related = await tx.fetch(
        ENDED.query(owner_user_id=pot.owner_user_id), guardianship.representing(), relating(tx)
    )
    # All in the order of their ids: another pot of the same owner may be called off beside this one.
    locked = await tx.lock_all(Pot, [pot.id, *(key for (key,) in ended)])
    pot = locked[pot.id]
    # Before its money moves, so that a funded pot is not opened again on the way.
    step(pot, PotStatus.CANCELLED, field="pot_id")
    ((codes, reserved),), ((donations, given),), givers, found, carried, ((now,),) = await tx.fetch(
        refunds.CODES.query(pot_id=pot.id), GIVEN.query(pot_id=pot.id), GIVERS.query(pot_id=pot.id),
        CONVERTED.query(pot_id=pot.id),
        CARRIED.query(pot_id=pot.id), clock.reading(),
    )  # fmt: skip
    if codes:
        raise CodesOutstanding(codes=codes, reservedCfa=int(reserved), balanceCfa=pot.balance_cfa)
    conversions: list[PointsConversion] = [conversion for (conversion,) in found]
    if pot.owner_user_id not in guardianship.represented_in(mine):
        donors = [donor for (donor,) in givers]
        sponsors = [conversion.sponsor_user_id for conversion in conversions]
        refuse_related(tx, related, *donors, *sponsors, field="pot_id")
    given, converted = int(given), sum(conversion.credits_issued for conversion in conversions)
    if pot.balance_cfa < given + converted:
        raise PotFundsSpent(balanceCfa=pot.balance_cfa)
    pot.closed_at = now
    for kind, account, amount in (
        (LedgerKind.DONATION_REFUND, ledger.suspense(), given),
        (LedgerKind.POINTS_CONVERSION_REVERSAL, ledger.promotion(), converted),
    ):
        if amount:
            take_back(tx, kind, pot, account, amount, of=pot)
    for key, amount in carried:
        await _return(tx, pot, locked[key], int(amount))
    tx.save(pot)
    if donations > PORTION:
        # Before the jobs that send the first refunds, which call an outside service.
        enqueue(tx, refund_donations, pot_id=pot.id, cancelled_by=tx.actor.user_id)
    REFUND.send(tx, pot_id=pot.id, cancelled_by=tx.actor.user_id)
    for conversion in conversions:
        await give_back(tx, conversion, pot, now)
    publish(tx, Topic.POT_CANCELLED, pot.id)
    await points.take_back(tx, pot.owner_user_id, why="the pot was called off")
    return pot


@job("cancellations.refund_donations", retries=20, timeout=300)
async def refund_donations(services: Services, *, pot_id: UUID, cancelled_by: UUID | None) -> None:
    """Refund what a cancelled pot was given and has not refunded yet: a transaction a portion, so that what it has done
    before it is ended stays done."""
    refunded = PORTION
    while refunded == PORTION:
        async with services.work() as tx:
            ((refunded,),) = await REFUND.run(tx, pot_id=pot_id, cancelled_by=cancelled_by)


def _refund() -> Executable:
    """Refund a portion of a cancelled pot's donations, whole, as far as they have not gone back: change them, write the
    refunds, publish both and have them sent. Gives how many.

    Whoever does the same at the same time waits for the locks, and then goes on to others.
    """
    donation, refund = Donation.table(), Refund.table()
    given = (
        select(Donation.id, LEFT.label("amount"))
        .join(Pot, Pot.id == Donation.pot_id)
        .where(IS_GIVEN, Pot.status == PotStatus.CANCELLED)
        .order_by(Donation.id)
        .limit(literal_column(str(PORTION)))
        .with_for_update(key_share=True, of=Donation)
        .cte("given")
    )
    changed = (
        update(donation)
        .where(donation.c.id == given.c.id)
        .values(status=DonationStatus.REFUNDED, refunded_at=func.clock_timestamp())
        .cte("changed")
    )
    values = {
        "donation_id": given.c.id,
        "refunded_by_user_id": bindparam("cancelled_by", type_=Uuid),
        "amount_cfa": given.c.amount,
        "reason": literal_column(f"'{RefundReason.FAILED_POT}'"),
        "wave_refund_status": literal_column(f"'{RefundWaveRefundStatus.PENDING}'"),
    }
    written = insert(refund).from_select(list(values), select(*values.values()), include_defaults=False)
    made = written.returning(refund.c.id, refund.c.donation_id).cte("made")
    pot_id = bindparam("pot_id", type_=Uuid)
    requested = published(Topic.REFUND_REQUESTED, made, made.c.id, donation_id=made.c.donation_id)
    gone = published(Topic.DONATION_REFUNDED, made, made.c.donation_id, pot_id=pot_id, refund_id=made.c.id)
    sent = enqueued(refunds.send_refund, made, refund_id=made.c.id)
    parts = [changed, requested.cte("requested"), gone.cte("gone"), sent.cte("sent")]
    return select(func.count()).select_from(made).add_cte(*parts)


REFUND = Prepared(_refund())


async def _return(tx: RuleTransaction, pot: Pot, earlier: Pot, amount: int) -> None:
    """Give back to an earlier pot what was carried over from it, as far as it is not spent."""
    returned = min(amount, pot.balance_cfa)
    if returned:
        balance, before = ledger.pot_balance(pot), ledger.pot_balance(earlier)
        ledger.transfer(tx, LedgerKind.POT_CARRY_OVER, balance, before, returned, of=earlier)
