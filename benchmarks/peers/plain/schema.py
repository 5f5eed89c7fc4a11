"""The schema, written by hand over the ORM's objects: a field is an attribute, or a resolver where it is a relation."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, NewType
from uuid import UUID

import strawberry
from sqlalchemy import func, select, tuple_
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

import models.donations as donations
import models.identity as identity
import models.packs as packs
import models.pots as pots
import models.profiles as profiles
import models.redemption as redemption
from benchmarks.peers.plain.reading import Reading
from resolvers.kernel.running import run
from resolvers.redemption.till import redeem_qr_code

Info = strawberry.Info[Reading, None]
BigInt = NewType("BigInt", int)
for each in (pots.PotStatus, pots.PotVisibility, donations.DonationStatus, redemption.QrCodeStatus):
    strawberry.enum(each)
LONGEST_PAGE = 100


def key(row: Any) -> strawberry.ID:
    return strawberry.ID(str(row.id))


def row_id() -> Any:
    return strawberry.field(resolver=_row_id)


def _row_id(root: strawberry.Parent[Any]) -> strawberry.ID:
    return key(root)


@strawberry.type
class User:
    row_id: strawberry.ID = row_id()
    email: str | None
    phone: str | None


@strawberry.type
class PublicProfile:
    full_name: str
    avatar_url: str | None
    bio: str | None


@strawberry.type
class Partner:
    row_id: strawberry.ID = row_id()
    name: str
    type: str


@strawberry.type
class PublicPartner:
    row_id: strawberry.ID = row_id()
    name: str
    type: str


@strawberry.type
class Pack:
    row_id: strawberry.ID = row_id()
    name: str
    category: str
    base_price_cfa: int

    @strawberry.field
    async def partner(self: Any, info: Info) -> Partner | None:
        return await info.context.one(packs.Partner, "id", self.partner_id)

    @strawberry.field
    async def public_partner(self: Any, info: Info) -> PublicPartner | None:
        return await info.context.one(packs.PublicPartner, "id", self.partner_id)


@strawberry.type
class Contribution:
    row_id: strawberry.ID = row_id()
    amount_cfa: int | None
    donor_name: str | None
    message: str | None
    created_at: datetime


@strawberry.type
class Donation:
    row_id: strawberry.ID = row_id()
    amount_cfa: int
    status: donations.DonationStatus | None
    created_at: datetime

    @strawberry.field
    async def donor_user(self: Any, info: Info) -> User | None:
        return await info.context.one(identity.User, "id", self.donor_user_id)


@strawberry.type
class QrCode:
    row_id: strawberry.ID = row_id()
    status: redemption.QrCodeStatus | None
    price_cfa: int
    partner_share_cfa: int | None
    expires_at: datetime
    redeemed_at: datetime | None

    @strawberry.field
    async def pack(self: Any, info: Info) -> Pack | None:
        return await info.context.one(packs.Pack, "id", self.pack_id)


@strawberry.type
class ContributionConnection:
    nodes: list[Contribution]


@strawberry.type
class DonationConnection:
    nodes: list[Donation]


@strawberry.type
class QrCodeConnection:
    nodes: list[QrCode]


@dataclass(frozen=True, slots=True)
class Nodes:
    """A page of ORM objects, under any connection type."""

    nodes: list[Any]


@strawberry.type
class Pot:
    row_id: strawberry.ID = row_id()
    title: str
    status: pots.PotStatus | None
    visibility: pots.PotVisibility | None
    target_amount_cfa: int
    raised_cfa: int
    birthday_date: date
    created_at: datetime

    @strawberry.field
    async def owner_user(self: Any, info: Info) -> User | None:
        return await info.context.one(identity.User, "id", self.owner_user_id)

    @strawberry.field
    async def owner_profile(self: Any, info: Info) -> PublicProfile | None:
        return await info.context.one(profiles.PublicProfile, "user_id", self.owner_user_id)

    @strawberry.field
    async def preferred_pack(self: Any, info: Info) -> Pack | None:
        return await info.context.one(packs.Pack, "id", self.preferred_pack_id)

    @strawberry.field
    async def contributions(self: Any, info: Info, first: int) -> ContributionConnection:
        model = donations.Contribution
        order = (model.created_at.desc(), model.id.desc())
        return Nodes(await info.context.of_pot(model, self.id, page(first), *order))  # type: ignore[return-value]

    @strawberry.field
    async def donations(self: Any, info: Info, first: int) -> DonationConnection:
        model = donations.Donation
        order = (model.created_at.desc(), model.id.desc())
        return Nodes(await info.context.of_pot(model, self.id, page(first), *order))  # type: ignore[return-value]

    @strawberry.field
    async def qr_codes(self: Any, info: Info, first: int) -> QrCodeConnection:
        model = redemption.QrCode
        return Nodes(await info.context.of_pot(model, self.id, page(first), model.id))  # type: ignore[return-value]


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class PotEdge:
    node: Pot
    cursor: str


@strawberry.type
class PotConnection:
    nodes: list[Pot]
    page_info: PageInfo

    @strawberry.field
    def edges(self) -> list[PotEdge]:
        return [PotEdge(node=node, cursor=cursor(node)) for node in self.nodes]


@strawberry.type
class DonationGroup:
    created_at: datetime


@strawberry.type
class DonationSum:
    amount_cfa: str


@strawberry.type
class DonationAggregate:
    group: DonationGroup
    count: BigInt
    sum: DonationSum


@strawberry.type
class RedeemQrCodeUserError:
    code: str
    message: str


@strawberry.type
class RedeemQrCodePayload:
    qr_code: QrCode | None
    user_errors: list[RedeemQrCodeUserError]


@strawberry.input
class RedeemQrCodeInput:
    code: str
    idempotency_key: str | None = None


def page(first: int) -> int:
    return min(max(first, 0), LONGEST_PAGE)


def cursor(pot: Any) -> str:
    return base64.b64encode(json.dumps([pot.created_at.isoformat(), str(pot.id)]).encode()).decode()


@strawberry.type
class Query:
    @strawberry.field
    async def pot(self, info: Info, id: strawberry.ID) -> Pot | None:
        return await info.context.one(pots.Pot, "id", UUID(id))

    @strawberry.field
    async def pots(
        self, info: Info, first: int, after: str | None = None, visibility: pots.PotVisibility | None = None
    ) -> PotConnection:
        model, size = pots.Pot, page(first)
        statement = select(model).order_by(model.created_at.desc(), model.id.desc()).limit(size + 1)
        if visibility is not None:
            statement = statement.where(model.visibility == visibility)
        if after is not None:
            created, last = json.loads(base64.b64decode(after))
            place = tuple_(datetime.fromisoformat(created), UUID(last))
            statement = statement.where(tuple_(model.created_at, model.id) < place)
        found = [row for (row,) in await info.context.rows(statement)]
        nodes: Any = found[:size]
        info_ = PageInfo(has_next_page=len(found) > size, end_cursor=cursor(nodes[-1]) if nodes else None)
        return PotConnection(nodes=nodes, page_info=info_)

    @strawberry.field
    async def donations_by_day(
        self, info: Info, from_: Annotated[datetime, strawberry.argument(name="from")], to: datetime
    ) -> list[DonationAggregate]:
        model = donations.Donation
        day = func.date_trunc("day", model.created_at, "UTC").label("day")
        summed = select(day, func.count(), func.sum(model.amount_cfa)).group_by("day").order_by("day")
        return [
            DonationAggregate(
                group=DonationGroup(created_at=moment), count=BigInt(count), sum=DonationSum(amount_cfa=str(total))
            )
            for moment, count, total in await info.context.rows(
                summed.where(model.created_at >= from_, model.created_at < to)
            )
        ]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def redeem_qr_code(self, info: Info, input: RedeemQrCodeInput) -> RedeemQrCodePayload:
        """The rule, as lango runs it; its payload is read as the caller."""
        arguments, key = {"code": input.code}, input.idempotency_key
        outcome = await run(info.context.services, info.context.actor, redeem_qr_code, arguments, key=key)
        errors = [RedeemQrCodeUserError(code=each["code"], message=each["message"]) for each in outcome.refusals]
        made = outcome.values.get("qr_code")
        code = await info.context.one(redemption.QrCode, "id", UUID(made[0])) if made else None
        return RedeemQrCodePayload(qr_code=code, user_errors=errors)


schema = strawberry.Schema(
    Query,
    Mutation,
    config=StrawberryConfig(
        scalar_map={BigInt: strawberry.scalar(name="BigInt", serialize=str, parse_value=int)},
    ),
    extensions=[lambda: ParserCache(maxsize=1000), lambda: ValidationCache(maxsize=1000)],
)
