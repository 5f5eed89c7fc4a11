-- redeemQrCode.qrCode
-- $1 = UUID('00000000-0000-4000-8000-000000000007')
/* lango_member */ SELECT '{"id":"' || encode(convert_to('QrCode:' || CAST(qr_codes_1.id AS TEXT), 'UTF8'), 'base64') ||
  '","status":' || coalesce('"' || upper(CAST(qr_codes_1.status AS TEXT)) || '"', 'null') ||
  ',"redeemedAt":' || coalesce('"' || to_char(qr_codes_1.redeemed_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"', 'null') ||
  ',"partnerShareCfa":' || coalesce(CAST(qr_codes_1.partner_share_cfa AS TEXT), 'null') ||
  ',"pack":' || coalesce((
  SELECT '{"name":' || CAST(to_json(packs_1.name) AS TEXT) || '}' AS anon_2
  FROM packs.packs AS packs_1
  WHERE packs_1.id = qr_codes_1.pack_id
), 'null') ||
  ',"redeemedByPartner":' || coalesce((
  SELECT '{"name":' || CAST(to_json(partners_1.name) AS TEXT) || '}' AS anon_3
  FROM packs.partners AS partners_1
  WHERE partners_1.id = qr_codes_1.redeemed_by_partner_id
), 'null') || '}' AS anon_1
FROM redemption.qr_codes AS qr_codes_1
WHERE qr_codes_1.id = $1::UUID;
