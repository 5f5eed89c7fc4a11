"""Views and shares of pots: each is an analytics event, from which the pots' counters are updated."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sqlalchemy import ARRAY, any_, bindparam, func, update
from sqlalchemy import types as sql

from lango.db.prepared import Lookup, Prepared
from lango.errors import BadUserInput
from lango.jobs.job import scheduled
from lango.rules.inputs import Id, Text, Value
from lango.rules.rule import NotFound, rule
from lango.rules.services import Services
from lango.rules.transaction import CallerTransaction
from models.analytics import AnalyticsEvent, AnalyticsEventPlatform
from models.pots import Pot, PotInvitation
from resolvers.analytics.events import Counting, Visitor, note
from resolvers.kernel import due
from resolvers.kernel.share_links import LONGEST_TOKEN, OPENED, hashes_of, presenting, tokens_of

CATEGORY = "pots"
VIEWED, SHARED = "pot_viewed", "pot_shared"
LONGEST_CHANNEL = 50
VIEWS = Counting(Pot, view_count=VIEWED, share_count=SHARED)
CLICKED = Prepared(
    update(PotInvitation.table())
    .where(
        PotInvitation.token_hash == any_(bindparam("hashes", type_=ARRAY(sql.Text))),
        PotInvitation.pot_id == bindparam("pot"),
        PotInvitation.clicked_at.is_(None),
    )
    .values(clicked_at=func.now(), opened_at=func.coalesce(PotInvitation.opened_at, func.now()))
    .returning(PotInvitation.id)
)


@rule(NotFound, anonymous=True, idempotent=False)
async def record_pot_view(
    caller: CallerTransaction,
    pot_id: Annotated[UUID | None, Id(Pot, "The pot that is looked at.")] = None,
    share_token: Annotated[str | None, Text("The token of the share link it was reached by.", LONGEST_TOKEN)] = None,
    invitation_token: Annotated[
        str | None, Text("The token of the invitation it was reached by.", LONGEST_TOKEN)
    ] = None,
    visitor: Visitor = None,
    platform: Annotated[AnalyticsEventPlatform | None, Value("Where it is looked at.")] = None,
    referrer: Annotated[str | None, Text("The page the visitor came from.", AnalyticsEvent.referrer)] = None,
) -> Pot:
    """Record that somebody looks at a pot; `invitationToken` marks that invitation as clicked.

    The pot's `viewCount` follows within 15 minutes.
    """
    pot, _ = await visible(caller, pot_id, share_token)
    tx = caller.as_rules()
    if invitation_token is not None:
        CLICKED.send(tx, hashes=hashes_of(invitation_token), pot=pot.id)
    await note(
        tx, VIEWED, CATEGORY, subject=pot.id, visitor=visitor, platform=platform, referrer=referrer, potId=pot.id
    )
    return pot


@rule(NotFound, anonymous=True, idempotent=False)
async def record_pot_share(
    caller: CallerTransaction,
    pot_id: Annotated[UUID | None, Id(Pot, "The pot whose link is passed on.")] = None,
    share_token: Annotated[str | None, Text("The token of the share link that is passed on.", LONGEST_TOKEN)] = None,
    channel: Annotated[str | None, Text("How it is passed on, such as `whatsapp`.", LONGEST_CHANNEL)] = None,
    visitor: Visitor = None,
    platform: Annotated[AnalyticsEventPlatform | None, Value("Where it is passed on.")] = None,
) -> Pot:
    """Record that somebody shares a pot's link. The pot's `shareCount` follows within 15 minutes."""
    pot, _ = await visible(caller, pot_id, share_token)
    tx = caller.as_rules()
    await note(
        tx, SHARED, CATEGORY, subject=pot.id, visitor=visitor, platform=platform, potId=pot.id, channel=channel or None
    )
    return pot


@scheduled("visits.count_visits", "*/15 * * * *", timeout=300)
async def count_views(services: Services) -> None:
    """Add the views and shares that were recorded since the last run to the pots' counters."""
    await due.each(services, count_views, VIEWS.due, VIEWS.count)


async def visible(caller: CallerTransaction, pot_id: UUID | None, share_token: str | None) -> tuple[Pot, str]:
    """The pot that a caller names by its id, or by the token of its share link, which is the right to see it; and the
    input that names it.

    Reads as the caller, who sees the pot for the rest of the transaction. Raises NotFound, and BadUserInput where
    neither is named.
    """
    if share_token is not None:
        field, pot = "share_token", await _shared(caller, share_token)
        if pot is not None and pot_id not in (None, pot.id):
            pot = None
    elif pot_id is not None:
        field, pot = "pot_id", await caller.find(Pot, pot_id)
    else:
        raise BadUserInput("Say which pot: by `potId` or by `shareToken`.")
    if pot is None:
        raise NotFound("There is no such pot.", field=field)
    caller.open_to_caller(pot.id)
    return pot, field


BY_TOKEN = Lookup([Pot], lambda rows: rows.where(Pot.id == OPENED))


async def _shared(caller: CallerTransaction, share_token: str) -> Pot | None:
    tokens = tokens_of(share_token)
    if not tokens:
        return None
    _, found = await caller.fetch(presenting(tokens), BY_TOKEN.query(tokens=tokens))
    return found[0][0] if found else None
