-- donations
/* lango_member */ SELECT '{"nodes":[' || coalesce(string_agg('{"id":"' || encode(convert_to('Donation:' || CAST(donations_page_1.id AS TEXT), 'UTF8'), 'base64') ||
  '","amountCfa":' || CAST(donations_page_1.amount_cfa AS TEXT) ||
  ',"status":' || coalesce('"' || upper(CAST(donations_page_1.status AS TEXT)) || '"', 'null') ||
  ',"createdAt":"' || to_char(donations_page_1.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ||
  '","potId":"' || encode(convert_to('Pot:' || CAST(donations_page_1.pot_id AS TEXT), 'UTF8'), 'base64') ||
  '","donationMessage":' || coalesce(CAST(to_json(donations_page_1.donation_message) AS TEXT), 'null') || '}', ','), '') || ']}' AS anon_1
FROM (
  SELECT donations_1.id AS id, donations_1.pot_id AS pot_id, donations_1.amount_cfa AS amount_cfa, donations_1.status AS status, donations_1.donation_message AS donation_message, donations_1.created_at AS created_at
  FROM donations.donations AS donations_1
  ORDER BY donations_1.created_at DESC, donations_1.id DESC
  LIMIT 50
) AS donations_page_1;
