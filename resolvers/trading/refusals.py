"""What more than one rule of trading refuses."""

from __future__ import annotations

from lango.errors import Refused


class NotInvolved(Refused):
    """Only the buyer and the seller of this trade may do this."""


class NotTheSeller(Refused):
    """Only the seller may do this."""


class NotTheBuyer(Refused):
    """Only the buyer may do this."""


class NotYourTrade(Refused):
    """Only the two parties of this trade may do this."""


class OwnTrade(Refused):
    """You cannot trade with yourself, nor with somebody for whom you act or who acts for you."""


class NotYourWallet(Refused):
    """Only the wallet's owner may do this."""


class NotYourPaymentMethod(Refused):
    """Only the owner of this payment method may do this."""


class NotFunded(Refused):
    """The seller's coins are not in the escrow."""


class AlreadyReleased(Refused):
    """The coins have been released to the buyer already."""


class AlreadyRefunded(Refused):
    """The coins have gone back to the seller already."""


class Disputed(Refused):
    """A dispute has stopped this trade until staff decide."""


class EscrowExpired(Refused):
    """The escrow was not funded in time."""


class CoinNotTraded(Refused):
    """This coin is not traded here."""


class CodeNotValid(Refused):
    """A currency's code has 2 to 12 letters and digits, as in BTC."""


class TraderBanned(Refused):
    """You may neither trade nor withdraw at present."""


class KycRejected(Refused):
    """Your identity could not be confirmed, so you may neither trade nor withdraw."""


class LimitExceeded(Refused):
    """This goes beyond your limit."""


class CounterpartyNotAvailable(Refused):
    """The one who offers this cannot trade it at present."""
