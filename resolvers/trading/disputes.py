"""Disputes: either party stops an escrow, and staff who are no party decide who gets the coins."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid4

from lango.db.postgres import RawJson
from lango.errors import Refused
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.topics import Topic
from models.trading import CryptoDispute, CryptoDisputeStatus, CryptoTrade, CryptoTradeStatus
from resolvers.kernel import guardianship
from resolvers.kernel.amounts import AmountOutOfRange
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger.balances import ZERO
from resolvers.trading import market
from resolvers.trading.deals import UNFUNDED, Deal, State, hand_over, lock_deal, tell
from resolvers.trading.refusals import NotInvolved
from resolvers.trading.seen import no_such, see


class Outcome(StrEnum):
    """Who gets the coins of a disputed trade."""

    RELEASE = "release"
    REFUND = "refund"
    SPLIT = "split"


class ShareNotValid(Refused):
    """A split, and nothing else, takes the buyer's share: above 0 and below 1."""


STATES = {Outcome.RELEASE: State.RELEASED, Outcome.REFUND: State.REFUNDED, Outcome.SPLIT: State.SPLIT}


@rule(NotFound, NotInvolved, TextMissing, *UNFUNDED)
async def open_dispute(
    caller: CallerTransaction,
    trade_id: UUID,
    reason: str,
    description: str | None = None,
    evidence: RawJson | None = None,
) -> CryptoDispute:
    """Stop a trade whose coins are locked, until staff decide: either party.

    Until then it can neither be released nor refunded.
    """
    seen = await see(caller, CryptoTrade, trade_id, field="tradeId")
    own = await guardianship.my_people(caller)
    if seen.buyer_id not in own and seen.seller_id not in own:
        raise NotInvolved(field="tradeId")
    check_text(reason, field="reason")
    if seen.escrow_id is None:
        raise InvalidState(f"The trade is {seen.status}.", field="tradeId", state=seen.status)
    tx = await caller.as_rules()
    deal = await lock_deal(tx, trade_id, seen.escrow_id)
    deal.demand_funded(field="tradeId")
    trade, escrow = deal.trade, deal.escrow
    raised_by, against = escrow.buyer_id, escrow.seller_id
    if raised_by not in own:
        raised_by, against = against, raised_by
    dispute = CryptoDispute(
        id=uuid4(), trade_id=trade.id, escrow_id=escrow.id, raised_by=raised_by, against_user_id=against,
        reason=reason, description=description, evidence=evidence, status=CryptoDisputeStatus.PENDING,
    )  # fmt: skip
    escrow.status, escrow.disputed_at = State.DISPUTED, deal.now
    trade.status, trade.dispute_id = CryptoTradeStatus.DISPUTED, dispute.id
    trade.dispute_reason, trade.dispute_status = reason, CryptoDisputeStatus.PENDING
    for trader in deal.traders.values():
        trader.disputed_trades = (trader.disputed_trades or 0) + 1
    await tx.save(dispute, escrow, trade, *deal.traders.values())
    await tell(tx, deal, Topic.ESCROW_DISPUTED, Topic.TRADE_DISPUTED)
    return dispute


@rule(NotFound, OwnMatter, ShareNotValid, InvalidState, AmountOutOfRange, staff=True)
async def resolve(
    caller: CallerTransaction,
    dispute_id: UUID,
    outcome: Outcome,
    buyer_share: Decimal | None = None,
    resolution: str | None = None,
) -> CryptoDispute:
    """Decide a dispute: the coins go to the buyer, back to the seller, or to both. What each got stays on the escrow.

    The platform's fee is taken from what the buyer gets.
    """
    seen = await see(caller, CryptoDispute, dispute_id, field="disputeId")
    if seen.escrow_id is None:
        raise no_such("disputeId")
    await refuse_own_matter(caller, seen.raised_by, seen.against_user_id, field="disputeId")
    valid = buyer_share is None if outcome != Outcome.SPLIT else buyer_share is not None and 0 < buyer_share < 1
    if not valid:
        raise ShareNotValid(field="buyerShare")
    tx = await caller.as_rules()
    deal = await lock_deal(tx, seen.trade_id, seen.escrow_id)
    dispute = await tx.lock(CryptoDispute, dispute_id)
    if dispute.status != CryptoDisputeStatus.PENDING or deal.escrow.status != State.DISPUTED:
        raise InvalidState(f"The dispute is {dispute.status} already.", field="disputeId", state=dispute.status)
    dispute.status, dispute.resolved_by, dispute.resolved_at = CryptoDisputeStatus.RESOLVED, tx.actor.user_id, deal.now
    dispute.resolution = resolution or _said(outcome, buyer_share)
    deal.trade.dispute_status = CryptoDisputeStatus.RESOLVED
    await tx.save(dispute)
    await _hand_over(tx, deal, outcome, buyer_share)
    ended = Topic.TRADE_CANCELLED if outcome == Outcome.REFUND else Topic.TRADE_COMPLETED
    await tell(tx, deal, Topic.ESCROW_RESOLVED, ended)
    return dispute


async def _hand_over(tx: RuleTransaction, deal: Deal, outcome: Outcome, buyer_share: Decimal | None) -> None:
    amount = deal.escrow.amount
    if outcome == Outcome.RELEASE:
        # The seller has lost the dispute: it counts for the buyer alone.
        buyer = deal.traders[deal.escrow.buyer_id]
        buyer.successful_escrows = (buyer.successful_escrows or 0) + 1
    gross = {Outcome.RELEASE: amount, Outcome.REFUND: ZERO}.get(outcome)
    if gross is None:
        assert buyer_share is not None
        gross = market.times(amount, buyer_share)
    await hand_over(tx, deal, STATES[outcome], gross, field="disputeId")


def _said(outcome: Outcome, buyer_share: Decimal | None) -> str:
    if outcome == Outcome.SPLIT:
        assert buyer_share is not None
        return f"split: {format(buyer_share.normalize(), 'f')} of the coins to the buyer"
    return outcome.value
