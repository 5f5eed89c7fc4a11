"""What people do on the platform: events, the figures drawn from them, and A/B tests."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.access import Face, own, read, staff
from models.base import Base
from models.columns import (
    NOW,
    Choice,
    CreatedAt,
    Day,
    Id,
    InetAddress,
    Json,
    Moment,
    Texts,
    UpdatedAt,
    choice,
    personal,
    reference,
    to_one,
)
from models.transitions import Transitions

if TYPE_CHECKING:
    from models.identity import User


class AnalyticsEventPlatform(Choice):
    """Where an event came from."""

    WEB = "web", "A browser."
    MOBILE_APP = "mobile_app", "The app on a phone or tablet."
    API = "api", "Another program."


class AnalyticsEventDeviceType(Choice):
    """What the person used."""

    DESKTOP = "desktop", "A computer."
    MOBILE = "mobile", "A phone."
    TABLET = "tablet", "Larger than a phone, and without a keyboard of its own."


class AbTestStatus(Choice):
    """Where a test stands."""

    DRAFT = "draft", "Being prepared; nobody is assigned."
    RUNNING = "running", "People are assigned to its variants, and anyone may see them."
    PAUSED = "paused", "Stopped for now; it may run again."
    COMPLETED = "completed", "Over."


class AnalyticsEvent(Base):
    """Something a person did, signed in or not, as the client reported it."""

    __tablename__ = "analytics_events"
    __table_args__ = (
        Index(None, "event_name"),
        Index(None, "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index(None, "timestamp"),
        {"schema": "analytics", "postgresql_partition_by": "RANGE (created_at)"},
    )
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "Telemetry, appended in bulk."
    __partitioned_by__ = "created_at"

    id: Mapped[Id]
    event_name: Mapped[str] = mapped_column(String(100), doc="What happened, such as `pot_created` or `donation_made`.")
    event_category: Mapped[str] = mapped_column(
        String(50), doc="What it has to do with, such as `pot`, `referral` or `donation`."
    )
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    session_id: Mapped[str | None] = mapped_column(
        String(100),
        info=personal(),
        doc="What joins the events of one visit, by the client's choice; null where it sends none.",
    )
    anonymous_id: Mapped[str | None] = mapped_column(
        String(100),
        info=personal(),
        doc="What joins the events of one visitor who is not signed in; null where the client sends none.",
    )
    properties: Mapped[Json | None] = mapped_column(
        doc="What else is known of it, by the event's own names; null where nothing is."
    )
    timestamp: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it happened.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")
    referrer: Mapped[str | None] = mapped_column(String(500), doc="The page the person came from; null where unknown.")
    page_url: Mapped[str | None] = mapped_column(String(500), doc="The page it happened on; null off the web.")
    platform: Mapped[AnalyticsEventPlatform | None] = choice(
        AnalyticsEventPlatform, 20, doc="Where it came from; null where unknown."
    )
    device_type: Mapped[AnalyticsEventDeviceType | None] = choice(
        AnalyticsEventDeviceType, 20, doc="What the person used; null where unknown."
    )
    os: Mapped[str | None] = mapped_column(String(50), doc="The device's operating system; null where unknown.")
    browser: Mapped[str | None] = mapped_column(
        String(50), doc="The browser's name; null off the web or where unknown."
    )
    country: Mapped[str | None] = mapped_column(
        String(3), doc="The country it happened in, as an ISO 3166 code; null where unknown."
    )
    region: Mapped[str | None] = mapped_column(String(100), doc="The region of that country; null where unknown.")
    city: Mapped[str | None] = mapped_column(
        String(100), info=personal(), doc="The city in that region; null where unknown."
    )
    created_at: Mapped[CreatedAt] = mapped_column(primary_key=True)

    user: Mapped[User | None] = to_one(user_id)


class BusinessMetric(Base):
    """One figure of the business for one day, for all or for one segment."""

    __tablename__ = "business_metrics"
    __table_args__ = (UniqueConstraint("metric_date", "metric_type", "dimensions"), {"schema": "analytics"})
    __access__ = read(staff)
    __unaudited__ = "A rollup that can be rebuilt."

    id: Mapped[Id]
    metric_date: Mapped[Day] = mapped_column(doc="The day it is for.")
    metric_type: Mapped[str] = mapped_column(
        String(50), doc="What is measured, such as `daily_active_users` or `revenue`."
    )
    metric_value: Mapped[Decimal] = mapped_column(
        Numeric(15, 4), doc="The figure, in the unit of its type: people, or CFA francs for `revenue`."
    )
    metric_count: Mapped[int | None] = mapped_column(
        doc="How many events it was drawn from; null where they are not counted."
    )
    dimensions: Mapped[Json | None] = mapped_column(
        doc="The segment it is for, such as a `region` and an `age_group`; null for everyone."
    )
    previous_period_value: Mapped[Decimal | None] = mapped_column(
        Numeric(15, 4), doc="The same figure one period earlier, in the same unit; null without one."
    )
    period_over_period_change: Mapped[Decimal | None] = mapped_column(
        Numeric(8, 4), doc="The change since then as a fraction: 0.2500 is a quarter more; null without one."
    )
    created_at: Mapped[CreatedAt]


class FunnelAnalytics(Base):
    """How many people got through one step of a funnel in a period."""

    __tablename__ = "funnel_analytics"
    __table_args__ = (
        UniqueConstraint("funnel_name", "step_number", "period_start", "period_end", "segment_filters"),
        {"schema": "analytics"},
    )
    __access__ = read(staff)
    __unaudited__ = "A rollup that can be rebuilt."
    __plural__ = "funnel_analytics_steps"

    id: Mapped[Id]
    funnel_name: Mapped[str] = mapped_column(
        String(100), doc="The way they go, such as `sponsorship_conversion` or `pot_creation`."
    )
    step_number: Mapped[int] = mapped_column(doc="The place of the step on that way, from 1.")
    step_name: Mapped[str] = mapped_column(String(100), doc="What people do at the step.")
    period_start: Mapped[Day] = mapped_column(doc="The first day of the period.")
    period_end: Mapped[Day] = mapped_column(doc="The last day of the period.")
    users_entered: Mapped[int | None] = mapped_column(server_default=text("0"), doc="How many people came to the step.")
    users_completed: Mapped[int | None] = mapped_column(
        server_default=text("0"), doc="How many of them got through it."
    )
    completion_rate: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="The part of them that got through, from 0 to 1; null where nobody came."
    )
    segment_filters: Mapped[Json | None] = mapped_column(
        doc="The segment that is counted, such as an `age_group` and a `region`; null for everyone."
    )
    created_at: Mapped[CreatedAt]


class AbTest(Base):
    """A trial of several variants on different people, to see which does best."""

    __tablename__ = "ab_tests"
    __table_args__ = ({"schema": "analytics"},)
    __access__ = read(staff)
    __transitions__ = Transitions(
        "status", draft={"running"}, running={"paused", "completed"}, paused={"running", "completed"}
    )

    id: Mapped[Id]
    test_name: Mapped[str] = mapped_column(String(100), unique=True, doc="The name by which code reads it.")
    description: Mapped[str | None] = mapped_column(doc="What is tried and why; null without a text.")
    variants: Mapped[Json] = mapped_column(doc="What each variant sets, by the variant's name.")
    traffic_allocation: Mapped[Json] = mapped_column(
        doc="The part of the people each variant gets, from 0 to 1, by the variant's name; together 1."
    )
    primary_metric: Mapped[str] = mapped_column(String(100), doc="The figure that decides it.")
    secondary_metrics: Mapped[Texts | None] = mapped_column(doc="Figures that are watched besides; null without any.")
    start_date: Mapped[Day] = mapped_column(doc="The first day it may run.")
    end_date: Mapped[Day | None] = mapped_column(doc="The last day it runs; null while that is open.")
    status: Mapped[AbTestStatus | None] = choice(AbTestStatus, 20, default=AbTestStatus.DRAFT, doc="Where it stands.")
    results: Mapped[Json | None] = mapped_column(
        doc="The statistics: each variant's figures, and the z-test between them; null before any."
    )
    winner_variant: Mapped[str | None] = mapped_column(
        String(50), doc="The variant that did best; null while undecided."
    )
    confidence_level: Mapped[Decimal | None] = mapped_column(
        Numeric(5, 4), doc="How sure that is, from 0 to 1: 0.9500 is 95 percent; null while undecided."
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class AbTestAssignment(Base):
    """The variant of a test that a person always gets."""

    __tablename__ = "ab_test_assignments"
    __table_args__ = (
        UniqueConstraint("test_id", "user_id"),
        UniqueConstraint("test_id", "anonymous_id"),
        Index(None, "user_id"),
        {"schema": "analytics"},
    )
    __access__ = read(own("user_id"), staff)
    __unaudited__ = "Telemetry, written once."

    id: Mapped[Id]
    test_id: Mapped[UUID] = reference("analytics.ab_tests.id", doc="The test it is for.")
    user_id: Mapped[UUID | None] = reference("identity.users.id", doc="The user it belongs to.")
    anonymous_id: Mapped[str | None] = mapped_column(
        String(100),
        info=personal(),
        doc="The visitor who has it without being signed in; null where `user_id` says who.",
    )
    variant: Mapped[str] = mapped_column(String(50), doc="The variant's name.")
    assigned_at: Mapped[Moment] = mapped_column(server_default=NOW, doc="When it was decided.")
    ip_address: Mapped[InetAddress | None] = mapped_column(doc="The address the request came from.")
    user_agent: Mapped[str | None] = mapped_column(info=personal(), doc="The client program, as it names itself.")

    test: Mapped[AbTest | None] = to_one(test_id)
    user: Mapped[User | None] = to_one(user_id)


class RunningTest(Base):
    """What anyone may see of an A/B test while it runs."""

    __tablename__ = "running_tests"
    __table_args__ = {"schema": "analytics"}  # noqa: RUF012 - SQLAlchemy's own idiom
    __face__ = Face(
        """
        SELECT t.id, t.test_name, t.variants
        FROM analytics.ab_tests t
        WHERE t.status = 'running'
        """
    )

    id: Mapped[Id]
    test_name: Mapped[str] = mapped_column(String(100), doc="The test's name, by which code reads it.")
    variants: Mapped[Json] = mapped_column(doc="What each variant sets, by the variant's name.")
