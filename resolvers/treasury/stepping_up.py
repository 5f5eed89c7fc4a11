"""Large amounts want a second factor, shown recently."""

from __future__ import annotations

from decimal import Decimal, localcontext

from sqlalchemy import bindparam, func

from lango.db.prepared import Lookup
from lango.rules.transaction import RuleTransaction
from models.treasury import ExchangeRate
from resolvers.identity import sessions
from resolvers.identity.sessions import ReauthenticationRequired
from resolvers.kernel import system_config
from resolvers.kernel.amounts import DIGITS
from resolvers.kernel.system_config import Configured
from resolvers.security.second_factor import TwoFactorRequired

KES = "KES"
STEP_UP_AMOUNT = Configured("treasury.step_up_amount", Decimal(10_000))
REFUSALS = (TwoFactorRequired, ReauthenticationRequired)
# However old: it only says about how much that is.
RATE = Lookup(
    [ExchangeRate.rate],
    lambda rows: (
        rows.where(
            ExchangeRate.from_currency == bindparam("currency"),
            ExchangeRate.to_currency == KES,
            ExchangeRate.valid_from <= func.clock_timestamp(),
        )
        .order_by(ExchangeRate.valid_from.desc())
        .limit(1)
    ),
)


async def demand_step_up(tx: RuleTransaction, amount: Decimal, currency: str, *, field: str) -> None:
    """Refuses an amount worth more than `treasury.step_up_amount` unless the caller has a second factor and has shown
    it within `security.recent_minutes`.

    What a coin without a rate is worth nobody knows: it counts as more. Raises TwoFactorRequired and
    ReauthenticationRequired.
    """
    configured, rates, factors = await tx.fetch(
        system_config.reading(STEP_UP_AMOUNT), RATE.query(currency=currency), sessions.FACTOR.query(user_id=tx.user_id)
    )
    (most,) = system_config.numbers_in(configured, STEP_UP_AMOUNT)
    if currency == KES:
        rates = [(Decimal(1),)]
    with localcontext(prec=DIGITS):
        if rates and amount * rates[0][0] <= most:
            return
    if not factors or factors[0][1] is None:
        raise TwoFactorRequired("Set up a second factor before you move so much money.", field=field)
    await sessions.demand_recent(tx, field=field)
