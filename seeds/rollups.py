"""Rollups, drawn from the rows themselves, as the worker would draw them."""

from __future__ import annotations

from datetime import date

from seeds.world import World


async def load(world: World) -> None:
    """Ids come from what a rollup is of, so that they are the same each time."""
    yesterday = world.today.date()
    for statement in (POTS, *(_donations(period) for period in ("day", "week", "month")), NOTIFICATIONS):
        await _run(world, statement, yesterday)


async def _run(world: World, statement: str, day: date) -> None:
    done = await world.rows.connection.execute(statement.replace("CURRENT_DAY", f"DATE '{day}'"))
    world.rows.written += int(done.rpartition(" ")[2])


# A pot's figures at the end of each of the last seven days, and for most pots of the last alone.
POTS = """
    INSERT INTO pots.pot_analytics (id, pot_id, snapshot_date, total_raised_cfa, donor_count, view_count, share_count,
                                    conversion_rate, created_at)
    SELECT md5('pot ' || p.id || d.back)::uuid, p.id, CURRENT_DAY - d.back, sum(g.amount_cfa)::integer,
           count(*)::integer, p.view_count, p.share_count,
           least(1, round(count(*) / greatest(p.view_count, 1)::numeric, 4)), CURRENT_DAY::timestamp AT TIME ZONE 'UTC'
    FROM pots.pots p
    CROSS JOIN generate_series(1, 7) AS d (back)
    JOIN donations.donations g ON g.pot_id = p.id AND g.status = 'succeeded'
     AND g.confirmed_at < (CURRENT_DAY - d.back + 1)::timestamp AT TIME ZONE 'UTC'
    WHERE d.back = 1 OR p.status IN ('open', 'funded')
    GROUP BY p.id, d.back
"""

NOTIFICATIONS = """
    INSERT INTO notifications.notification_analytics (id, date, template_key, channel, sent_count, delivered_count,
                                                      failed_count, bounce_count, delivery_rate, created_at)
    SELECT md5('notifications ' || day || template_key || channel)::uuid, day, template_key, channel, sent, delivered,
           failed, bounced, round(delivered / nullif(sent, 0)::numeric, 4), CURRENT_DAY::timestamp AT TIME ZONE 'UTC'
    FROM (
        SELECT (n.scheduled_at AT TIME ZONE 'UTC')::date AS day, t.template_key, n.channel,
               count(n.sent_at) AS sent, count(n.delivered_at) AS delivered,
               count(*) FILTER (WHERE n.status = 'failed') AS failed,
               count(*) FILTER (WHERE n.status = 'bounced') AS bounced
        FROM notifications.notifications n JOIN notifications.notification_templates t ON t.id = n.template_id
        WHERE n.scheduled_at < CURRENT_DAY::timestamp AT TIME ZONE 'UTC'
        GROUP BY 1, 2, 3
    ) counted
"""


def _donations(period: str) -> str:
    """What was given in each ended day, week or month."""
    name = {"day": "daily", "week": "weekly", "month": "monthly"}[period]
    last = f"(begun + INTERVAL '1 {period}' - INTERVAL '1 day')::date"
    return f"""
        INSERT INTO donations.donation_analytics (id, period_type, period_start, period_end, total_amount_cfa,
            transaction_count, unique_donors, average_donation_cfa, success_rate, region_breakdown, created_at)
        SELECT md5('{name} ' || begun::date)::uuid, '{name}', begun::date, {last}, total, succeeded, donors,
               coalesce(total / nullif(succeeded, 0), 0), round(succeeded / tried::numeric, 4), NULL,
               CURRENT_DAY::timestamp AT TIME ZONE 'UTC'
        FROM (
            SELECT date_trunc('{period}', created_at AT TIME ZONE 'UTC') AS begun, count(*) AS tried,
                   coalesce(sum(amount_cfa) FILTER (WHERE status = 'succeeded'), 0) AS total,
                   count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
                   count(DISTINCT coalesce(donor_user_id::text, donor_phone)) AS donors
            FROM donations.donations GROUP BY 1
        ) counted
        WHERE {last} < CURRENT_DAY
    """
