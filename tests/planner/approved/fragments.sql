-- viewer
-- $1 = UUID('00000000-0000-4000-8000-000000000007')
/* lango_member */ SELECT '{"email":' || coalesce(CAST(to_json(users_1.email) AS TEXT), 'null') ||
  ',"phone":' || coalesce(CAST(to_json(users_1.phone) AS TEXT), 'null') ||
  ',"newest":' || (
  SELECT '{"nodes":[' || coalesce(string_agg('{"what":' || CAST(to_json(pots_page_1.title) AS TEXT) ||
    ',"target":' || CAST(pots_page_1.target_amount_cfa AS TEXT) ||
    ',"ownerUser":' || coalesce((
    SELECT '{"id":"' || encode(convert_to('User:' || CAST(users_2.id AS TEXT), 'UTF8'), 'base64') ||
      '","email":' || coalesce(CAST(to_json(users_2.email) AS TEXT), 'null') ||
      ',"phone":' || coalesce(CAST(to_json(users_2.phone) AS TEXT), 'null') || '}' AS anon_3
    FROM identity.users AS users_2
    WHERE users_2.id = pots_page_1.owner_user_id
  ), 'null') || '}', ','), '') || ']}' AS anon_2
  FROM (
    SELECT pots_1.owner_user_id AS owner_user_id, pots_1.title AS title, pots_1.target_amount_cfa AS target_amount_cfa
    FROM pots.pots AS pots_1
    WHERE pots_1.owner_user_id = users_1.id
    ORDER BY pots_1.created_at DESC, pots_1.id DESC
    LIMIT 3
  ) AS pots_page_1
) ||
  ',"oldest":' || (
  SELECT '{"nodes":[' || coalesce(string_agg('{"what":' || CAST(to_json(pots_page_2_numbered.title) AS TEXT) ||
    ',"target":' || CAST(pots_page_2_numbered.target_amount_cfa AS TEXT) ||
    ',"ownerUser":' || coalesce((
    SELECT '{"id":"' || encode(convert_to('User:' || CAST(users_3.id AS TEXT), 'UTF8'), 'base64') ||
      '","email":' || coalesce(CAST(to_json(users_3.email) AS TEXT), 'null') ||
      ',"phone":' || coalesce(CAST(to_json(users_3.phone) AS TEXT), 'null') || '}' AS anon_5
    FROM identity.users AS users_3
    WHERE users_3.id = pots_page_2_numbered.owner_user_id
  ), 'null') || '}', ',' ORDER BY pots_page_2_numbered.place DESC), '') ||
    '],"total":"PotConnection"}' AS anon_4
  FROM (
    SELECT pots_page_2.owner_user_id AS owner_user_id, pots_page_2.title AS title, pots_page_2.target_amount_cfa AS target_amount_cfa, row_number() OVER () AS place
    FROM (
      SELECT pots_2.owner_user_id AS owner_user_id, pots_2.title AS title, pots_2.target_amount_cfa AS target_amount_cfa
      FROM pots.pots AS pots_2
      WHERE pots_2.owner_user_id = users_1.id
      ORDER BY pots_2.created_at ASC, pots_2.id ASC
      LIMIT 1
    ) AS pots_page_2
  ) AS pots_page_2_numbered
) || '}' AS anon_1
FROM identity.users AS users_1
WHERE users_1.id = $1::UUID;

-- again
-- $1 = UUID('00000000-0000-4000-8000-000000000007')
/* lango_member */ SELECT (
  SELECT '{"id":' || anon_3.value_1 ||
    ',"key":' || anon_3.value_1 ||
    ',"email":' || anon_3.value_2 ||
    ',"phone":' || anon_3.value_3 || '}' AS anon_2
  FROM (
    SELECT '"' || encode(convert_to('User:' || CAST(users_1.id AS TEXT), 'UTF8'), 'base64') || '"' AS value_1, coalesce(CAST(to_json(users_1.email) AS TEXT), 'null') AS value_2, coalesce(CAST(to_json(users_1.phone) AS TEXT), 'null') AS value_3
    LIMIT ALL OFFSET 0
  ) AS anon_3
) AS anon_1
FROM identity.users AS users_1
WHERE users_1.id = $1::UUID;

-- __typename: its answer is the same for everybody, without a statement
