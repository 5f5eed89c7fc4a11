"""What dashboards show of money: sums by currency, which are never added up over several.

Each is one statement that gives JSON, to be run as the caller: it holds what they may see.
"""

from __future__ import annotations

# What the platform kept of fees, what was exchanged, and what users hold now; $1 and $2 are the period's ends.
FINANCIAL = """
SELECT jsonb_build_object(
    'platform_revenue', coalesce((SELECT jsonb_agg(f ORDER BY f.currency, f.fee_category) FROM (
        SELECT fee_category, currency, sum(platform_revenue)::text AS revenue, count(*) AS transactions
        FROM treasury.transaction_fees
        WHERE created_at >= $1 AND created_at < $2 AND reversed_at IS NULL
        GROUP BY fee_category, currency
    ) f), '[]'),
    'swap_volume', coalesce((SELECT jsonb_agg(s ORDER BY s.from_currency, s.to_currency) FROM (
        SELECT from_currency, to_currency, count(*) AS swaps, sum(from_amount)::text AS volume
        FROM treasury.currency_swaps
        WHERE status = 'completed' AND completed_at >= $1 AND completed_at < $2
        GROUP BY from_currency, to_currency
    ) s), '[]'),
    'balances', coalesce((SELECT jsonb_agg(b ORDER BY b.currency) FROM (
        SELECT currency, count(DISTINCT user_id) AS users, sum(total_balance)::text AS total
        FROM treasury.user_balances WHERE total_balance > 0 GROUP BY currency
    ) b), '[]')
)::text
"""
# What came into a DAO and what it paid, by the month in its zone; for its admins and staff also the fees charged in it.
# $1 is the DAO, $2 and $3 are the ends of the period. No row for whoever does not see its treasury.
OF_DAO = """
WITH months AS (
    SELECT w.type, to_char(w.created_at AT TIME ZONE d.time_zone, 'YYYY-MM') AS month, w.currency,
           sum(w.amount)::text AS amount, count(*) AS payments
    FROM treasury.wallet_transactions w JOIN treasury.daos d ON d.id = w.dao_id
    WHERE w.dao_id = $1 AND w.created_at >= $2 AND w.created_at < $3 AND w.status = 'completed'
    GROUP BY w.type, 2, w.currency
), fees AS (
    SELECT fee_category, currency, sum(fee_amount)::text AS amount, count(*) AS transactions
    FROM treasury.transaction_fees
    WHERE dao_id = $1 AND created_at >= $2 AND created_at < $3 AND reversed_at IS NULL
    GROUP BY fee_category, currency
)
SELECT jsonb_build_object(
    'contributions', coalesce((
        SELECT jsonb_agg(to_jsonb(m) - 'type' ORDER BY m.month, m.currency) FROM months m WHERE m.type = 'contribution'
    ), '[]'),
    'payouts', coalesce((
        SELECT jsonb_agg(to_jsonb(m) - 'type' ORDER BY m.month, m.currency) FROM months m WHERE m.type = 'payout'
    ), '[]'),
    'fees', CASE WHEN lango.is_staff() OR t.dao_id = ANY (lango.my_administered_daos()) THEN coalesce((
        SELECT jsonb_agg(f ORDER BY f.currency, f.fee_category) FROM fees f
    ), '[]') END
)::text
FROM treasury.dao_treasuries t WHERE t.dao_id = $1
"""
