"""Wallets on a chain: connected and disconnected by their owner, one of them the primary one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from uuid import uuid4

from sqlalchemy import bindparam

from lango.db import rows
from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Locked, Named, OwnedBy, Referred, Text
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import RuleTransaction
from models.identity import User
from models.trading import CryptoWallet
from resolvers.kernel import clock, system_config
from resolvers.kernel.ages import NotOfAge, check_age
from resolvers.kernel.system_config import Configured
from resolvers.kernel.texts import TooMany, check_count
from resolvers.trading.market import CODE, LONGEST_CODE
from resolvers.trading.refusals import CodeNotValid, NotYourWallet

NEW_WALLET_HOURS = Configured("trading.new_wallet_hours", 24)
MOST_WALLETS = 100
MOST_CURRENCIES = 50
OwnWallet = Annotated[CryptoWallet, Locked("The wallet."), OwnedBy(CryptoWallet.user_id, NotYourWallet)]
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


# Under their owner's lock, which everybody who locks several of them takes first.
OWN = Lookup(
    [CryptoWallet],
    lambda rows: (
        rows.where(CryptoWallet.user_id == bindparam("user_id"), CryptoWallet.deleted_at.is_(None))
        .order_by(CryptoWallet.id)
        .with_for_update(key_share=True)
    ),
    in_order=False,
)


@rule(NotOfAge, AddressNotValid, ChainNotValid, CodeNotValid, AlreadyConnected, TooMany)
async def connect_wallet(
    tx: RuleTransaction,
    wallet_address: Annotated[str, Text("Its public address.", 200)],
    chain_type: Annotated[str, Text("The chain it is on, such as `ethereum`.", 40)],
    currency: Annotated[str, Text("The code of its coin, such as `BTC`.", LONGEST_CODE)],
    wallet_provider: Annotated[str | None, Text("The wallet's provider, such as `metamask`.", 100)] = None,
    supported_currencies: Annotated[list[str] | None, Text("The codes of all coins it can hold.", LONGEST_CODE)] = None,
) -> Annotated[CryptoWallet, Named("wallet")]:
    """Connect a wallet, or one that was disconnected again. The first one is the primary one.

    Coins can be sent to it after `trading.new_wallet_hours`.
    """
    await check_age(tx, tx.user_id)
    address, chain = wallet_address.strip(), chain_type.strip().lower()
    if not ADDRESS.fullmatch(address):
        raise AddressNotValid(field="wallet_address")
    if not CHAIN.fullmatch(chain):
        raise ChainNotValid(field="chain_type")
    supported = supported_currencies or []
    check_count(supported, MOST_CURRENCIES, field="supported_currencies")
    for code, field in ((currency, "currency"), *((code, "supported_currencies") for code in supported)):
        if not CODE.fullmatch(code):
            raise CodeNotValid(field=field)
    # By the user's row: a wallet that is being connected cannot be locked yet.
    _, own, new_wallet_hours, ((now,),) = await tx.fetch(
        rows.locking(User, tx.user_id), OWN.query(user_id=tx.user_id),
        system_config.reading(NEW_WALLET_HOURS), clock.reading(),
    )  # fmt: skip
    wallets = [each for (each,) in own]
    known = next((each for each in wallets if (_same(each.wallet_address), each.chain_type, each.currency)
                  == (_same(address), chain, currency)), None)  # fmt: skip
    if known is not None and known.is_connected:
        raise AlreadyConnected(field="wallet_address")
    check_count(wallets, MOST_WALLETS - 1, field="wallet_address")
    wallet = known or CryptoWallet(
        id=uuid4(), user_id=tx.user_id, wallet_address=address, chain_type=chain, currency=currency
    )
    wallet.is_connected = True
    # Whoever has got into somebody's account must not get out with the coins before its owner has noticed.
    (hours,) = system_config.numbers_in(new_wallet_hours, NEW_WALLET_HOURS)
    wallet.payable_from = now + timedelta(hours=hours)
    wallet.is_primary = not any(each.is_primary for each in wallets)
    wallet.wallet_provider = wallet_provider
    wallet.supported_currencies = supported or None
    tx.save(wallet)
    return wallet


@rule(NotFound, NotConnected)
async def set_primary_wallet(
    tx: RuleTransaction, user: Annotated[User, Referred(CryptoWallet.user_id)], wallet: OwnWallet
) -> CryptoWallet:
    """Make a wallet the one that is used where no other is named."""
    _check_connected(wallet)
    others = [each for (each,) in await OWN.all(tx, user_id=user.id) if each.id != wallet.id]
    for other in others:
        other.is_primary = False
    wallet.is_primary = True
    # The one before first: of two primary ones the database would refuse one.
    tx.save(*others, wallet)
    return wallet


@rule(NotFound, NotConnected)
async def disconnect_wallet(tx: RuleTransaction, wallet: OwnWallet) -> CryptoWallet:
    """Take a wallet out of use: nothing can be withdrawn to it any more. Its history stays."""
    _check_connected(wallet)
    wallet.is_connected = wallet.is_primary = False
    tx.save(wallet)
    return wallet


def _check_connected(wallet: CryptoWallet) -> None:
    if wallet.deleted_at is not None:
        raise NotFound("There is no such wallet.", field="wallet_id")
    if not wallet.is_connected:
        raise NotConnected(field="wallet_id")


def _same(address: str) -> str:
    """Hexadecimal addresses are the same in any case; others are not."""
    return address.lower() if address[:2].lower() == "0x" else address
