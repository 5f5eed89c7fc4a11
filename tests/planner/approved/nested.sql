-- pots
-- $1 = 'public'
/* lango_member */ SELECT '{"nodes":[' || coalesce(string_agg('{"id":"' || encode(convert_to('Pot:' || CAST(pots_page_1.id AS TEXT), 'UTF8'), 'base64') ||
  '","title":' || CAST(to_json(pots_page_1.title) AS TEXT) ||
  ',"targetAmountCfa":' || CAST(pots_page_1.target_amount_cfa AS TEXT) ||
  ',"raisedCfa":' || CAST(pots_page_1.raised_cfa AS TEXT) ||
  ',"ownerProfile":' || coalesce((
  SELECT '{"fullName":' || CAST(to_json(public_profiles_1.full_name) AS TEXT) ||
    ',"avatarUrl":' || coalesce(CAST(to_json(public_profiles_1.avatar_url) AS TEXT), 'null') || '}' AS anon_2
  FROM profiles.public_profiles AS public_profiles_1
  WHERE public_profiles_1.user_id = pots_page_1.owner_user_id
), 'null') ||
  ',"contributions":' || (
  SELECT '{"nodes":[' || coalesce(string_agg('{"id":"' || encode(convert_to('Contribution:' || CAST(contributions_page_2.id AS TEXT), 'UTF8'), 'base64') ||
    '","donorName":' || coalesce(CAST(to_json(contributions_page_2.donor_name) AS TEXT), 'null') ||
    ',"amountCfa":' || coalesce(CAST(contributions_page_2.amount_cfa AS TEXT), 'null') ||
    ',"message":' || coalesce(CAST(to_json(contributions_page_2.message) AS TEXT), 'null') ||
    ',"createdAt":"' || to_char(contributions_page_2.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"}', ','), '') || ']}' AS anon_3
  FROM (
    SELECT contributions_1.id AS id, contributions_1.amount_cfa AS amount_cfa, contributions_1.donor_name AS donor_name, contributions_1.message AS message, contributions_1.created_at AS created_at
    FROM donations.contributions AS contributions_1
    WHERE contributions_1.pot_id = pots_page_1.id
    ORDER BY contributions_1.created_at DESC, contributions_1.id DESC
    LIMIT 10
  ) AS contributions_page_2
) ||
  ',"preferredPack":' || coalesce((
  SELECT '{"id":"' || encode(convert_to('Pack:' || CAST(packs_1.id AS TEXT), 'UTF8'), 'base64') ||
    '","name":' || CAST(to_json(packs_1.name) AS TEXT) ||
    ',"basePriceCfa":' || CAST(packs_1.base_price_cfa AS TEXT) ||
    ',"publicPartner":' || coalesce((
    SELECT '{"id":"' || encode(convert_to('PublicPartner:' || CAST(public_partners_1.id AS TEXT), 'UTF8'), 'base64') ||
      '","name":' || CAST(to_json(public_partners_1.name) AS TEXT) || '}' AS anon_5
    FROM packs.public_partners AS public_partners_1
    WHERE public_partners_1.id = packs_1.partner_id
  ), 'null') || '}' AS anon_4
  FROM packs.packs AS packs_1
  WHERE packs_1.id = pots_page_1.preferred_pack_id
), 'null') || '}', ','), '') || ']}' AS anon_1
FROM (
  SELECT pots_1.id AS id, pots_1.owner_user_id AS owner_user_id, pots_1.title AS title, pots_1.target_amount_cfa AS target_amount_cfa, pots_1.preferred_pack_id AS preferred_pack_id, pots_1.raised_cfa AS raised_cfa
  FROM pots.pots AS pots_1
  WHERE pots_1.visibility = $1::VARCHAR
  ORDER BY pots_1.created_at DESC, pots_1.id DESC
  LIMIT 20
) AS pots_page_1;
