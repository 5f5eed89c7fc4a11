"""The one order in which rules lock rows, so that no two of them wait for each other."""

from __future__ import annotations

from enum import IntEnum, auto


class LockRank(IntEnum):
    """Where a model stands in the order of locks: what comes first is locked first; within a rank by the models' names,
    and of one model by id.

    A row that belongs to another comes after it. A model without a rank is locked by no rule.
    """

    # What a provider reports comes before what it reports about.
    WEBHOOK = auto()
    # Somebody brings its code, before anything else is known.
    CHALLENGE = auto()
    REFERRAL = auto()
    POT = auto()
    DAO = auto()
    TREASURY = auto()
    # What is decided about a treasury's money, and about who decides.
    TREASURY_DECISION = auto()
    TRADE = auto()
    ESCROW = auto()
    DISPUTE = auto()
    USER = auto()
    # Before traders, who are opened as they are locked: wrong codes are counted under a lock that outlasts a refusal.
    SECOND_FACTOR = auto()
    TRADER = auto()
    WALLET = auto()
    # What came to a wallet or left it is credited to a balance, or taken from it.
    COIN_MOVEMENT = auto()
    # What is paid into a balance or out of it.
    PAYMENT = auto()
    BALANCE = auto()
    PARTNER = auto()
    PACK = auto()
    PRICE = auto()
    DAILY_LIMIT = auto()
    # What belongs to one of those.
    DETAIL = auto()
    # What belongs to a detail.
    SUBDETAIL = auto()
    # Earned and taken back by what became of pots and donations.
    POINTS = auto()
    # Last, and so for the shortest time: everybody's boosted points are paid by the same few.
    CAMPAIGN = auto()
