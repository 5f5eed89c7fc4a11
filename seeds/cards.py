"""Card accounts with their members, cards, limits and payments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.cards import (
    AccountSetting,
    Address,
    Card,
    CardAccount,
    CardAccountMember,
    CardProduct,
    CardTransaction,
    CardWebhook,
    ProfileCategory,
    SpendingCategory,
    SpendingProfile,
)
from resolvers.ledger.ledger import Movement, provider
from seeds.ledger import Books, card_account
from seeds.world import Dice, Person, World, named

USD = "USD"
AN_HOUR = timedelta(hours=1)
CATEGORIES = (
    ("5411", "Grocery stores", "Retail", False), ("5812", "Restaurants", "Food", False),
    ("4121", "Taxis", "Transport", False), ("5541", "Service stations", "Transport", False),
    ("7995", "Betting and casinos", "Gambling", True), ("6051", "Quasi cash", "Finance", True),
    ("5732", "Electronics", "Retail", False), ("7011", "Hotels", "Travel", False),
)  # fmt: skip
SHOPS = {"5411": "Auchan Mermoz", "5812": "Java House", "4121": "Yango", "5541": "TotalEnergies", "7995": "SportyBet"}
NAMES = ("Téranga Consulting", "Nairobi Logistics", "Kayar Fishing", "Studio Médina")


@dataclass(frozen=True, slots=True)
class Issued:
    """A card that may pay."""

    id: UUID
    holder: Person
    status: str


async def load(world: World, books: Books) -> int:
    """The categories all share, then each account."""
    dice = world.dice("cards")
    for code, name, group, risky in CATEGORIES:
        world.rows.put(
            SpendingCategory, id=named(f"category {code}"), mcc_code=code, category_name=name, category_group=group,
            is_high_risk=risky, created_at=world.today - timedelta(days=300),
        )  # fmt: skip
    for number in range(world.size.card_accounts):
        _put_account(world, dice, books, number)
        await world.rows.flush_if_many()
    await world.rows.flush()
    return world.size.card_accounts


def _put_account(world: World, dice: Dice, books: Books, number: int) -> None:
    account, begun = named(f"card account {number}"), dice.ago(98, 90)
    others = dice.sample(world.adults[len(world.callers) :], 5)
    owner = world.callers["card_owner"] if number == 0 else others[4]
    members = list(zip([owner, *others[:4]], ("owner", "admin", "analyst", "user", "user"), strict=True))
    for member, role in members:
        world.rows.put(
            CardAccountMember, id=dice.id(), account_id=account, user_id=member.id, role=role, created_at=begun
        )
    profile = _put_rules(world, dice, account, begun)
    issued = _put_cards(world, dice, account, [owner, others[2], others[3]], profile, begun)
    funding = Decimal(dice.randrange(2_000, 9_000))
    movement = [Movement(provider("lithic", USD), card_account(account, "available"), funding)]
    books.post("card_funding", begun + AN_HOUR, movement, of=("card_account", account), by=owner.id)
    for card in issued:
        _pay(world, dice, books, account, card, begun)
    closed = number % 40 == 39
    world.rows.put(
        CardAccount, id=account, name=NAMES[number] if number < len(NAMES) else f"Entreprise {number}",
        balance=books.held(card_account(account, "available")), currency=USD,
        status="suspended" if number == 2 or closed else "active", lithic_account_token=f"acct_{account.hex}",
        created_at=begun,
    )  # fmt: skip
    _put_around(world, dice, account, owner, begun)


def _put_rules(world: World, dice: Dice, account: UUID, begun: datetime) -> UUID:
    """Two spending profiles, one of them deleted, and what they allow and block."""
    profile = dice.id()
    for key, name, deleted in ((profile, "Voyages", None), (dice.id(), "Ancien profil", dice.ago(30))):
        world.rows.put(
            SpendingProfile, id=key, account_id=account, name=name, description="Transport, hôtels, restaurants.",
            lithic_auth_rule_token=f"rule_{key.hex}", is_active=deleted is None, created_at=begun, deleted_at=deleted,
        )  # fmt: skip
    for code, rule in (
        ("5812", "allowed"),
        ("4121", "allowed"),
        ("5411", "allowed"),
        ("5541", "allowed"),
        ("7995", "blocked"),
    ):
        world.rows.put(
            ProfileCategory, spending_profile_id=profile, spending_category_id=named(f"category {code}"),
            rule_type=rule, created_at=begun,
        )  # fmt: skip
    return profile


def _put_cards(
    world: World, dice: Dice, account: UUID, holders: list[Person], profile: UUID, begun: datetime
) -> list[Issued]:
    product = dice.id()
    world.rows.put(
        CardProduct, id=product, account_id=account, name="Carte équipe", card_type="reloadable",
        default_spend_limit=Decimal(500), default_spend_limit_duration="MONTHLY", default_spending_profile_id=profile,
        card_design="ocean", created_at=begun,
    )  # fmt: skip
    issued = []
    for holder, status in zip([*holders, holders[1]], ("active", "active", "paused", "closed"), strict=True):
        card = Issued(dice.id(), holder, status)
        world.rows.put(
            Card, id=card.id, account_id=account, user_id=holder.id, card_product_id=product,
            spending_profile_id=profile, lithic_card_token=f"card_{card.id.hex}", card_type="reloadable",
            last_four=f"{dice.randrange(10_000):04d}", memo="Déplacements", status=status, spend_limit=Decimal(500),
            spend_limit_duration="MONTHLY", created_at=begun + AN_HOUR / 2,
            deleted_at=dice.ago(20) if status == "closed" else None,
        )  # fmt: skip
        issued.append(card)
    return issued


def _pay(world: World, dice: Dice, books: Books, account: UUID, card: Issued, begun: datetime) -> None:
    """Some payments cleared, one still held, one declined, one given back."""
    available, held, lithic = card_account(account, "available"), card_account(account, "held"), provider("lithic", USD)
    for number in range(5 if card.status == "active" else 2):
        when = begun + timedelta(days=number * 17 + 2, hours=dice.randrange(20))
        amount, key = Decimal(dice.randrange(300, 4_500)) / 100, dice.id()
        code = "7995" if number == 3 else dice.choice(("5411", "5812", "4121", "5541"))
        put = _Payment(world, dice, account, card, code)
        if number == 3:
            put(key, amount, "AUTHORIZATION", "DECLINED", when, "category_blocked")
            continue
        pending = number == 4
        put(key, amount, "AUTHORIZATION", "PENDING" if pending else "APPROVED", when)
        books.post("card_authorization", when, [Movement(available, held, amount)], of=("card_transaction", key))
        if pending:
            continue
        clearing, cleared = dice.id(), when + timedelta(days=1)
        put(clearing, amount, "CLEARING", "APPROVED", cleared)
        books.post("card_clearing", cleared, [Movement(held, lithic, amount)], of=("card_transaction", clearing))
        if number == 2:
            refund, back = dice.id(), when + timedelta(days=4)
            put(refund, amount, "REFUND", "APPROVED", back)
            books.post("card_refund", back, [Movement(lithic, available, amount)], of=("card_transaction", refund))


@dataclass(frozen=True, slots=True)
class _Payment:
    """Writes the steps of one payment."""

    world: World
    dice: Dice
    account: UUID
    card: Issued
    code: str

    def __call__(
        self, key: UUID, amount: Decimal, kind: str, status: str, when: datetime, reason: str | None = None
    ) -> None:
        token = f"txn_{key.hex}"
        self.world.rows.put(
            CardTransaction, id=key, account_id=self.account, card_id=self.card.id, user_id=self.card.holder.id,
            lithic_transaction_token=token, amount=amount, currency=USD, merchant_name=SHOPS[self.code],
            merchant_category_code=self.code, transaction_type=kind, status=status, declined_reason=reason,
            transaction_date=when, created_at=when,
        )  # fmt: skip
        self.world.rows.put(
            CardWebhook, id=self.dice.id(), account_id=self.account, event_type=f"card_transaction.{kind.lower()}",
            payload={"token": token, "amount": str(amount)}, status="processed", processed_at=when,
            provider_event_id=f"evt_{key.hex}", created_at=when,
        )  # fmt: skip


def _put_around(world: World, dice: Dice, account: UUID, owner: Person, begun: datetime) -> None:
    """Addresses, settings, and an event that could not be processed."""
    places = (
        ("account", account, "business", "Dover", "DE", "19901"),
        ("user", owner.id, "billing", "Austin", "TX", "73301"),
    )
    for kind, whose, use, city, state, code in places:
        world.rows.put(
            Address, id=dice.id(), addressable_type=kind, addressable_id=whose, address_type=use,
            street_line1=f"{dice.randrange(1, 900)} Main Street", city=city, state=state, postal_code=code,
            is_primary=True, created_at=begun,
        )  # fmt: skip
    settings: tuple[tuple[str, Any, str], ...] = (
        ("receipts.required_above", 50, "number"), ("notify.declines", True, "boolean"), ("language", "fr", "string"),
    )  # fmt: skip
    for key, value, kind in settings:
        world.rows.put(
            AccountSetting, id=dice.id(), account_id=account, key=key, value=value, value_type=kind, created_at=begun
        )
    failed = dice.ago(9)
    world.rows.put(
        CardWebhook, id=dice.id(), account_id=account, event_type="card.updated", payload={"card_token": "unknown"},
        status="failed", error_message="No such card", retry_count=3, provider_event_id=f"evt_{dice.hexadecimal(24)}",
        created_at=failed,
    )  # fmt: skip
