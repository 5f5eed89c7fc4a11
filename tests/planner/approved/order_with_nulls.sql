-- donations
-- $1 = datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $2 = 1000
-- $3 = UUID('00000000-0000-4000-8000-000000000001')
/* lango_member */ SELECT '{"nodes":[' || coalesce(string_agg('{"id":"' || encode(convert_to('Donation:' || CAST(donations_page_1_numbered.id AS TEXT), 'UTF8'), 'base64') ||
  '","amountCfa":' || CAST(donations_page_1_numbered.amount_cfa AS TEXT) ||
  ',"confirmedAt":' || coalesce('"' || to_char(donations_page_1_numbered.confirmed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null') || '}', ',') FILTER (WHERE donations_page_1_numbered.place <= 20), '') ||
  '],"pageInfo":{"hasNextPage":' || CAST(count(*) > 20 AS TEXT) ||
  ',"endCursor":' || coalesce('"' || max(replace(encode(convert_to(CAST(json_build_array('52ee7d9b', CAST(donations_page_1_numbered.confirmed_at AS TEXT), CAST(donations_page_1_numbered.amount_cfa AS TEXT), CAST(donations_page_1_numbered.id AS TEXT)) AS TEXT), 'UTF8'), 'base64'), E'\n', '')) FILTER (WHERE donations_page_1_numbered.place = least(donations_page_1_numbered.found, 20)) || '"', 'null') || '}}' AS anon_1
FROM (
  SELECT donations_page_1.id AS id, donations_page_1.amount_cfa AS amount_cfa, donations_page_1.confirmed_at AS confirmed_at, row_number() OVER () AS place, count(*) OVER () AS found
  FROM (
    SELECT donations_1.id AS id, donations_1.amount_cfa AS amount_cfa, donations_1.confirmed_at AS confirmed_at
    FROM donations.donations AS donations_1
    WHERE donations_1.confirmed_at < $1::TIMESTAMP WITH TIME ZONE OR donations_1.confirmed_at IS NULL OR donations_1.confirmed_at = $1::TIMESTAMP WITH TIME ZONE AND (donations_1.amount_cfa > $2::INTEGER OR donations_1.amount_cfa = $2::INTEGER AND donations_1.id > $3::UUID)
    ORDER BY donations_1.confirmed_at DESC NULLS LAST, donations_1.amount_cfa ASC, donations_1.id ASC
    LIMIT 21
  ) AS donations_page_1
) AS donations_page_1_numbered;
