"""Rates, quotes, swaps and gas prices, as the API shows them."""

from __future__ import annotations

import models.treasury as m
from gql.kit.mirror import mirrors
from gql.kit.mutation import mutations
from gql.kit.roots import root_fields
from resolvers.treasury import exchange_rates, gas_prices, quotes, swaps

MODELS = (m.ExchangeRate, m.SwapQuote, m.CurrencySwap, m.GasPrice)
mirrors(*MODELS)

Query = root_fields(*MODELS)
Mutation = mutations(
    quotes.quote_swap,
    swaps.swap_currency,
    exchange_rates.upsert_exchange_rates,
    gas_prices.record_gas_price,
)
