"""Wave: mobile money in XOF. Checkout sessions, refunds, and the signature of its webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout session, as Wave tells it."""

    id: str
    url: str
    expires_at: datetime
    # `open`, `complete` or `expired`.
    status: str
    # `processing`, `cancelled` or `succeeded`.
    payment_status: str
    amount: int
    reference: str
    transaction_id: str | None = None


class Wave(Protocol):
    """What the rules ask of Wave. Each call raises ProviderUnavailable, and ProviderRefused."""

    async def open_checkout(self, *, amount: int, reference: str, key: str) -> Checkout:
        """Open a checkout over whole francs; `reference` is our row's id, and the same `key` opens it once."""

    async def checkout(self, checkout_id: str) -> Checkout:
        """How a checkout stands."""

    async def expire(self, checkout_id: str) -> None:
        """Make sure that a checkout can no longer be paid. Raises ProviderRefused where it has been paid."""

    async def refund(self, checkout_id: str, *, amount: int, key: str) -> str:
        """Give back whole francs of what was paid; gives Wave's id of the refund. The same `key` refunds once."""
