"""The numbers that refuse people or decide what they get, so that a form can say so before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import strawberry
from strawberry.types import Info

from lango.actor import Actor, DatabaseRole
from lango.db.fair_queue import SYSTEM
from lango.db.transaction import acting_as
from lango.graphql.permissions import FOR_EVERY_KEY
from models.referrals import PointsLedgerEntryEventType as Event
from resolvers.donations import checkouts, hidden_totals
from resolvers.kernel import invitees, system_config
from resolvers.kernel.system_config import Configured
from resolvers.packs import partner_invitations
from resolvers.points import points
from resolvers.pots import invitations, lifecycle, point_conversions, pots
from resolvers.profiles import guardians
from resolvers.redemption import reversals
from resolvers.referrals import daily_limits
from resolvers.security import passwords
from resolvers.trading import deals, escrows, traders, trades, wallets, withdrawal_limits
from resolvers.treasury import (
    daos,
    deposits,
    mpesa_payments,
    proposals,
    pushes,
    quotes,
    recurring_work,
    referral_payouts,
    stepping_up,
    withdrawals,
)
from resolvers.treasury import withdrawal_limits as mpesa_limits
from resolvers.usage import referrals as usage_referrals


class Limit(NamedTuple):
    """A number that everybody may know, and what it means."""

    number: Configured[Any]
    doc: str


LIMITS = {
    "donation_minimum_cfa": Limit(checkouts.MINIMUM, "The smallest donation, in CFA francs."),
    "donation_maximum_cfa": Limit(checkouts.MAXIMUM, "The largest donation, in CFA francs."),
    "pot_default_target_cfa": Limit(
        pots.DEFAULT_TARGET, "The target of a pot that is planned without one, in CFA francs."
    ),
    "pot_expiry_days": Limit(lifecycle.EXPIRY_DAYS, "How many days after the birthday a pot expires."),
    "pot_daily_invitations": Limit(invitations.DAILY_LIMIT, "How many invitations to a pot may be sent within a day."),
    "pot_total_interval_seconds": Limit(
        hidden_totals.INTERVAL,
        "How many seconds after a gift that hides its amount subscriptions tell strangers of it.",
    ),
    "partner_daily_invitations": Limit(
        partner_invitations.DAILY_INVITATIONS, "How many people may be invited to act for a partner within a day."
    ),
    "partner_invitation_days": Limit(
        partner_invitations.INVITATION_DAYS,
        "For how many days an invitation to act for a partner is good.",
    ),
    "daily_referrals": Limit(daily_limits.DAILY_LIMIT, "How many people a sponsor may invite in a day."),
    "referral_declined_days": Limit(
        invitees.DECLINED_DAYS, "How many days somebody who declined is not invited again by the same sponsor."
    ),
    "points_rate_cfa": Limit(points.CFA_PER_POINT, "What a point is worth when it is converted, in CFA francs."),
    "points_conversion_minimum": Limit(point_conversions.MINIMUM, "How many points are converted at once, at least."),
    "points_maturation_days": Limit(
        points.MATURATION_DAYS, "How many days after they were earned points may be spent, at the earliest."
    ),
    "points_for_referral": Limit(
        points.USUAL[Event.REFERRAL_ACCEPTED],
        "The points for an accepted invitation, without a campaign.",
    ),
    "points_for_opened_pot": Limit(
        points.USUAL[Event.POT_OPENED], "The points when the pot of somebody one sponsored opens."
    ),
    "points_for_first_donation": Limit(
        points.USUAL[Event.FIRST_DONATION],
        "The points when such a pot is first given to.",
    ),
    "redemption_reversal_hours": Limit(
        reversals.REVERSAL_HOURS, "Within how many hours staff may take a redemption back."
    ),
    "trading_fee_rate": Limit(deals.FEE_RATE, "The part of a trade's coins that the platform keeps: 0.005 is 0.5 %."),
    "trading_daily_limit_usd": Limit(traders.DAILY_LIMIT, "What a trader may trade in a day at first, in US dollars."),
    "trading_monthly_limit_usd": Limit(
        traders.MONTHLY_LIMIT, "What a trader may trade in a month at first, in US dollars."
    ),
    "trading_daily_withdrawals_usd": Limit(
        withdrawal_limits.DAILY_WITHDRAWALS, "What may be withdrawn in a day, in US dollars."
    ),
    "trading_monthly_withdrawals_usd": Limit(
        withdrawal_limits.MONTHLY_WITHDRAWALS, "What may be withdrawn in a month, in US dollars."
    ),
    "trading_daily_backouts": Limit(
        trades.DAILY_BACKOUTS, "How often a day a taker may back out of a trade before it is funded."
    ),
    "trading_new_wallet_hours": Limit(
        wallets.NEW_WALLET_HOURS, "How many hours a new or changed wallet waits before it is paid to."
    ),
    "escrow_funding_minutes": Limit(
        trades.FUNDING_MINUTES, "How many minutes a seller has to put the coins into the escrow."
    ),
    "escrow_payment_minutes": Limit(escrows.PAYMENT_MINUTES, "How many minutes a buyer has to pay."),
    "daily_daos": Limit(daos.DAILY_DAOS, "How many DAOs one may found within a day."),
    "step_up_amount_kes": Limit(
        stepping_up.STEP_UP_AMOUNT,
        "The most that is sent without a second factor shown recently, in Kenyan shillings.",
    ),
    "treasury_transfer_days": Limit(
        proposals.TRANSFER_DAYS, "How many days the signers of a DAO have to decide on a payment."
    ),
    "mpesa_deposit_minimum_kes": Limit(deposits.MINIMUM, "The smallest deposit by M-Pesa, in Kenyan shillings."),
    "mpesa_deposit_maximum_kes": Limit(deposits.MAXIMUM, "The largest deposit by M-Pesa, in Kenyan shillings."),
    "mpesa_deposit_fee_rate": Limit(
        mpesa_payments.DEPOSIT_FEE, "The part of a deposit by M-Pesa that the platform keeps: 0.025 is 2.5 %."
    ),
    "mpesa_push_repeat_seconds": Limit(
        pushes.PUSH_REPEAT, "Within how many seconds the same deposit by M-Pesa is the same one."
    ),
    "mpesa_withdrawal_minimum_kes": Limit(
        withdrawals.MINIMUM, "The smallest withdrawal by M-Pesa, in Kenyan shillings."
    ),
    "mpesa_withdrawal_maximum_kes": Limit(
        withdrawals.MAXIMUM, "The largest withdrawal by M-Pesa, in Kenyan shillings."
    ),
    "mpesa_withdrawal_fee_rate": Limit(
        withdrawals.FEE_RATE, "The fee of a withdrawal by M-Pesa, as a part of it: 0.01 is 1 %."
    ),
    "mpesa_daily_withdrawals_kes": Limit(
        mpesa_limits.DAILY_WITHDRAWALS, "What may be withdrawn by M-Pesa in a day, in Kenyan shillings."
    ),
    "mpesa_monthly_withdrawals_kes": Limit(
        mpesa_limits.MONTHLY_WITHDRAWALS, "What may be withdrawn by M-Pesa in a month, in Kenyan shillings."
    ),
    "mpesa_withdrawal_phone_hours": Limit(
        withdrawals.PHONE_HOURS, "How many hours after a phone was verified money may be sent to it."
    ),
    "swap_fee_rate": Limit(quotes.SWAP_FEE, "The part of what is given that a swap costs: 0.005 is 0.5 %."),
    "swap_quote_seconds": Limit(quotes.QUOTE_SECONDS, "How many seconds a quote for a swap is good."),
    "recurring_catch_up": Limit(
        recurring_work.CATCH_UP, "How many dates of a recurring payment are paid at most after an outage."
    ),
    "recurring_retry_hours": Limit(
        recurring_work.RETRY_HOURS, "After how many hours a recurring payment that failed is tried again."
    ),
    "referral_payout_mtaa": Limit(referral_payouts.REWARD, "What the reward of a referral is, in MTAA."),
    "password_minimum": Limit(
        passwords.MINIMUM, "How many characters a password has at least, where it is the only factor."
    ),
    "password_minimum_with_second_factor": Limit(
        passwords.MINIMUM_WITH_SECOND_FACTOR, "How many characters a password has at least beside a second factor."
    ),
    "guardianship_request_days": Limit(
        guardians.REQUEST_DAYS, "How many days a guardian has to answer the request of a minor."
    ),
    "developer_referral_bonus": Limit(usage_referrals.BONUS, "The API calls that both developers get for a referral."),
}


async def limits(info: Info) -> Any:
    """The limits and rates that hold now; staff may change them at any time."""
    actor = Actor(request_id=info.context.actor.request_id)
    # Other fields of the operation may hold a connection already: to wait for a second one could be for ever.
    async with acting_as(info.context.pipeline, actor, read_only=True, role=DatabaseRole.RULES, caller=SYSTEM) as tx:
        numbers = await system_config.numbers(tx, *(limit.number for limit in LIMITS.values()))
    return Limits(**dict(zip(LIMITS, numbers, strict=True)))


def _limits_type() -> type[Any]:
    namespace: dict[str, Any] = {"__annotations__": {}}
    for name, limit in LIMITS.items():
        namespace["__annotations__"][name] = Decimal if isinstance(limit.number.default, Decimal) else int
        namespace[name] = strawberry.field(description=f"{limit.doc} `{limit.number.key}`.")
    doc = "Limits and rates that hold for everybody; each names the number that staff may change."
    return strawberry.type(type("Limits", (), namespace), name="Limits", description=doc)


Limits = _limits_type()
limits.__annotations__["return"] = Limits | None


@strawberry.type
class Query:
    limits = strawberry.field(limits, description=limits.__doc__, metadata={FOR_EVERY_KEY: True})
