"""Balances, DAOs, their treasuries, swaps and mobile money, as the API shows them."""

from __future__ import annotations

from gql.kit.types import merged
from gql.treasury import balances, daos, mpesa, payouts, recurring, reports, swaps, transfers

PARTS = (balances, daos, mpesa, payouts, recurring, reports, swaps, transfers)

Query = merged("Query", (part.Query for part in PARTS), description="What may be read of the treasury.")
Mutation = merged(
    "Mutation",
    (part.Mutation for part in PARTS if hasattr(part, "Mutation")),
    description="What may be done with balances, DAOs and their money.",
)
Subscription = merged(
    "Subscription",
    (part.Subscription for part in PARTS if hasattr(part, "Subscription")),
    description="What may be watched of balances, transfers and mobile money.",
)
