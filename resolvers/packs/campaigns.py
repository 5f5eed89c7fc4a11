"""Sponsors' campaigns: staff run them, and while one lasts it multiplies the points of an accepted invitation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

from sqlalchemy import func, or_, text

from lango.db import rows
from lango.db.postgres import RawJson
from lango.db.prepared import Lookup, Prepared, Query
from lango.errors import Refused
from lango.jobs.job import scheduled
from lango.rules.inputs import Changes, Details, Locked, Named, Text, Value
from lango.rules.rule import InvalidState, rule
from lango.rules.services import Services
from lango.rules.transaction import RuleTransaction
from models.packs import SponsorCampaign, SponsorCampaignStatus
from models.topics import Topic
from resolvers.kernel import clock, due
from resolvers.kernel.amounts import AmountNotPositive, AmountOutOfRange, check_amount, fits
from resolvers.kernel.outbox import publish
from resolvers.kernel.steps import step
from resolvers.kernel.texts import TextMissing, check_text
from resolvers.packs.packs import DatesNotInOrder
from resolvers.points import points

# Every client's calendar ends before.
LAST_YEAR = 9998
UNFINISHED = (SponsorCampaignStatus.ACTIVE, SponsorCampaignStatus.PAUSED)


class MultiplierTooSmall(Refused):
    """The multiplier must be greater than 1."""


class AgesNotInOrder(Refused):
    """The youngest age must not be above the oldest."""


class BudgetBelowSpent(Refused):
    """The campaign has already spent more than that."""


class CampaignOver(Refused):
    """The campaign has ended: set a later end first."""


@dataclass(frozen=True, slots=True)
class CampaignTargets:
    """Whom a campaign is for: whoever accepts an invitation must meet every condition that is given."""

    min_age: Annotated[int | None, Value("The youngest, in years; anyone when left out.")] = None
    max_age: Annotated[int | None, Value("The oldest, in years; anyone when left out.")] = None
    regions: Annotated[list[str] | None, Text("One of these regions, as addresses name them.", 100)] = None
    interests: Annotated[
        list[str] | None,
        Text("One of these interests: a category or a tag of a pack that the person's pots wish for.", 100),
    ] = None


class CampaignDetails(Details):
    """The optional details of a campaign."""

    description: Annotated[str, Text("What it is about.", 5_000)]
    targets: Annotated[CampaignTargets, Value("For whom it is; `{}` for everyone, as a new campaign is when left out.")]
    pack_categories: Annotated[
        list[str],
        Text(
            "The categories of packs it boosts, of which the sponsor or the invited one wishes for one; `[]` for all,"
            " as for a new campaign when left out.",
            50,
        ),
    ]
    points_multiplier: Annotated[
        Decimal, Value("What points are multiplied by, from now on; 1.50 for a new campaign when left out.")
    ]


class CampaignChanges(CampaignDetails, Changes):
    """What may be changed of a campaign."""

    sponsor_company_name: Annotated[
        str, Text("The company that pays for the boost.", SponsorCampaign.sponsor_company_name)
    ]
    campaign_name: Annotated[str, Text("What the company calls it.", SponsorCampaign.campaign_name)]
    budget_cfa: Annotated[int, Value("The most its extra points may cost, in CFA francs; not less than is spent.")]
    starts_at: Annotated[datetime, Value("When it begins.")]
    ends_at: Annotated[datetime, Value("When it ends.")]


CHECKED = (TextMissing, AmountNotPositive, AmountOutOfRange, MultiplierTooSmall, AgesNotInOrder, DatesNotInOrder)


@rule(*CHECKED, staff=True)
async def create_campaign(
    tx: RuleTransaction,
    sponsor_company_name: Annotated[
        str, Text("The company that pays for the boost.", SponsorCampaign.sponsor_company_name)
    ],
    campaign_name: Annotated[str, Text("What the company calls it.", SponsorCampaign.campaign_name)],
    budget_cfa: Annotated[int, Value("The most its extra points may cost, in CFA francs.")],
    starts_at: Annotated[datetime, Value("When it begins.")],
    ends_at: Annotated[datetime, Value("When it ends.")],
    details: CampaignDetails,
) -> Annotated[SponsorCampaign, Named("campaign")]:
    """Prepare a sponsor's campaign. Staff; it boosts nothing before it is started."""
    campaign = SponsorCampaign(id=uuid4(), status=SponsorCampaignStatus.DRAFT, spent_cfa=0)
    whole = CampaignChanges(
        sponsor_company_name=sponsor_company_name, campaign_name=campaign_name, budget_cfa=budget_cfa,
        starts_at=starts_at, ends_at=ends_at, **details.given,
    )  # fmt: skip
    _describe(campaign, whole)
    return await _save(tx, campaign, Topic.CAMPAIGN_CREATED)


@rule(InvalidState, BudgetBelowSpent, *CHECKED, staff=True)
async def update_campaign(
    tx: RuleTransaction,
    campaign: Annotated[SponsorCampaign, Locked("The campaign to change.")],
    changes: CampaignChanges,
) -> SponsorCampaign:
    """Change a campaign that is not over. Staff; what is left out stays as it is."""
    if campaign.status == SponsorCampaignStatus.COMPLETED:
        raise InvalidState(f"The campaign is {campaign.status}.", field="campaign_id", state=campaign.status)
    _describe(campaign, changes)
    if campaign.budget_cfa < campaign.spent_cfa:
        raise BudgetBelowSpent(field="budget_cfa", spentCfa=campaign.spent_cfa)
    return await _save(tx, campaign, Topic.CAMPAIGN_UPDATED)


@rule(InvalidState, CampaignOver, staff=True)
async def start_campaign(
    tx: RuleTransaction, campaign: Annotated[SponsorCampaign, Locked("The campaign to start.")]
) -> SponsorCampaign:
    """Let a campaign boost points between its start and its end, also after a pause. Staff."""
    step(campaign, SponsorCampaignStatus.ACTIVE, field="campaign_id")
    if campaign.ends_at <= await clock.now(tx):
        raise CampaignOver(field="campaign_id", endsAt=campaign.ends_at.isoformat())
    return await _save(tx, campaign, Topic.CAMPAIGN_STARTED)


@rule(InvalidState, staff=True)
async def pause_campaign(
    tx: RuleTransaction, campaign: Annotated[SponsorCampaign, Locked("The campaign to stop for now.")]
) -> SponsorCampaign:
    """Stop a campaign for now. Staff."""
    step(campaign, SponsorCampaignStatus.PAUSED, field="campaign_id")
    return await _save(tx, campaign, Topic.CAMPAIGN_PAUSED)


@rule(InvalidState, staff=True)
async def complete_campaign(
    tx: RuleTransaction, campaign: Annotated[SponsorCampaign, Locked("The campaign to end.")]
) -> SponsorCampaign:
    """End a campaign for good. Staff."""
    step(campaign, SponsorCampaignStatus.COMPLETED, field="campaign_id")
    return await _save(tx, campaign, Topic.CAMPAIGN_COMPLETED)


@dataclass(frozen=True, slots=True)
class Boost:
    """What points are multiplied by, whose campaign pays for it, and how much; nobody's where nothing is boosted."""

    multiplier: Decimal = points.UNBOOSTED
    campaign_id: UUID | None = None
    cost_cfa: int = 0


@dataclass(frozen=True, slots=True)
class Audience:
    """What a campaign demands of people: of whoever accepted, and which packs those two wish for."""

    age: int | None
    regions: frozenset[str]
    interests: frozenset[str]
    categories: frozenset[str]

    @classmethod
    def found(cls, found: Sequence[tuple[Any, ...]]) -> Audience:
        ((age, *words),) = found
        return cls(age, *map(_folded, words))

    def matches(self, campaign: SponsorCampaign) -> bool:
        """Whether the campaign is for them. One whose targets nobody understands is for nobody."""
        boosted = campaign.pack_categories
        if boosted and not self.categories & _folded(boosted):
            return False
        targets = campaign.target_demographics.parsed() if campaign.target_demographics else None
        if targets is None:
            return True
        return isinstance(targets, dict) and all(self._is(name, wanted) for name, wanted in targets.items())

    def _is(self, name: str, wanted: Any) -> bool:
        if wanted is None or wanted == []:
            return True
        if not isinstance(wanted, list):
            return False
        if name == "age":
            return len(wanted) == 2 and self._is_aged(*wanted)
        known = {"regions": self.regions, "interests": self.interests}.get(name, frozenset[str]())
        return bool(known & _folded(wanted))

    def _is_aged(self, youngest: Any, oldest: Any) -> bool:
        if self.age is None or not all(bound is None or isinstance(bound, int) for bound in (youngest, oldest)):
            return False
        return (youngest or 0) <= self.age and (oldest is None or self.age <= oldest)


def addressing(accepted_by: UUID, sponsor: UUID) -> tuple[Query, Query]:
    """The look-ups of the campaigns that boost now, and of the people they are for, in the rules' role;
    `Audience.found` reads the second."""
    return RUNNING.query(), AUDIENCE.query(accepted_by=accepted_by, sponsor=sponsor)


def locking(running: Sequence[tuple[Any, ...]], audience: Audience) -> tuple[Query, Query]:
    """The look-ups that lock those campaigns that are for these people, in the order of their ids; and find which boost
    then. `pay` reads them."""
    matching = [campaign.id for (campaign,) in running if audience.matches(campaign)]
    return rows.locking_all(SponsorCampaign, matching), RUNNING.query()


def pay(
    tx: RuleTransaction,
    locked: Sequence[tuple[Any, ...]],
    running: Sequence[tuple[Any, ...]],
    audience: Audience,
    usual: int,
    rate: Decimal,
) -> Boost:
    """The best boost of `usual` points that a campaign for these people can pay for; it is paid with that."""
    # The extra points are counted under the lock: whatever was left a moment ago may be gone.
    still = {campaign.id for (campaign,) in running}
    paying = [
        (campaign, cost)
        for (campaign,) in locked
        if campaign.id in still and audience.matches(campaign)
        and campaign.spent_cfa + (cost := _cost(campaign, usual, rate)) <= campaign.budget_cfa
    ]  # fmt: skip
    if not paying:
        return Boost()
    campaign, cost = max(paying, key=lambda each: (each[0].points_multiplier, each[0].budget_cfa - each[0].spent_cfa))
    campaign.spent_cfa += cost
    campaign.conversions = (campaign.conversions or 0) + 1
    tx.save(campaign)
    assert campaign.points_multiplier is not None
    return Boost(campaign.points_multiplier, campaign.id, cost)


@scheduled("campaigns.complete_ended_campaigns", "* * * * *")
async def complete_ended_campaigns(services: Services) -> None:
    """A campaign whose time is over is completed."""
    await due.each(services, complete_ended_campaigns, ENDED, _complete_ended, together=due.TOGETHER)


async def _complete_ended(tx: RuleTransaction, campaign_id: UUID) -> None:
    campaign = await tx.lock(SponsorCampaign, campaign_id)
    if campaign.ends_at <= await clock.now(tx) and campaign.status in UNFINISHED:
        step(campaign, SponsorCampaignStatus.COMPLETED, field="campaign_id")
        await _save(tx, campaign, Topic.CAMPAIGN_COMPLETED)


async def _save(tx: RuleTransaction, campaign: SponsorCampaign, topic: Topic) -> SponsorCampaign:
    tx.save(campaign)
    publish(tx, topic, campaign.id)
    return campaign


def _describe(campaign: SponsorCampaign, changes: CampaignChanges) -> None:
    """Take over what is given, and refuse what does not hold together."""
    given = dict(changes.given)
    for name in ("sponsor_company_name", "campaign_name"):
        if name in given:
            check_text(given[name], field=name)
    if "budget_cfa" in changes:
        check_amount(changes.budget_cfa, SponsorCampaign.budget_cfa, field="budget_cfa")
    if "points_multiplier" in changes:
        if changes.points_multiplier <= 1:
            raise MultiplierTooSmall(field="points_multiplier")
        if not fits(changes.points_multiplier, SponsorCampaign.points_multiplier):
            raise AmountOutOfRange(field="points_multiplier")
    if given.pop("targets", None) is not None:
        campaign.target_demographics = RawJson.of(_demographics(changes.targets))
    for name, value in given.items():
        setattr(campaign, name, value)
    if not campaign.starts_at < campaign.ends_at or campaign.ends_at.year > LAST_YEAR:
        raise DatesNotInOrder(
            "A campaign ends after it begins.", field="ends_at" if "ends_at" in given else "starts_at"
        )


def _demographics(targets: CampaignTargets) -> dict[str, Any]:
    """The targets as they are stored: only those that are set."""
    youngest, oldest = targets.min_age, targets.max_age
    if (youngest or 0) < 0:
        raise AgesNotInOrder(field="targets.min_age")
    if oldest is not None and oldest < (youngest or 0):
        raise AgesNotInOrder(field="targets.max_age")
    named = {"regions": targets.regions, "interests": targets.interests}
    stored: dict[str, Any] = {name: wanted for name, wanted in named.items() if wanted}
    return stored if youngest is None and oldest is None else stored | {"age": [youngest, oldest]}


def _cost(campaign: SponsorCampaign, usual: int, rate: Decimal) -> int:
    """What the extra points cost, in whole francs rounded up: a campaign never pays less than it gives."""
    assert campaign.points_multiplier is not None
    extra = points.boosted(usual, campaign.points_multiplier) - points.boosted(usual, points.UNBOOSTED)
    return int((extra * rate).to_integral_value(ROUND_CEILING))


def _folded(words: Any) -> frozenset[str]:
    return frozenset(str(word).strip().casefold() for word in words or ())


RUNNING = Lookup(
    [SponsorCampaign],
    lambda rows: rows.where(
        SponsorCampaign.status == SponsorCampaignStatus.ACTIVE,
        SponsorCampaign.points_multiplier > 1,
        SponsorCampaign.spent_cfa < SponsorCampaign.budget_cfa,
        SponsorCampaign.starts_at <= func.clock_timestamp(),
        func.clock_timestamp() < SponsorCampaign.ends_at,
    ).order_by(SponsorCampaign.id),
)
ENDED = due.Due(
    SponsorCampaign.id,
    lambda rows: rows.where(
        or_(*(SponsorCampaign.status == status for status in UNFINISHED)),
        SponsorCampaign.ends_at <= func.now(),
    ).order_by(SponsorCampaign.id),
)
# What somebody is interested in is known from the packs that their pots wish for.
AUDIENCE = Prepared(
    text("""
    WITH wished AS (
        SELECT p.owner_user_id, k.category, k.marketing_tags
        FROM pots.pots p JOIN packs.packs k ON k.id = p.preferred_pack_id
        WHERE p.owner_user_id IN (CAST(:accepted_by AS uuid), CAST(:sponsor AS uuid)) AND p.deleted_at IS NULL
          AND p.status IN ('scheduled', 'open', 'funded')
    )
    SELECT (SELECT CAST(extract(year FROM age(CURRENT_DATE, f.date_of_birth)) AS int)
            FROM profiles.profiles f WHERE f.user_id = CAST(:accepted_by AS uuid)) AS age,
           ARRAY(SELECT a.region FROM profiles.user_addresses a
                 WHERE a.user_id = CAST(:accepted_by AS uuid) AND a.deleted_at IS NULL
                   AND a.region IS NOT NULL) AS regions,
           ARRAY(SELECT unnest(CAST(w.category AS text) || coalesce(w.marketing_tags, '{}')) FROM wished w
                 WHERE w.owner_user_id = CAST(:accepted_by AS uuid)) AS interests,
           ARRAY(SELECT w.category FROM wished w) AS categories
    """)
)
