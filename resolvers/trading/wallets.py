"""Wallets on a chain: connected and disconnected by their owner, one of them the primary one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import bindparam

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.identity import User
from models.trading import CryptoWallet
from resolvers.kernel import clock, guardianship, system_config
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TooMany, check_count
from resolvers.trading.market import CODE
from resolvers.trading.refusals import CodeNotValid, NotOfAge, NotYourWallet
from resolvers.trading.seen import no_such, see
from resolvers.trading.standing import check_age

NEW_WALLET_HOURS = Configured("trading.new_wallet_hours", 24)
MOST_WALLETS = 100
MOST_CURRENCIES = 50
ADDRESS = re.compile(r"[!-~]{10,128}", re.ASCII)
CHAIN = re.compile(r"[a-z0-9-]{2,32}", re.ASCII)


class AddressNotValid(Refused):
    """A wallet's address is 10 to 128 letters, digits and signs, without spaces."""


class ChainNotValid(Refused):
    """A chain is named by 2 to 32 small letters, digits and dashes, as in ethereum."""


class AlreadyConnected(Refused):
    """This wallet is connected already."""


class NotConnected(Refused):
    """This wallet is not connected any more."""


OWN = Lookup(
    [CryptoWallet],
    lambda rows: (
        rows.where(CryptoWallet.user_id == bindparam("user_id"), CryptoWallet.deleted_at.is_(None))
        .order_by(CryptoWallet.id)
        .with_for_update(key_share=True)
    ),
)


@rule(NotOfAge, AddressNotValid, ChainNotValid, CodeNotValid, AlreadyConnected, TooMany)
async def connect(
    tx: RuleTransaction,
    wallet_address: str,
    chain_type: str,
    currency: str,
    wallet_provider: str | None = None,
    supported_currencies: Sequence[str] = (),
) -> CryptoWallet:
    """Connect a wallet, or one that was disconnected again. The first one is the primary one.

    Coins can be sent to it after `trading.new_wallet_hours`.
    """
    await check_age(tx, tx.user_id)
    address, chain = wallet_address.strip(), chain_type.strip().lower()
    if not ADDRESS.fullmatch(address):
        raise AddressNotValid(field="walletAddress")
    if not CHAIN.fullmatch(chain):
        raise ChainNotValid(field="chainType")
    check_count(supported_currencies, MOST_CURRENCIES, field="supportedCurrencies")
    for code, field in ((currency, "currency"), *((code, "supportedCurrencies") for code in supported_currencies)):
        if not CODE.fullmatch(code):
            raise CodeNotValid(field=field)
    wallets = await _lock_all(tx, tx.user_id)
    known = next((each for each in wallets if (_same(each.wallet_address), each.chain_type, each.currency)
                  == (_same(address), chain, currency)), None)  # fmt: skip
    if known is not None and known.is_connected:
        raise AlreadyConnected(field="walletAddress")
    check_count(wallets, MOST_WALLETS - 1, field="walletAddress")
    wallet = known or CryptoWallet(
        id=uuid4(), user_id=tx.user_id, wallet_address=address, chain_type=chain, currency=currency
    )
    wallet.is_connected = True
    # Whoever has got into somebody's account must not get out with the coins before its owner has noticed.
    hours = await system_config.number(tx, NEW_WALLET_HOURS)
    wallet.payable_from = await clock.now(tx) + timedelta(hours=hours)
    wallet.is_primary = not any(each.is_primary for each in wallets)
    wallet.wallet_provider = wallet_provider
    wallet.supported_currencies = list(supported_currencies) or None
    await tx.save(wallet)
    return wallet


@rule(NotFound, NotYourWallet, NotConnected)
async def set_primary(caller: CallerTransaction, wallet_id: UUID) -> CryptoWallet:
    """Make a wallet the one that is used where no other is named."""
    wallet, others = await _own(caller, wallet_id)
    tx = await caller.as_rules()
    if not wallet.is_connected:
        raise NotConnected(field="walletId")
    for other in others:
        other.is_primary = False
    wallet.is_primary = True
    # The one before first: of two primary ones the database would refuse one.
    await tx.save(*others, wallet)
    return wallet


@rule(NotFound, NotYourWallet, NotConnected)
async def disconnect(caller: CallerTransaction, wallet_id: UUID) -> CryptoWallet:
    """Take a wallet out of use: nothing can be withdrawn to it any more. Its history stays."""
    wallet, _ = await _own(caller, wallet_id)
    tx = await caller.as_rules()
    if not wallet.is_connected:
        raise NotConnected(field="walletId")
    wallet.is_connected = wallet.is_primary = False
    await tx.save(wallet)
    return wallet


async def _own(caller: CallerTransaction, wallet_id: UUID) -> tuple[CryptoWallet, list[CryptoWallet]]:
    """One's own wallet, and one's others, all locked."""
    seen = await see(caller, CryptoWallet, wallet_id, field="walletId")
    if seen.user_id not in await guardianship.my_people(caller):
        raise NotYourWallet(field="walletId")
    tx = await caller.as_rules()
    wallets = await _lock_all(tx, seen.user_id)
    wallet = next((each for each in wallets if each.id == wallet_id), None)
    if wallet is None:
        raise no_such("walletId")
    return wallet, [each for each in wallets if each is not wallet]


async def _lock_all(tx: RuleTransaction, user_id: UUID) -> list[CryptoWallet]:
    # By the user's row: a wallet that is being connected cannot be locked yet.
    await tx.lock(User, user_id)
    return [wallet for (wallet,) in await OWN.all(tx, user_id=user_id)]


def _same(address: str) -> str:
    """Hexadecimal addresses are the same in any case; others are not."""
    return address.lower() if address[:2].lower() == "0x" else address
