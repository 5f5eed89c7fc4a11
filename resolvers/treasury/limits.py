"""How often one may ask for what costs others: pushes to a phone, look-ups of people, quotes."""

from __future__ import annotations

from lango.security.rate_limits import RateLimit

A_MINUTE, AN_HOUR = 60, 60 * 60
STK_BY_USER = RateLimit("stk_user", 20, AN_HOUR)
STK_BY_PHONE = RateLimit("stk_phone", 10, AN_HOUR)
TRANSFER_LOOKUPS = RateLimit("transfer_lookups", 20, AN_HOUR)
DAO_JOINS = RateLimit("dao_joins", 20, AN_HOUR)
QUOTES = RateLimit("quotes", 120, A_MINUTE)
