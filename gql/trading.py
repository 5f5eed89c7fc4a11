"""Peer-to-peer trades with escrow, wallets and prices, as the API shows them."""

from __future__ import annotations

import models.trading as m
from gql.kit.mirror import mirror
from gql.kit.roots import root_fields


@mirror(m.CryptoProfile)
class CryptoProfile:
    pass


@mirror(m.CryptoWallet)
class CryptoWallet:
    pass


@mirror(m.CryptoTransaction)
class CryptoTransaction:
    pass


@mirror(m.CryptoTrade)
class CryptoTrade:
    pass


@mirror(m.CryptoEscrow)
class CryptoEscrow:
    pass


@mirror(m.CryptoDispute)
class CryptoDispute:
    pass


@mirror(m.CryptoPaymentMethod)
class CryptoPaymentMethod:
    pass


@mirror(m.CryptoPrice)
class CryptoPrice:
    pass


@mirror(m.Trader)
class Trader:
    pass


@mirror(m.TradeOffer)
class TradeOffer:
    pass


@mirror(m.CounterpartyPaymentMethod)
class CounterpartyPaymentMethod:
    pass


Query = root_fields(
    m.CryptoProfile,
    m.CryptoWallet,
    m.CryptoTransaction,
    m.CryptoTrade,
    m.CryptoEscrow,
    m.CryptoDispute,
    m.CryptoPaymentMethod,
    m.CryptoPrice,
    m.TradeOffer,
    m.CounterpartyPaymentMethod,
    unlisted=(m.Trader,),
)
