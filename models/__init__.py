"""What is stored: one module a table group, one class a table; the class is the source of every fact about it."""

from models import (  # noqa: F401 - importing a module registers its tables
    admin,
    analytics,
    cards,
    donations,
    identity,
    ledger,
    notifications,
    packs,
    platform,
    pots,
    privacy,
    profiles,
    redemption,
    referrals,
    security,
    trading,
    treasury,
    usage,
)
