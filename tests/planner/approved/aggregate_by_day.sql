-- donationsAggregate
-- $1 = 'Africa/Dakar'
-- $2 = datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
/* lango_member */ SELECT '[' || coalesce(string_agg('{"group":{"createdAt":' || coalesce('"' || to_char(donations_groups_1."group.created_at", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null') ||
  ',"status":' || coalesce('"' || upper(CAST(donations_groups_1."group.status" AS TEXT)) || '"', 'null') ||
  '},"count":' || coalesce('"' || CAST(donations_groups_1."count." AS TEXT) || '"', 'null') ||
  ',"countDistinct":{"potId":' || coalesce('"' || CAST(donations_groups_1."count_distinct.pot_id" AS TEXT) || '"', 'null') ||
  '},"sum":{"amountCfa":' || coalesce('"' || CAST(donations_groups_1."sum.amount_cfa" AS TEXT) || '"', 'null') ||
  '},"avg":{"amountCfa":' || coalesce('"' || CAST(donations_groups_1."avg.amount_cfa" AS TEXT) || '"', 'null') ||
  '},"max":{"createdAt":' || coalesce('"' || to_char(donations_groups_1."max.created_at", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null') || '}}', ','), '') || ']' AS anon_1
FROM (
  SELECT date_trunc('day', donations_1.created_at, $1::VARCHAR) AS "group.created_at", donations_1.status AS "group.status", count(*) AS "count.", count(DISTINCT donations_1.pot_id) AS "count_distinct.pot_id", CAST(sum(donations_1.amount_cfa) AS NUMERIC) AS "sum.amount_cfa", CAST(avg(donations_1.amount_cfa) AS NUMERIC) AS "avg.amount_cfa", max(donations_1.created_at) AS "max.created_at"
  FROM donations.donations AS donations_1
  WHERE donations_1.created_at >= $2::TIMESTAMP WITH TIME ZONE
  GROUP BY 1, 2
  ORDER BY 1, 2
  LIMIT 100
) AS donations_groups_1;
