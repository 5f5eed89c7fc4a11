"""Demo data: the same each time, true to the ledger, in three sizes."""

from seeds.callers import DEMO_CALLERS, DEMO_PASSWORD, DEMO_PASSWORD_HASH
from seeds.loading import load

__all__ = ["DEMO_CALLERS", "DEMO_PASSWORD", "DEMO_PASSWORD_HASH", "load"]
