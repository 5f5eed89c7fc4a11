-- pots
-- $1 = 'public'
/* lango_member */ SELECT '{"page":' || anon_2.value_1 ||
  ',"same":' || anon_2.value_1 || '}' AS anon_1
FROM (
  SELECT '[' || coalesce(string_agg((
    SELECT '{"title":' || anon_4.value_1 ||
      ',"name":' || anon_4.value_1 ||
      ',"newest":' || anon_4.value_2 ||
      ',"again":' || anon_4.value_2 || '}' AS anon_3
    FROM (
      SELECT CAST(to_json(pots_page_1.title) AS TEXT) AS value_1, (
        SELECT '{"nodes":[' || coalesce(string_agg('{"amountCfa":' || CAST(donations_page_2.amount_cfa AS TEXT) || '}', ','), '') || ']}' AS anon_5
        FROM (
          SELECT donations_1.amount_cfa AS amount_cfa
          FROM donations.donations AS donations_1
          WHERE donations_1.pot_id = pots_page_1.id
          ORDER BY donations_1.created_at DESC, donations_1.id DESC
          LIMIT 2
        ) AS donations_page_2
      ) AS value_2
      LIMIT ALL OFFSET 0
    ) AS anon_4
  ), ','), '') || ']' AS value_1
  FROM (
    SELECT pots_1.id AS id, pots_1.title AS title
    FROM pots.pots AS pots_1
    WHERE pots_1.visibility = $1::VARCHAR
    ORDER BY pots_1.created_at DESC, pots_1.id DESC
    LIMIT 20
  ) AS pots_page_1
  LIMIT ALL OFFSET 0
) AS anon_2;
