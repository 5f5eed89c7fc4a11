"""Money that is sent to phones, and what referrers are paid, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.treasury import referral_payouts, reversals, withdrawals

MODELS = (m.ReferralPayout,)
mirrors(*MODELS)

Query = root_fields(*MODELS)
Mutation = mutations(
    withdrawals.withdraw_by_mpesa,
    withdrawals.cancel_mpesa_withdrawal,
    withdrawals.settle_mpesa_payout,
    reversals.reverse_mpesa_payment,
    reversals.return_held_payment,
    referral_payouts.request_referral_payout,
    referral_payouts.approve_referral_payout,
    referral_payouts.reject_referral_payout,
    referral_payouts.retry_referral_payout,
)
