"""A trading desk: coins with a price, people who hold some, and trades as far as a test wants them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pyotp
import pytest

from lango.security.encryption import usable_keyring
from models.identity import User
from models.security import TwoFactorAuth
from models.trading import CryptoPrice, CryptoProfile, CryptoWallet
from models.treasury import UserBalance
from tests.books import balanced, books, owner_engine  # noqa: F401 - fixtures
from tests.client import Answer, Api
from tests.factories import Factory
from tests.keys import keyless  # noqa: F401 - fixtures

COINS = itertools.count(1)

NOT_IN_ESCROW = """
    SELECT b.user_id, b.currency, b.locked_balance, coalesce(e.held, 0) FROM treasury.user_balances b LEFT JOIN (
        SELECT seller_id, currency, sum(amount) AS held FROM trading.crypto_escrows
        WHERE status IN ('funded', 'disputed') GROUP BY 1, 2
    ) e ON e.seller_id = b.user_id AND e.currency = b.currency
    WHERE b.dao_id IS NULL AND b.locked_balance <> coalesce(e.held, 0)
"""


@pytest.fixture(autouse=True)
async def _locked_is_in_escrow(owner: asyncpg.Pool[Any]) -> AsyncIterator[None]:
    """After every test, what users have locked is what lies in their escrows; other tests may have left other locks."""
    before = set(map(tuple, await owner.fetch(NOT_IN_ESCROW)))
    yield
    assert set(map(tuple, await owner.fetch(NOT_IN_ESCROW))) - before == set()


class Desk:
    """Makes what a test is given, and asks the API as a trader would."""

    def __init__(self, api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> None:
        self.api = api
        self.make = make
        self.owner = owner

    async def call(self, name: str, as_: Any, roles: tuple[str, ...] = (), **given: Any) -> Answer:
        """`call("releaseEscrow", seller, escrowId=…)`."""
        return await self.api.mutate(name, as_, roles, **given)

    async def coin(self, price: str = "1") -> str:
        """A coin that is traded; by default it is worth a dollar."""
        symbol = f"C{next(COINS)}{uuid4().hex[:6]}"
        await self.make(CryptoPrice, symbol=symbol, name=symbol, price_usd=Decimal(price))
        return symbol

    async def person(self, coin: str | None = None, holds: str = "0", **profile: Any) -> SimpleNamespace:
        """Somebody who may trade without limits, unless the test says otherwise, and who holds so many coins."""
        user = await self.make(User)
        given = {"daily_limit": None, "monthly_limit": None, "kyc_status": "verified"} | profile
        await self.make(CryptoProfile, user_id=user.id, **given)
        if coin is not None and Decimal(holds):
            await self.make(UserBalance, user_id=user.id, currency=coin)
            await self.give(user, coin, holds)
        return user

    async def give(self, user: Any, coin: str, amount: str) -> None:
        """So many more coins for somebody who has a balance of them."""
        await self.owner.execute(
            "UPDATE treasury.user_balances SET available_balance = available_balance + $3, total_balance = total_balance + $3"
            " WHERE user_id = $1 AND currency = $2 AND dao_id IS NULL",
            user.id, coin, Decimal(amount),
        )  # fmt: skip
        account = f"user:{user.id}:available:{coin}"
        await self.make.move(f"provider:chain:{coin}", account, cast(Any, Decimal(amount)), "crypto_deposit", coin)

    async def staff(self) -> SimpleNamespace:
        return await self.make.staff()

    async def placed(self, amount: str = "100", side: str = "SELL", holds: str | None = None, **profile: Any) -> Any:
        """An offer; the seller holds as many coins as it is about."""
        coin = await self.coin()
        maker = await self.person(coin, (holds or amount) if side == "SELL" else "0", **profile)
        taker = await self.person(coin, (holds or amount) if side == "BUY" else "0")
        seller, buyer = (maker, taker) if side == "SELL" else (taker, maker)
        answer = await self.call("placeTrade", maker, side=side, pair=f"{coin}/KES", price="129.5", amount=amount)
        assert answer.refusals("placeTrade") == []
        trade = UUID(answer["placeTrade"]["trade"]["rowId"])
        return SimpleNamespace(
            coin=coin, maker=maker, taker=taker, seller=seller, buyer=buyer, trade=trade, amount=Decimal(amount)
        )

    async def taken(self, amount: str = "100", **given: Any) -> Any:
        deal = await self.placed(amount, **given)
        answer = await self.call("takeTrade", deal.taker, tradeId=deal.trade)
        assert answer.refusals("takeTrade") == []
        deal.escrow = UUID(answer["takeTrade"]["trade"]["escrow"]["rowId"])
        return deal

    async def funded(self, amount: str = "100", **given: Any) -> Any:
        deal = await self.taken(amount, **given)
        answer = await self.call("fundEscrow", deal.seller, escrowId=deal.escrow)
        assert answer.refusals("fundEscrow") == []
        return deal

    async def disputed(self, amount: str = "100", **given: Any) -> Any:
        deal = await self.funded(amount, **given)
        answer = await self.call("openDispute", deal.buyer, tradeId=deal.trade, reason="not delivered")
        assert answer.refusals("openDispute") == []
        deal.dispute = UUID(answer["openDispute"]["dispute"]["rowId"])
        return deal

    async def completed(self, amount: str = "100", **given: Any) -> Any:
        deal = await self.funded(amount, **given)
        answer = await self.call("releaseEscrow", deal.seller, escrowId=deal.escrow)
        assert answer.refusals("releaseEscrow") == []
        return deal

    async def second_factor(self, user: Any) -> pyotp.TOTP:
        """An authenticator app, which the user must show to release an escrow."""
        secret = pyotp.random_base32()
        key = uuid4()
        await self.make(
            TwoFactorAuth, id=key, user_id=user.id, method="totp", enabled=True,
            secret=usable_keyring(self.api.settings).seal(secret, TwoFactorAuth.secret, key),
        )  # fmt: skip
        await self.owner.execute(
            "UPDATE trading.crypto_profiles SET two_factor_enabled = true WHERE user_id = $1", user.id
        )
        return pyotp.TOTP(secret)

    async def holds(self, user: Any, coin: str) -> tuple[str, str]:
        """What somebody has available and locked."""
        row = await self.owner.fetchrow(
            "SELECT available_balance, locked_balance FROM treasury.user_balances"
            " WHERE user_id = $1 AND currency = $2 AND dao_id IS NULL",
            user.id, coin,
        )  # fmt: skip
        return ("0", "0") if row is None else (plain(row["available_balance"]), plain(row["locked_balance"]))

    async def charged(self, coin: str) -> str:
        """What the platform has charged in that coin."""
        total = await self.owner.fetchval(
            "SELECT coalesce(-sum(e.amount), 0) FROM ledger.ledger_entries e"
            " JOIN ledger.ledger_accounts a ON a.id = e.account_id WHERE a.code = $1",
            f"platform:fees:{coin}",
        )
        return plain(total)

    async def trade(self, deal: Any) -> Any:
        return await self.owner.fetchrow("SELECT * FROM trading.crypto_trades WHERE id = $1", deal.trade)

    async def escrow(self, deal: Any) -> Any:
        return await self.owner.fetchrow("SELECT * FROM trading.crypto_escrows WHERE id = $1", deal.escrow)

    async def profile(self, user: Any) -> Any:
        return await self.owner.fetchrow("SELECT * FROM trading.crypto_profiles WHERE user_id = $1", user.id)

    async def movements(self, user: Any) -> list[tuple[str, str]]:
        """What the API shows of a user's movements of coins."""
        rows = await self.owner.fetch(
            "SELECT transaction_type, amount FROM trading.crypto_transactions WHERE user_id = $1 ORDER BY created_at",
            user.id,
        )
        return sorted((row["transaction_type"], plain(row["amount"])) for row in rows)

    async def late(self, deal: Any) -> None:
        """The escrow's time has run out."""
        await self.owner.execute(
            "UPDATE trading.crypto_escrows SET expires_at = now() - interval '1 second' WHERE id = $1", deal.escrow
        )


def plain(amount: Decimal) -> str:
    """The number without zeros at its end."""
    return format(amount.normalize(), "f")


@pytest.fixture(scope="session")
def desk(api: Api, make: Factory, owner: asyncpg.Pool[Any]) -> Desk:
    return Desk(api, make, owner)


@pytest.fixture
async def holder(desk: Desk) -> Any:
    """Somebody with a hundred coins and a wallet for them, without limits."""
    coin = await desk.coin()
    user = await desk.person(coin, "100")
    user.coin, user.wallet = coin, await wallet_of(desk, user, coin)
    return user


async def wallet_of(desk: Desk, user: Any, coin: str, **given: Any) -> Any:
    return await desk.make(CryptoWallet, user_id=user.id, currency=coin, chain_type="celo", is_connected=True, **given)


async def withdraw(desk: Desk, user: Any, amount: str, wallet: Any = None, **given: Any) -> list[str]:
    key = (wallet or user.wallet).id
    answer = await desk.call("withdrawCrypto", user, walletId=key, amount=amount, **given)
    return answer.refusals("withdrawCrypto")
