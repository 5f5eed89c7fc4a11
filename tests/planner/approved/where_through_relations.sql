-- donations
-- $1 = 1000
-- $2 = 500
-- $3 = ['issued', 'redeemed']
-- $4 = 'public'
-- $5 = datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $6 = 1000
-- $7 = 1000
-- $8 = 500
-- $9 = ['issued', 'redeemed']
-- $10 = 'public'
-- $11 = datetime.datetime(2025, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- $12 = 1000
/* lango_member */ SELECT '{"totalCount":' || CAST((
  SELECT count(*) AS count_1
  FROM donations.donations AS donations_1
  WHERE (EXISTS (
    SELECT 1
    FROM pots.pots AS pots_1
    WHERE donations_1.pot_id = pots_1.id AND (EXISTS (
      SELECT 1
      FROM donations.contributions AS contributions_1
      WHERE pots_1.id = contributions_1.pot_id AND contributions_1.amount_cfa >= $1::INTEGER
      LIMIT ALL OFFSET 0
    )) AND NOT (EXISTS (
      SELECT 1
      FROM donations.contributions AS contributions_2
      WHERE pots_1.id = contributions_2.pot_id AND contributions_2.amount_cfa < $2::INTEGER
      LIMIT ALL OFFSET 0
    )) AND NOT (EXISTS (
      SELECT 1
      FROM redemption.qr_codes AS qr_codes_1
      WHERE pots_1.id = qr_codes_1.pot_id AND (qr_codes_1.status = ANY ($3::VARCHAR(20)[])) IS NOT true
    )) AND (pots_1.visibility = $4::VARCHAR OR (EXISTS (
      SELECT 1
      FROM profiles.public_profiles AS public_profiles_1
      WHERE pots_1.owner_user_id = public_profiles_1.user_id AND public_profiles_1.full_name IS NOT NULL
      LIMIT ALL OFFSET 0
    )))
  )) AND donations_1.created_at >= $5::TIMESTAMP WITH TIME ZONE AND (donations_1.amount_cfa < $6::INTEGER) IS NOT true
) AS TEXT) ||
  ',"nodes":[' || coalesce(string_agg('{"id":"' || encode(convert_to('Donation:' || CAST(donations_page_1.id AS TEXT), 'UTF8'), 'base64') ||
  '","amountCfa":' || CAST(donations_page_1.amount_cfa AS TEXT) ||
  ',"pot":' || coalesce((
  SELECT '{"title":' || CAST(to_json(pots_2.title) AS TEXT) || '}' AS anon_2
  FROM pots.pots AS pots_2
  WHERE pots_2.id = donations_page_1.pot_id
), 'null') || '}', ','), '') || ']}' AS anon_1
FROM (
  SELECT donations_2.id AS id, donations_2.pot_id AS pot_id, donations_2.amount_cfa AS amount_cfa
  FROM donations.donations AS donations_2
  WHERE (EXISTS (
    SELECT 1
    FROM pots.pots AS pots_3
    WHERE donations_2.pot_id = pots_3.id AND (EXISTS (
      SELECT 1
      FROM donations.contributions AS contributions_3
      WHERE pots_3.id = contributions_3.pot_id AND contributions_3.amount_cfa >= $7::INTEGER
      LIMIT ALL OFFSET 0
    )) AND NOT (EXISTS (
      SELECT 1
      FROM donations.contributions AS contributions_4
      WHERE pots_3.id = contributions_4.pot_id AND contributions_4.amount_cfa < $8::INTEGER
      LIMIT ALL OFFSET 0
    )) AND NOT (EXISTS (
      SELECT 1
      FROM redemption.qr_codes AS qr_codes_2
      WHERE pots_3.id = qr_codes_2.pot_id AND (qr_codes_2.status = ANY ($9::VARCHAR(20)[])) IS NOT true
    )) AND (pots_3.visibility = $10::VARCHAR OR (EXISTS (
      SELECT 1
      FROM profiles.public_profiles AS public_profiles_2
      WHERE pots_3.owner_user_id = public_profiles_2.user_id AND public_profiles_2.full_name IS NOT NULL
      LIMIT ALL OFFSET 0
    )))
  )) AND donations_2.created_at >= $11::TIMESTAMP WITH TIME ZONE AND (donations_2.amount_cfa < $12::INTEGER) IS NOT true
  ORDER BY donations_2.created_at DESC, donations_2.id DESC
  LIMIT 20
) AS donations_page_1;
