"""Redemption: codes, their reversals, and what partners are paid for them."""
