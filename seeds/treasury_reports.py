"""What goes with treasuries: standing orders, reports, and the rates of the day."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from lango.db.postgres import RawJson
from models.treasury import (
    ExchangeRate,
    FinancialReport,
    GasPrice,
    RecurringOccurrence,
    RecurringPayment,
    WalletTransaction,
)
from resolvers.ledger.ledger import Movement, dao_account, user_account
from resolvers.treasury.report_lines import FIND_LAST, FIND_LINES, totals_of
from seeds.ledger import Books
from seeds.world import Dice, Person, World, named

# What members pay their DAO each time.
ORDERED = Decimal(50)
# Who made each rate's row: units of the second for one of the first.
RATES = {
    ("KES", "cUSD"): "0.0077", ("cUSD", "KES"): "129.5", ("CELO", "cUSD"): "0.62", ("cUSD", "CELO"): "1.6",
    ("KES", "MTAA"): "0.1", ("MTAA", "KES"): "9.9", ("KES", "CELO"): "0.0124", ("CELO", "KES"): "80.3",
    ("cUSD", "MTAA"): "12.9", ("MTAA", "cUSD"): "0.0768", ("CELO", "MTAA"): "8.0", ("MTAA", "CELO"): "0.124",
}  # fmt: skip


def put_reports(world: World, dice: Dice, dao: UUID, admin: UUID, number: int) -> None:
    """A monthly report, published, and another in one of the other states; their figures come when all is posted."""
    end = world.today.replace(day=1)
    begin = (end - timedelta(days=1)).replace(day=1)
    drawn, states = min(end + timedelta(hours=5), world.today), ("draft", "pending_review", "approved", "archived")
    for state, kind in (("published", "monthly"), (states[number % 4], "cash_flow")):
        shown, reviewed = state == "published", state in ("published", "approved")
        world.rows.put(
            FinancialReport, id=dice.id(), dao_id=dao, user_id=admin, report_type=kind, period_start=begin,
            period_end=end, fiscal_year=begin.year, report_data={}, report_format="json",
            ai_summary="Contributions grew, spending stayed low." if shown else None, anomalies_detected=[],
            generated_by="system", generated_by_user_id=admin, generated_at=drawn, status=state,
            reviewed_by=world.staff if reviewed else None, reviewed_at=drawn if reviewed else None,
            approved_by=world.staff if reviewed else None, approved_at=drawn if reviewed else None,
            published_at=drawn if shown else None, tags=["monthly"], version=1, created_at=drawn,
        )  # fmt: skip


async def draw_up(world: World) -> None:
    """Give each report what the ledger says of its period, as `generateFinancialReport` would have."""
    connection = world.rows.connection
    for row in await connection.fetch(
        "SELECT id, dao_id, report_type, period_start, period_end FROM treasury.financial_reports ORDER BY id"
    ):
        given = {"owner_id": row["dao_id"], "start": row["period_start"], "end": row["period_end"], "detailed": False}
        last = await connection.fetchrow(FIND_LAST[True].sql, *(given[name] for name in FIND_LAST[True].names))
        given |= {"position": last["position"] if last else 0, "transaction_id": last["id"] if last else None}
        figures = RawJson(
            await connection.fetchval(FIND_LINES[True].sql, *(given[name] for name in FIND_LINES[True].names))
        )
        sums: tuple[Any, ...] = (None,) * 5
        for total in totals_of(figures):
            sums = (total.currency, total.came, total.went, total.came - total.went, total.closing)
        await connection.execute(
            "UPDATE treasury.financial_reports SET report_data = $2::text::jsonb, ledger_position = $3,"
            " ledger_transaction_id = $4, currency = $5, total_revenue = $6, total_expenses = $7, net_profit = $8,"
            " total_assets = $9 WHERE id = $1",
            row["id"], str(figures), given["position"], given["transaction_id"], *sums,
        )  # fmt: skip
        world.rows.written += 1


def put_recurring(world: World, dice: Dice, books: Books, members: list[Person], dao: UUID) -> None:
    """Orders that run, rest or were cancelled, and what became of their dates; the next one is some days ahead."""
    orders = (("weekly", 10, ("paid", "paid")), ("weekly", 17, ("missed", "skipped")), ("biweekly", 17, ("failed",)))
    for number, (member, (frequency, days, outcomes)) in enumerate(zip(members, orders, strict=False)):
        starts, key, period = world.today - timedelta(days=days), dice.id(), timedelta(days=7 if number < 2 else 14)
        paused, cancelled, paid = number == 1, number == 2, outcomes.count("paid")
        dates = [
            (place, starts + place * period, outcome, dice.id() if outcome == "paid" else None)
            for place, outcome in enumerate(outcomes)
        ]
        world.rows.put(
            RecurringPayment, id=key, user_id=member.id, dao_id=dao, amount=ORDERED, currency="KES",
            description="Cotisation", frequency=frequency, interval=1, start_date=starts,
            next_payment_date=starts + len(dates) * period, is_active=not cancelled, is_paused=paused,
            paused_at=starts + period - timedelta(days=1) if paused else None,
            paused_reason="By the payer" if paused else None, payment_method="wallet",
            created_at=starts - timedelta(days=1), cancelled_at=world.today - timedelta(days=4) if cancelled else None,
            cancelled_reason="No longer wanted" if cancelled else None, occurrence=len(dates),
            total_payments=paid + 3 * cancelled, successful_payments=paid, failed_attempts=3 * cancelled,
            missed_payments=outcomes.count("missed"), last_payment_id=dates[-1][3] if paid else None,
            last_payment_date=dates[-1][1] if paid else None,
        )  # fmt: skip
        for place, due_at, outcome, movement in dates:
            if movement is not None:
                _contribute(world, books, member, dao, movement, due_at)
            world.rows.put(
                RecurringOccurrence, id=dice.id(), recurring_payment_id=key, user_id=member.id, occurrence=place,
                due_at=due_at, outcome=outcome, wallet_transaction_id=movement, created_at=due_at,
            )  # fmt: skip


def _contribute(world: World, books: Books, member: Person, dao: UUID, movement: UUID, when: datetime) -> None:
    world.rows.put(
        WalletTransaction, id=movement, from_user_id=member.id, dao_id=dao, amount=ORDERED, currency="KES",
        type="contribution", status="completed", description="Cotisation", created_at=when,
    )  # fmt: skip
    given = Movement(user_account(member.id, "available", "KES"), dao_account(dao, "available", "KES"), ORDERED)
    books.post("dao_contribution", when, [given], of=("wallet_transaction", movement), by=member.id)


def put_rates(world: World, dice: Dice) -> None:
    """A month of exchange rates by the day and three days of gas prices by the hour."""
    for (source, target), rate in RATES.items():
        for day in range(30):
            moved = Decimal(rate) * (Decimal(1) + Decimal(dice.randrange(-200, 200)) / 10_000) if day else Decimal(rate)
            world.rows.put(
                ExchangeRate, id=named(f"rate {source} {target} {day}"), from_currency=source, to_currency=target,
                rate=moved.quantize(Decimal("0.00000001")), spread=Decimal("0.0100"),
                valid_from=world.today - timedelta(days=day), source="market",
            )  # fmt: skip
    for hour in range(72):
        price = Decimal(dice.randrange(2_500, 3_500)) / 100
        world.rows.put(
            GasPrice, id=named(f"gas {hour}"), network="celo" if hour % 4 else "alfajores", gas_price=price,
            base_fee=price - 1, priority_fee=Decimal(1), max_fee=price * 2, avg_gas_price_1h=price,
            avg_gas_price_24h=Decimal(30), min_gas_price_24h=Decimal(25), max_gas_price_24h=Decimal(35),
            network_congestion=dice.choice(("low", "medium", "high")), block_number=30_000_000 - hour * 3_600,
            block_time=1, transaction_count=dice.randrange(20, 300), recommended_gas_price=price,
            estimated_confirmation_time=5, timestamp=world.today - timedelta(hours=hour),
        )  # fmt: skip
