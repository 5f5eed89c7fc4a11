-- pots
-- $1 = 'public'
/* lango_member */ SELECT '{"nodes":[' || coalesce(string_agg('{"title":' || CAST(to_json(pots_page_1.title) AS TEXT) ||
  ',"contributionsAggregate":' || (
  SELECT '[' || coalesce(string_agg('{"count":' || coalesce('"' || CAST(contributions_groups_2."count." AS TEXT) || '"', 'null') ||
    ',"sum":{"amountCfa":' || coalesce('"' || CAST(contributions_groups_2."sum.amount_cfa" AS TEXT) || '"', 'null') || '}}', ','), '') || ']' AS anon_2
  FROM (
    SELECT count(*) AS "count.", CAST(sum(contributions_1.amount_cfa) AS NUMERIC) AS "sum.amount_cfa"
    FROM donations.contributions AS contributions_1
    WHERE contributions_1.pot_id = pots_page_1.id
    LIMIT 100
  ) AS contributions_groups_2
) ||
  ',"byMonth":' || (
  SELECT '[' || coalesce(string_agg('{"group":{"createdAt":' || coalesce('"' || to_char(contributions_groups_3."group.created_at", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null') ||
    '},"count":' || coalesce('"' || CAST(contributions_groups_3."count." AS TEXT) || '"', 'null') || '}', ','), '') || ']' AS anon_3
  FROM (
    SELECT date_trunc('month', contributions_2.created_at) AS "group.created_at", count(*) AS "count."
    FROM donations.contributions AS contributions_2
    WHERE contributions_2.pot_id = pots_page_1.id
    GROUP BY 1
    ORDER BY 1
    LIMIT 12
  ) AS contributions_groups_3
) || '}', ','), '') || ']}' AS anon_1
FROM (
  SELECT pots_1.id AS id, pots_1.title AS title
  FROM pots.pots AS pots_1
  WHERE pots_1.visibility = $1::VARCHAR
  ORDER BY pots_1.created_at DESC, pots_1.id DESC
  LIMIT 20
) AS pots_page_1;
