-- pot
-- $1 = UUID('00000000-0000-4000-8000-000000000001')
-- Python fills in QrCode.svg
/* lango_member */ SELECT '{"title":' || CAST(to_json(pots_1.title) AS TEXT) ||
  ',"qrCodes":' || (
  SELECT '{"nodes":[' || coalesce(string_agg('{"code":' || CAST(to_json(qr_codes_page_1.code) AS TEXT) ||
    ',"status":' || coalesce('"' || upper(CAST(qr_codes_page_1.status AS TEXT)) || '"', 'null') ||
    E',"svg":\x010:' || encode(convert_to('QrCode:' || CAST(qr_codes_page_1.id AS TEXT), 'UTF8'), 'base64') ||
    E'\x01,"pack":' || coalesce((
    SELECT '{"name":' || CAST(to_json(packs_1.name) AS TEXT) || '}' AS anon_3
    FROM packs.packs AS packs_1
    WHERE packs_1.id = qr_codes_page_1.pack_id
  ), 'null') || '}', ','), '') || ']}' AS anon_2
  FROM (
    SELECT qr_codes_1.id AS id, qr_codes_1.pack_id AS pack_id, qr_codes_1.code AS code, qr_codes_1.status AS status
    FROM redemption.qr_codes AS qr_codes_1
    WHERE qr_codes_1.pot_id = pots_1.id
    ORDER BY qr_codes_1.expires_at ASC, qr_codes_1.id ASC
    LIMIT 5
  ) AS qr_codes_page_1
) || '}' AS anon_1
FROM pots.pots AS pots_1
WHERE pots_1.id = $1::UUID;
