"""Corporate cards: accounts, limits, transactions, as the API shows them."""

from __future__ import annotations

import models.cards as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.CardAccount)
class CardAccount:
    pass


@mirror(m.CardAccountMember)
class CardAccountMember:
    pass


@mirror(m.SpendingProfile)
class SpendingProfile:
    pass


@mirror(m.CardProduct)
class CardProduct:
    pass


@mirror(m.Card)
class Card:
    pass


@mirror(m.CardTransaction)
class CardTransaction:
    pass


@mirror(m.Address)
class Address:
    pass


@mirror(m.CardWebhook)
class CardWebhook:
    pass


@mirror(m.AccountSetting)
class AccountSetting:
    pass


@mirror(m.SpendingCategory)
class SpendingCategory:
    pass


@mirror(m.ProfileCategory)
class ProfileCategory:
    pass


Query = root_fields(
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
