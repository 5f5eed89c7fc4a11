"""Disputes: either party stops an escrow, and staff who are no party decide who gets the coins."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import uuid4

from lango.db.postgres import RawJson
from lango.errors import Refused
from lango.rules.inputs import Locked, Named, Referred, Text, Value
from lango.rules.rule import InvalidState, NotFound, rule
from lango.rules.transaction import RuleTransaction
from models.columns import Documented
from models.topics import Topic
from models.trading import CryptoDispute, CryptoDisputeStatus, CryptoEscrow, CryptoTrade, CryptoTradeStatus
from resolvers.kernel import guardianship
from resolvers.kernel.amounts import AmountOutOfRange
from resolvers.kernel.currencies import plain
from resolvers.kernel.own_matters import OwnMatter, refuse_own_matter
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.ledger.balances import ZERO
from resolvers.trading import market
from resolvers.trading.deals import LONGEST_JSON, UNFUNDED, Deal, State, deal_of, hand_over, holders_of, publish_of_deal
from resolvers.trading.refusals import NotInvolved


class DisputeOutcome(Documented):
    """Who gets the coins of a disputed trade."""

    RELEASE = "release", "All of them go to the buyer, less the platform's fee."
    REFUND = "refund", "All of them go back to the seller."
    SPLIT = "split", "The buyer gets their share of them, less the fee on it, and the seller the rest."


class ShareNotValid(Refused):
    """Only a split has a buyer's share, which must be above 0 and below 1."""


STATES = {
    DisputeOutcome.RELEASE: State.RELEASED,
    DisputeOutcome.REFUND: State.REFUNDED,
    DisputeOutcome.SPLIT: State.SPLIT,
}


@rule(NotInvolved, TextMissing, *UNFUNDED)
async def open_dispute(
    tx: RuleTransaction,
    trade: Annotated[CryptoTrade, Locked("The trade.")],
    escrow: Annotated[CryptoEscrow | None, Referred(CryptoTrade.escrow_id)],
    reason: Annotated[str, Text("What it is about, in short.", 200)],
    description: Annotated[str | None, Text("What happened.", 10_000)] = None,
    evidence: Annotated[RawJson | None, Text("What is to prove it, such as links to receipts.", LONGEST_JSON)] = None,
) -> Annotated[CryptoDispute, Named("dispute")]:
    """Stop a trade whose coins are locked, until staff decide: either party.

    Until then it can neither be released nor refunded.
    """
    own = await guardianship.represented_users(tx)
    if trade.buyer_id not in own and trade.seller_id not in own:
        raise NotInvolved(field="trade_id")
    check_text(reason, field="reason")
    if escrow is None:
        raise InvalidState(f"The trade is {trade.status}.", field="trade_id", state=trade.status)
    deal, _ = await deal_of(tx, trade, escrow)
    deal.demand_funded(field="trade_id")
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
    tx.save(dispute, escrow, trade, *deal.traders.values())
    publish_of_deal(tx, deal, Topic.ESCROW_DISPUTED, Topic.TRADE_DISPUTED)
    return dispute


@rule(NotFound, OwnMatter, ShareNotValid, InvalidState, AmountOutOfRange, staff=True)
async def resolve_dispute(
    tx: RuleTransaction,
    trade: Annotated[CryptoTrade, Referred(CryptoDispute.trade_id)],
    escrow: Annotated[CryptoEscrow | None, Referred(CryptoDispute.escrow_id)],
    dispute: Annotated[CryptoDispute, Locked("The dispute.")],
    outcome: Annotated[DisputeOutcome, Value("Who gets the coins.")],
    buyer_share: Annotated[
        Decimal | None, Value("The buyer's part of the coins in a split: 0.5 is half of them.")
    ] = None,
    resolution: Annotated[str | None, Text("What was decided and why, for both parties to read.", 2_000)] = None,
) -> CryptoDispute:
    """Decide a dispute: the coins go to the buyer, back to the seller, or to both. What each got stays on the escrow.

    The platform's fee is taken from what the buyer gets.
    """
    if escrow is None:
        raise NotFound("There is no such dispute.", field="dispute_id")
    await refuse_own_matter(tx, dispute.raised_by, dispute.against_user_id, field="dispute_id")
    valid = buyer_share is None if outcome != DisputeOutcome.SPLIT else buyer_share is not None and 0 < buyer_share < 1
    if not valid:
        raise ShareNotValid(field="buyer_share")
    deal, _ = await deal_of(tx, trade, escrow, holders=holders_of(escrow, STATES[outcome]))
    if dispute.status != CryptoDisputeStatus.PENDING or escrow.status != State.DISPUTED:
        raise InvalidState(f"The dispute is {dispute.status} already.", field="dispute_id", state=dispute.status)
    dispute.status, dispute.resolved_by, dispute.resolved_at = CryptoDisputeStatus.RESOLVED, tx.actor.user_id, deal.now
    dispute.resolution = resolution or _summary_of(outcome, buyer_share)
    trade.dispute_status = CryptoDisputeStatus.RESOLVED
    tx.save(dispute)
    _hand_over(tx, deal, outcome, buyer_share)
    ended = Topic.TRADE_CANCELLED if outcome == DisputeOutcome.REFUND else Topic.TRADE_COMPLETED
    publish_of_deal(tx, deal, Topic.ESCROW_RESOLVED, ended)
    return dispute


def _hand_over(tx: RuleTransaction, deal: Deal, outcome: DisputeOutcome, buyer_share: Decimal | None) -> None:
    amount = deal.escrow.amount
    if outcome == DisputeOutcome.RELEASE:
        # The seller has lost the dispute: it counts for the buyer alone.
        buyer = deal.traders[deal.escrow.buyer_id]
        buyer.successful_escrows = (buyer.successful_escrows or 0) + 1
    gross = {DisputeOutcome.RELEASE: amount, DisputeOutcome.REFUND: ZERO}.get(outcome)
    if gross is None:
        assert buyer_share is not None
        gross = market.times(amount, buyer_share)
    hand_over(tx, deal, STATES[outcome], gross, field="dispute_id")


def _summary_of(outcome: DisputeOutcome, buyer_share: Decimal | None) -> str:
    if outcome == DisputeOutcome.SPLIT:
        assert buyer_share is not None
        return f"split: {plain(buyer_share)} of the coins to the buyer"
    return outcome.value
