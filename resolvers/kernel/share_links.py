"""Links that are the right to what they lead to: a pot's share link, an invitation, a receipt."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, func

from lango.db.prepared import Lookup
from lango.db.transaction import Transaction
from lango.values import codes

LONGEST_TOKEN = 64
SHARE_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{16,{LONGEST_TOKEN}}}")
# The context that policies read tokens from, and the pots that this one opens.
PRESENT = Lookup([func.set_config("lango.share_tokens", bindparam("token", type_=Text), True)], lambda rows: rows)
OPENED = Lookup([func.lango.shared_pots(bindparam("tokens", type_=ARRAY(Text)), type_=ARRAY(Uuid))], lambda rows: rows)


async def present(tx: Transaction, share_token: str) -> UUID | None:
    """Show a share token: for the rest of the transaction its holder sees the pot it opens, whose id this gives."""
    tokens = tokens_of(share_token)
    if not tokens:
        return None
    await PRESENT.one(tx, token=",".join(tokens))
    found = await OPENED.one(tx, tokens=tokens)
    keys = found[0] if found else None
    return UUID(str(keys[0])) if keys else None


def tokens_of(typed: str) -> list[str]:
    """The tokens that somebody may mean who typed one; none where it is none."""
    return [token for token in codes.readings(typed) if SHARE_TOKEN.fullmatch(token)]


def hashes_of(typed: str) -> list[str]:
    """What is stored of the token that somebody typed: of each that may be meant."""
    return [hash_of(token) for token in tokens_of(typed)]


def hash_of(token: str) -> str:
    """What is stored of a token of 128 random bits or more: none is guessed, so none needs salt."""
    return hashlib.sha256(token.encode()).hexdigest()
