"""Deposits and withdrawals by M-Pesa, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.treasury import deposits, held_payments, mpesa_accounts, mpesa_messages

MODELS = (m.MpesaTransaction, m.MpesaMessage, m.MpesaReceipt, m.MpesaAccount)
mirrors(*MODELS)

Query = root_fields(*MODELS)
Mutation = mutations(
    deposits.deposit_by_mpesa,
    mpesa_accounts.open_mpesa_account,
    held_payments.release_held_payment,
    held_payments.settle_mpesa_payment,
    mpesa_messages.replay_mpesa_message,
)
