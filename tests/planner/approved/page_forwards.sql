-- pots
-- $1 = datetime.datetime(2025, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $2 = UUID('00000000-0000-4000-8000-000000000001')
/* lango_member */ SELECT '{"edges":[' || coalesce(string_agg('{"cursor":"' || replace(encode(convert_to(CAST(json_build_array('ce9fcb81', CAST(pots_page_1_numbered.created_at AS TEXT), CAST(pots_page_1_numbered.id AS TEXT)) AS TEXT), 'UTF8'), 'base64'), E'\n', '') ||
  '","node":{"id":"' || encode(convert_to('Pot:' || CAST(pots_page_1_numbered.id AS TEXT), 'UTF8'), 'base64') ||
  '","title":' || CAST(to_json(pots_page_1_numbered.title) AS TEXT) ||
  ',"status":' || coalesce('"' || upper(CAST(pots_page_1_numbered.status AS TEXT)) || '"', 'null') || '}}', ',') FILTER (WHERE pots_page_1_numbered.place <= 20), '') ||
  '],"pageInfo":{"hasNextPage":' || CAST(count(*) > 20 AS TEXT) ||
  ',"hasPreviousPage":true,"endCursor":' || coalesce('"' || max(replace(encode(convert_to(CAST(json_build_array('ce9fcb81', CAST(pots_page_1_numbered.created_at AS TEXT), CAST(pots_page_1_numbered.id AS TEXT)) AS TEXT), 'UTF8'), 'base64'), E'\n', '')) FILTER (WHERE pots_page_1_numbered.place = least(pots_page_1_numbered.found, 20)) || '"', 'null') || '}}' AS anon_1
FROM (
  SELECT pots_page_1.id AS id, pots_page_1.title AS title, pots_page_1.status AS status, pots_page_1.created_at AS created_at, row_number() OVER () AS place, count(*) OVER () AS found
  FROM (
    SELECT pots_1.id AS id, pots_1.title AS title, pots_1.status AS status, pots_1.created_at AS created_at
    FROM pots.pots AS pots_1
    WHERE (pots_1.created_at, pots_1.id) < ($1::TIMESTAMP WITH TIME ZONE, $2::UUID)
    ORDER BY pots_1.created_at DESC, pots_1.id DESC
    LIMIT 21
  ) AS pots_page_1
) AS pots_page_1_numbered;
