"""Signing out: here, everywhere, or on another device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lango.db import rows
from lango.rules.inputs import Locked, OwnedBy, Value
from lango.rules.rule import NotFound, rule
from lango.rules.transaction import CallerTransaction, RuleTransaction
from models.identity import User, UserSession, UserSessionEndReason
from resolvers.identity import sessions
from resolvers.identity.sessions import ReauthenticationRequired


@dataclass(frozen=True, slots=True)
class SignedOut:
    """Sessions that were ended: their tokens are refused within a second, everywhere."""

    ended: Annotated[int, Value("How many sessions were ended.")]


@rule()
async def sign_out(tx: RuleTransaction) -> SignedOut:
    """End the session of this token. One that is not kept here, or has ended, is ended already."""
    found = await sessions.LIVE.all(tx, user_id=tx.user_id)
    session_id = tx.actor.session_id
    if session_id is None or (session_id,) not in found:
        return SignedOut(0)
    sessions.end(tx, tx.user_id, session_id, UserSessionEndReason.SIGNED_OUT)
    return SignedOut(1)


@rule()
async def sign_out_everywhere(
    tx: RuleTransaction,
    except_this: Annotated[bool, Value("Whether the session of this token goes on; false without it.")] = False,
) -> SignedOut:
    """End all sessions of the caller, on every device."""
    _, live = await tx.fetch(rows.locking(User, tx.user_id), sessions.LIVE.query(user_id=tx.user_id))
    kept = tx.actor.session_id if except_this else None
    await sessions.end_all(tx, tx.user_id, UserSessionEndReason.SIGNED_OUT, but=kept)
    return SignedOut(sum(key != kept for (key,) in live))


@rule(ReauthenticationRequired)
async def revoke_session(
    caller: CallerTransaction,
    session: Annotated[UserSession, Locked("The session to end."), OwnedBy(UserSession.user_id, NotFound)],
) -> UserSession:
    """End a session of the caller on another device; that needs a recent proof of who they are."""
    tx = caller.as_rules()
    if session.id != tx.actor.session_id:
        await sessions.demand_recent(tx)
    sessions.end(tx, session.user_id, session.id, UserSessionEndReason.REVOKED)
    return session
