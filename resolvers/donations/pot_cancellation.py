"""Calling a pot off: what was given goes back to who gave it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy import bindparam, func, or_

from lango.db.prepared import Lookup
from lango.db.transaction import Transaction
from lango.jobs.job import enqueue
from lango.rules.inputs import OwnedBy, Seen
from lango.rules.rule import InvalidState, rule
from lango.rules.transaction import RuleTransaction
from models.donations import Donation, DonationStatus, Refund, RefundReason
from models.ledger import LedgerAccount, LedgerEntry, LedgerKind, LedgerTransaction
from models.pots import Pot, PotStatus
from models.referrals import PointsConversion
from models.topics import Topic
from resolvers.donations import refunds
from resolvers.donations.refunds import CodesOutstanding, PotFundsSpent
from resolvers.kernel import clock, guardianship
from resolvers.kernel.outbox import publish
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.kernel.steps import step
from resolvers.ledger import ledger
from resolvers.points import points
from resolvers.pots.gifts import take_back
from resolvers.pots.lifecycle import CARRIED_FROM
from resolvers.pots.point_conversions import give_back
from resolvers.pots.pots import NotYourPot

GIVEN = Lookup(
    [Donation],
    lambda rows: (
        rows.where(Donation.pot_id == bindparam("pot_id"), Donation.status == DonationStatus.SUCCEEDED)
        .order_by(Donation.id)
        .with_for_update(key_share=True)
    ),
)
GIVEN_BACK = Lookup(
    [Refund.donation_id, func.sum(Refund.amount_cfa)],
    lambda rows: (
        rows.join(Donation, Donation.id == Refund.donation_id)
        .where(Donation.pot_id == bindparam("pot_id"))
        .group_by(Refund.donation_id)
    ),
)
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
    ended = await ENDED.all(tx, owner_user_id=pot.owner_user_id)
    # All in the order of their ids: another pot of the same owner may be called off beside this one.
    locked = await tx.lock_all(Pot, [pot.id, *(key for (key,) in ended)])
    pot = locked[pot.id]
    # Before its money moves, so that a funded pot is not opened again on the way.
    step(pot, PotStatus.CANCELLED, field="pot_id")
    ((codes, reserved),) = await refunds.CODES.all(tx, pot_id=pot.id)
    if codes:
        raise CodesOutstanding(codes=codes, reservedCfa=int(reserved), balanceCfa=pot.balance_cfa)
    donations, conversions = await _given(tx, pot.id)
    if pot.owner_user_id not in await guardianship.represented_users(tx):
        givers = [donation.donor_user_id for donation in donations]
        sponsors = [conversion.sponsor_user_id for conversion in conversions]
        await refuse_own_matter(tx, *givers, *sponsors, field="pot_id")
    given, converted = sum(donations.values()), sum(conversion.credits_issued for conversion in conversions)
    if pot.balance_cfa < given + converted:
        raise PotFundsSpent(balanceCfa=pot.balance_cfa)
    pot.closed_at = now = await clock.now(tx)
    for donation, left in donations.items():
        donation.status, donation.refunded_at = DonationStatus.REFUNDED, now
        tx.save(donation)
        refund = await refunds.written(tx, donation, left, RefundReason.FAILED_POT)
        publish(tx, Topic.DONATION_REFUNDED, donation.id, pot_id=pot.id, refund_id=refund.id)
        enqueue(tx, refunds.send_refund, refund_id=refund.id)
    for kind, account, amount in (
        (LedgerKind.DONATION_REFUND, ledger.suspense(), given),
        (LedgerKind.POINTS_CONVERSION_REVERSAL, ledger.promotion(), converted),
    ):
        if amount:
            take_back(tx, kind, pot, account, amount, of=pot)
    for key, amount in await CARRIED.all(tx, pot_id=pot.id):
        await _return(tx, pot, locked[key], int(amount))
    tx.save(pot)
    for conversion in conversions:
        await give_back(tx, conversion, pot, now)
    publish(tx, Topic.POT_CANCELLED, pot.id)
    await points.take_back(tx, pot.owner_user_id, why="the pot was called off")
    return pot


async def _given(tx: Transaction, pot_id: UUID) -> tuple[dict[Donation, int], list[PointsConversion]]:
    """The pot's donations, locked, with what has not gone back of each; and the points that were converted for it."""
    found = [donation for (donation,) in await GIVEN.all(tx, pot_id=pot_id)]
    back = {key: int(amount) for key, amount in await GIVEN_BACK.all(tx, pot_id=pot_id)}
    conversions = [conversion for (conversion,) in await CONVERTED.all(tx, pot_id=pot_id)]
    return {each: each.amount_cfa - back.get(each.id, 0) for each in found}, conversions


async def _return(tx: RuleTransaction, pot: Pot, earlier: Pot, amount: int) -> None:
    """Give back to an earlier pot what was carried over from it, as far as it is not spent."""
    returned = min(amount, pot.balance_cfa)
    if returned:
        balance, before = ledger.pot_balance(pot), ledger.pot_balance(earlier)
        ledger.transfer(tx, LedgerKind.POT_CARRY_OVER, balance, before, returned, of=earlier)
