"""Links that are the right to what they lead to: a pot's share link, an invitation, a receipt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, bindparam, func, literal_column

from lango.db.prepared import Lookup, Query
from lango.security.opaque_tokens import hash_of as hash_of
from lango.values import codes

LONGEST_TOKEN = 64
SHARE_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{16,{LONGEST_TOKEN}}}")
# The context that policies read tokens from.
PRESENT = Lookup([func.set_config("lango.share_tokens", bindparam("token", type_=Text), True)], lambda rows: rows)
# The pot that these tokens open.
OPENED: ColumnElement[Any] = func.lango.shared_pots(bindparam("tokens", type_=ARRAY(Text)), type_=ARRAY(Uuid))[
    literal_column("1")
]


def presenting(tokens: Sequence[str]) -> Query:
    """The look-up that shows share tokens: for the rest of the transaction, also for what goes with it after it, their
    holder sees the pot that they open."""
    return PRESENT.query(token=",".join(tokens))


def tokens_of(typed: str) -> list[str]:
    """The tokens that somebody may mean who typed one; none where it is none."""
    return [token for token in codes.readings(typed) if SHARE_TOKEN.fullmatch(token)]


def hashes_of(typed: str) -> list[str]:
    """What is stored of the token that somebody typed: of each that may be meant."""
    return [hash_of(token) for token in tokens_of(typed)]
