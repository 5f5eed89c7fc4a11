"""Corporate cards: accounts, limits, transactions, as the API shows them."""

from __future__ import annotations

import models.cards as m
from gql.kit.mirror import mirrors
from gql.kit.roots import root_fields

MODELS = (
    m.CardAccount,
    m.CardAccountMember,
    m.SpendingProfile,
    m.CardProduct,
    m.Card,
    m.CardTransaction,
    m.Address,
    m.CardWebhook,
    m.AccountSetting,
    m.SpendingCategory,
    m.ProfileCategory,
)
mirrors(*MODELS)

Query = root_fields(*MODELS)
