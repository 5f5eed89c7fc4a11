"""How the product was used: events, A/B tests, and the figures that were drawn from them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from models.analytics import AbTest, AbTestAssignment, AnalyticsEvent, BusinessMetric, FunnelAnalytics
from seeds import names
from seeds.world import DAYS, Dice, World, named

EVENTS = (
    ("page_view", "navigation"), ("pot_viewed", "pots"), ("pot_shared", "pots"), ("donation_started", "donations"),
    ("donation_completed", "donations"), ("pack_viewed", "packs"), ("referral_sent", "referrals"),
)  # fmt: skip
TESTS = (
    ("donate_button", "running"), ("share_message", "running"), ("onboarding", "paused"), ("pack_order", "completed"),
    ("dark_mode", "draft"),
)  # fmt: skip
FUNNEL = ("visit", "pot_viewed", "donation_started", "donation_completed")


async def load(world: World) -> None:
    """Events of about 13 months; a third of them by visitors who were not signed in."""
    dice = world.dice("analytics")
    for _ in range(int(world.size.users * world.size.events_a_user)):
        _put_event(world, dice)
        await world.rows.flush_if_many()
    _put_tests(world, dice)
    _put_figures(world, dice)


def _put_event(world: World, dice: Dice) -> None:
    name, category = EVENTS[int(dice.random() ** 2 * len(EVENTS))]
    person = dice.choice(world.adults) if dice.happens(0.66) else None
    # More of late than long ago.
    when = world.today - timedelta(seconds=int(dice.random() ** 2 * DAYS * 86_400) + 60)
    mobile = dice.happens(0.8)
    kenyan = person is not None and person.kenyan
    world.rows.put(
        AnalyticsEvent, id=dice.id(), event_name=name, event_category=category, user_id=person.id if person else None,
        session_id=dice.hexadecimal(16), anonymous_id=None if person else dice.hexadecimal(16),
        properties={"source": "whatsapp" if mobile else "direct"}, timestamp=when, ip_address="192.0.2.7",
        user_agent=names.AGENTS[0 if mobile else 2], page_url=f"https://lango.example/{category}",
        platform="mobile_app" if mobile else "web", device_type="mobile" if mobile else "desktop",
        os="Android" if mobile else "Windows", browser="Chrome" if mobile else "Firefox",
        country="KEN" if kenyan else "SEN", region="Nairobi" if kenyan else "Dakar",
        city="Nairobi" if kenyan else "Dakar", created_at=when,
    )  # fmt: skip


def _put_tests(world: World, dice: Dice) -> None:
    for number, (name, status) in enumerate(TESTS):
        test = named(f"ab test {name}")
        decided = status == "completed"
        world.rows.put(
            AbTest, id=test, test_name=name, description=f"Which {name.replace('_', ' ')} brings more donations?",
            variants={"control": {}, "treatment": {"colour": "orange"}},
            traffic_allocation={"control": 0.5, "treatment": 0.5}, primary_metric="donation_completed",
            secondary_metrics=["pot_shared"], start_date=(world.today - timedelta(days=40 + number)).date(),
            end_date=(world.today - timedelta(days=5)).date() if decided else None, status=status,
            results={"control": {"n": 812, "conversions": 90}, "treatment": {"n": 798, "conversions": 121}} if decided
            else None, winner_variant="treatment" if decided else None,
            confidence_level=Decimal("0.9871") if decided else None,
            created_at=world.today - timedelta(days=45 + number),
        )  # fmt: skip
        if status == "draft":
            continue
        for place, person in enumerate(world.adults[: max(30, len(world.adults) // 10)]):
            anonymous = place % 10 == 9
            world.rows.put(
                AbTestAssignment, id=dice.id(), test_id=test, user_id=None if anonymous else person.id,
                anonymous_id=dice.hexadecimal(16) if anonymous else None,
                variant=dice.choice(("control", "treatment")), assigned_at=dice.ago(35, 6), ip_address="192.0.2.8",
                user_agent=names.AGENTS[0],
            )  # fmt: skip


def _put_figures(world: World, dice: Dice) -> None:
    today = world.today.date()
    before: dict[str, Decimal] = {}
    for back in range(60, 0, -1):
        day = today - timedelta(days=back)
        drawn = world.today - timedelta(days=back - 1) + timedelta(minutes=-30)
        for kind, most in (("daily_active_users", world.size.users), ("revenue", world.size.users * 400)):
            value = Decimal(dice.randrange(most // 5, most // 2))
            previous = before.get(kind)
            world.rows.put(
                BusinessMetric, id=dice.id(), metric_date=day, metric_type=kind, metric_value=value,
                metric_count=dice.randrange(10, 1_000), dimensions={"region": "Dakar"}, previous_period_value=previous,
                period_over_period_change=((value - previous) / previous).quantize(Decimal("0.0001")) if previous
                else None, created_at=drawn,
            )  # fmt: skip
            before[kind] = value
        if back % 7:
            continue
        entered = dice.randrange(1_000, 3_000)
        for step, name in enumerate(FUNNEL, 1):
            completed = entered * dice.randrange(30, 80) // 100
            world.rows.put(
                FunnelAnalytics, id=dice.id(), funnel_name="donation", step_number=step, step_name=name,
                period_start=day - timedelta(days=6), period_end=day, users_entered=entered, users_completed=completed,
                completion_rate=(Decimal(completed) / entered).quantize(Decimal("0.0001")),
                segment_filters={"region": "Dakar"}, created_at=drawn,
            )  # fmt: skip
            entered = max(completed, 1)
