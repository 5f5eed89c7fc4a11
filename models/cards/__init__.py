"""Corporate cards: accounts and their members, cards, what they may be spent on, and what was spent."""

from models.cards.accounts import (
    AccountSetting,
    AccountSettingValueType,
    Address,
    AddressAddressableType,
    AddressAddressType,
    CardAccount,
    CardAccountMember,
    CardAccountMemberRole,
    CardAccountStatus,
)
from models.cards.cards import Card, CardProduct, CardStatus, CardType
from models.cards.spending import (
    ProfileCategory,
    ProfileCategoryRuleType,
    SpendingCategory,
    SpendingProfile,
    SpendLimitDuration,
)
from models.cards.transactions import (
    CardTransaction,
    CardTransactionStatus,
    CardTransactionType,
    CardWebhook,
    CardWebhookStatus,
)

__all__ = [
    "AccountSetting",
    "AccountSettingValueType",
    "Address",
    "AddressAddressType",
    "AddressAddressableType",
    "Card",
    "CardAccount",
    "CardAccountMember",
    "CardAccountMemberRole",
    "CardAccountStatus",
    "CardProduct",
    "CardStatus",
    "CardTransaction",
    "CardTransactionStatus",
    "CardTransactionType",
    "CardType",
    "CardWebhook",
    "CardWebhookStatus",
    "ProfileCategory",
    "ProfileCategoryRuleType",
    "SpendLimitDuration",
    "SpendingCategory",
    "SpendingProfile",
]
