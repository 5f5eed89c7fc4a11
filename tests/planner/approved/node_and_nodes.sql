-- node
-- $1 = UUID('00000000-0000-4000-8000-000000000001')
/* lango_member */ SELECT '{"__typename":"Pot","id":"' || encode(convert_to('Pot:' || CAST(pots_1.id AS TEXT), 'UTF8'), 'base64') ||
  '","title":' || CAST(to_json(pots_1.title) AS TEXT) ||
  ',"ownerProfile":' || coalesce((
  SELECT '{"fullName":' || CAST(to_json(public_profiles_1.full_name) AS TEXT) || '}' AS anon_2
  FROM profiles.public_profiles AS public_profiles_1
  WHERE public_profiles_1.user_id = pots_1.owner_user_id
), 'null') || '}' AS anon_1
FROM pots.pots AS pots_1
WHERE pots_1.id = $1::UUID;

-- nodes
-- $1 = ['User', 'Pot', 'Pack', 'Pot']
-- $2 = ['00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000001']
/* lango_member */ SELECT '[' || coalesce(string_agg(coalesce(CASE WHEN (wanted.type = 'Pack') THEN (
  SELECT '{"id":"' || encode(convert_to('Pack:' || CAST(packs_1.id AS TEXT), 'UTF8'), 'base64') ||
    '","name":' || CAST(to_json(packs_1.name) AS TEXT) ||
    ',"publicPartner":' || coalesce((
    SELECT '{"name":' || CAST(to_json(public_partners_1.name) AS TEXT) || '}' AS anon_3
    FROM packs.public_partners AS public_partners_1
    WHERE public_partners_1.id = packs_1.partner_id
  ), 'null') || '}' AS anon_2
  FROM packs.packs AS packs_1
  WHERE packs_1.id = CAST(wanted.part0 AS UUID)
) WHEN (wanted.type = 'Pot') THEN (
  SELECT '{"id":"' || encode(convert_to('Pot:' || CAST(pots_1.id AS TEXT), 'UTF8'), 'base64') ||
    '","title":' || CAST(to_json(pots_1.title) AS TEXT) ||
    ',"donations":' || (
    SELECT '{"nodes":[' || coalesce(string_agg('{"id":"' || encode(convert_to('Donation:' || CAST(donations_page_1.id AS TEXT), 'UTF8'), 'base64') || '"}', ','), '') || ']}' AS anon_5
    FROM (
      SELECT donations_1.id AS id
      FROM donations.donations AS donations_1
      WHERE donations_1.pot_id = pots_1.id
      ORDER BY donations_1.created_at DESC, donations_1.id DESC
      LIMIT 3
    ) AS donations_page_1
  ) || '}' AS anon_4
  FROM pots.pots AS pots_1
  WHERE pots_1.id = CAST(wanted.part0 AS UUID)
) WHEN (wanted.type = 'User') THEN (
  SELECT '{"id":"' || encode(convert_to('User:' || CAST(users_1.id AS TEXT), 'UTF8'), 'base64') ||
    '","email":' || coalesce(CAST(to_json(users_1.email) AS TEXT), 'null') || '}' AS anon_6
  FROM identity.users AS users_1
  WHERE users_1.id = CAST(wanted.part0 AS UUID)
) END, 'null'), ',' ORDER BY wanted.place), '') || ']' AS anon_1
FROM unnest($1::TEXT[], $2::TEXT[]) WITH ORDINALITY AS wanted(type, part0, place);
