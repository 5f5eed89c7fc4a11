"""What computation on a chain costs: observed by staff, with the means and extremes of the hours before."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
from sqlalchemy import bindparam, func

from lango.db.prepared import Lookup
from lango.errors import Refused
from lango.rules.inputs import Details, Value
from lango.rules.rule import rule
from lango.rules.transaction import RuleTransaction
from models.treasury import GasPrice, GasPriceNetwork, GasPriceNetworkCongestion
from resolvers.kernel import clock
from resolvers.kernel.amounts import DIGITS, AmountNotPositive, AmountOutOfRange, check_amount, fits

PLACES = Decimal("0.00000001")


class BlockRecorded(Refused):
    """The gas price of this block of this network was recorded already."""


def _since(hours: int) -> Any:
    return GasPrice.timestamp > func.clock_timestamp() - func.make_interval(0, 0, 0, 0, hours)


# Sums and counts, so that the price that is recorded now is counted in.
BEFORE = Lookup(
    [
        func.coalesce(func.sum(GasPrice.gas_price).filter(_since(1)), 0),
        func.count().filter(_since(1)),
        func.coalesce(func.sum(GasPrice.gas_price), 0),
        func.count(),
        func.min(GasPrice.gas_price),
        func.max(GasPrice.gas_price),
    ],
    lambda rows: rows.where(GasPrice.network == bindparam("network"), _since(24)),
)


def _figure(column: Any) -> Value:
    """A figure of the chain, described as its column is."""
    return Value(str(GasPrice.table().columns[column.key].doc))


class Observed(Details):
    """What else was seen of the chain at that moment."""

    base_fee: Annotated[Decimal, _figure(GasPrice.base_fee)]
    priority_fee: Annotated[Decimal, _figure(GasPrice.priority_fee)]
    max_fee: Annotated[Decimal, _figure(GasPrice.max_fee)]
    network_congestion: Annotated[GasPriceNetworkCongestion, _figure(GasPrice.network_congestion)]
    block_number: Annotated[int, _figure(GasPrice.block_number)]
    block_time: Annotated[int, _figure(GasPrice.block_time)]
    transaction_count: Annotated[int, _figure(GasPrice.transaction_count)]
    recommended_gas_price: Annotated[Decimal, _figure(GasPrice.recommended_gas_price)]
    estimated_confirmation_time: Annotated[int, _figure(GasPrice.estimated_confirmation_time)]


@rule(AmountNotPositive, AmountOutOfRange, BlockRecorded, staff=True)
async def record_gas_price(
    tx: RuleTransaction,
    network: Annotated[GasPriceNetwork, Value("The chain it was seen on.")],
    gas_price: Annotated[Decimal, Value("What was paid, in gwei for each unit of gas.")],
    observed: Observed,
) -> GasPrice:
    """Record what gas costs on a chain now; means and extremes are reckoned from what was recorded before, and this."""
    check_amount(gas_price, GasPrice.gas_price, field="gas_price")
    for name, figure in observed.given.items():
        if isinstance(figure, int | Decimal) and not (figure >= 0 and fits(figure, getattr(GasPrice, name))):
            raise AmountOutOfRange(field=name)
    found, ((now,),) = await tx.fetch(BEFORE.query(network=network), clock.reading())
    ((sum_1h, count_1h, sum_24h, count_24h, least, most),) = found
    seen = GasPrice(
        id=uuid4(), network=network, gas_price=gas_price, timestamp=now,
        avg_gas_price_1h=_mean(sum_1h + gas_price, count_1h + 1),
        avg_gas_price_24h=_mean(sum_24h + gas_price, count_24h + 1),
        min_gas_price_24h=gas_price if least is None else min(least, gas_price),
        max_gas_price_24h=gas_price if most is None else max(most, gas_price), **observed.given,
    )  # fmt: skip
    tx.save(seen)
    try:
        await tx.flush()
    except asyncpg.UniqueViolationError as error:
        raise BlockRecorded(field="block_number") from error
    return seen


def _mean(total: Decimal, count: int) -> Decimal:
    with localcontext(prec=DIGITS):
        return (total / count).quantize(PLACES)
