"""Demo data: the same each time, true to the ledger, in three sizes."""

from seeds.callers import DEMO_CALLERS
from seeds.loading import load

__all__ = ["DEMO_CALLERS", "load"]
