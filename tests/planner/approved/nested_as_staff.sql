-- pots
-- $1 = 'public'
/* lango_staff */ SELECT lango.audit_shown(answer.text)
FROM (
  SELECT '{"nodes":[' || coalesce(string_agg(E'\x02Pot:' || CAST(pots_page_1.id AS TEXT) || E'\x02{"id":"' || encode(convert_to('Pot:' || CAST(pots_page_1.id AS TEXT), 'UTF8'), 'base64') ||
    '","title":' || CAST(to_json(pots_page_1.title) AS TEXT) ||
    ',"raisedCfa":' || CAST(pots_page_1.raised_cfa AS TEXT) ||
    ',"ownerUser":' || coalesce((
    SELECT E'\x02User:' || CAST(users_1.id AS TEXT) || E'\x02{"id":"' || encode(convert_to('User:' || CAST(users_1.id AS TEXT), 'UTF8'), 'base64') ||
      '","email":' || coalesce(CAST(to_json(users_1.email) AS TEXT), 'null') ||
      ',"profile":' || coalesce((
      SELECT E'\x02Profile:' || CAST(profiles_1.user_id AS TEXT) || E'\x02{"fullName":' || CAST(to_json(profiles_1.full_name) AS TEXT) || '}' AS anon_3
      FROM profiles.profiles AS profiles_1
      WHERE profiles_1.user_id = users_1.id
    ), 'null') || '}' AS anon_2
    FROM identity.users AS users_1
    WHERE users_1.id = pots_page_1.owner_user_id
  ), 'null') ||
    ',"donations":' || (
    SELECT '{"nodes":[' || coalesce(string_agg(E'\x02Donation:' || CAST(donations_page_2.id AS TEXT) || E'\x02{"id":"' || encode(convert_to('Donation:' || CAST(donations_page_2.id AS TEXT), 'UTF8'), 'base64') ||
      '","amountCfa":' || CAST(donations_page_2.amount_cfa AS TEXT) ||
      ',"donorUser":' || coalesce((
      SELECT E'\x02User:' || CAST(users_2.id AS TEXT) || E'\x02{"id":"' || encode(convert_to('User:' || CAST(users_2.id AS TEXT), 'UTF8'), 'base64') ||
        '","email":' || coalesce(CAST(to_json(users_2.email) AS TEXT), 'null') || '}' AS anon_5
      FROM identity.users AS users_2
      WHERE users_2.id = donations_page_2.donor_user_id
    ), 'null') || '}', ','), '') || ']}' AS anon_4
    FROM (
      SELECT donations_1.id AS id, donations_1.donor_user_id AS donor_user_id, donations_1.amount_cfa AS amount_cfa
      FROM donations.donations AS donations_1
      WHERE donations_1.pot_id = pots_page_1.id
      ORDER BY donations_1.created_at DESC, donations_1.id DESC
      LIMIT 10
    ) AS donations_page_2
  ) ||
    ',"qrCodes":' || (
    SELECT '{"totalCount":' || CAST((
      SELECT count(*) AS count_1
      FROM redemption.qr_codes AS qr_codes_1
      WHERE qr_codes_1.pot_id = pots_page_1.id
    ) AS TEXT) ||
      ',"nodes":[' || coalesce(string_agg('{"id":"' || encode(convert_to('QrCode:' || CAST(qr_codes_page_3.id AS TEXT), 'UTF8'), 'base64') ||
      '","code":' || CAST(to_json(qr_codes_page_3.code) AS TEXT) ||
      ',"status":' || coalesce('"' || upper(CAST(qr_codes_page_3.status AS TEXT)) || '"', 'null') || '}', ','), '') || ']}' AS anon_6
    FROM (
      SELECT qr_codes_2.id AS id, qr_codes_2.code AS code, qr_codes_2.status AS status
      FROM redemption.qr_codes AS qr_codes_2
      WHERE qr_codes_2.pot_id = pots_page_1.id
      ORDER BY qr_codes_2.created_at DESC, qr_codes_2.id DESC
      LIMIT 5
    ) AS qr_codes_page_3
  ) ||
    ',"preferredPack":' || coalesce((
    SELECT '{"name":' || CAST(to_json(packs_1.name) AS TEXT) ||
      ',"partner":' || coalesce((
      SELECT '{"id":"' || encode(convert_to('Partner:' || CAST(partners_1.id AS TEXT), 'UTF8'), 'base64') ||
        '","name":' || CAST(to_json(partners_1.name) AS TEXT) || '}' AS anon_8
      FROM packs.partners AS partners_1
      WHERE partners_1.id = packs_1.partner_id
    ), 'null') || '}' AS anon_7
    FROM packs.packs AS packs_1
    WHERE packs_1.id = pots_page_1.preferred_pack_id
  ), 'null') || '}', ','), '') || ']}' AS anon_1
  FROM (
    SELECT pots_1.id AS id, pots_1.owner_user_id AS owner_user_id, pots_1.title AS title, pots_1.preferred_pack_id AS preferred_pack_id, pots_1.raised_cfa AS raised_cfa
    FROM pots.pots AS pots_1
    WHERE pots_1.visibility = $1::VARCHAR
    ORDER BY pots_1.created_at DESC, pots_1.id DESC
    LIMIT 20
  ) AS pots_page_1
) AS answer (text);
