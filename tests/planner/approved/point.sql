-- pot
-- $1 = UUID('00000000-0000-4000-8000-000000000001')
/* lango_member */ SELECT '{"id":"' || encode(convert_to('Pot:' || CAST(pots_1.id AS TEXT), 'UTF8'), 'base64') ||
  '","rowId":"' || CAST(pots_1.id AS TEXT) ||
  '","title":' || CAST(to_json(pots_1.title) AS TEXT) ||
  ',"description":' || coalesce(CAST(to_json(pots_1.description) AS TEXT), 'null') ||
  ',"targetAmountCfa":' || CAST(pots_1.target_amount_cfa AS TEXT) ||
  ',"raisedCfa":' || CAST(pots_1.raised_cfa AS TEXT) ||
  ',"birthdayDate":"' || CAST(pots_1.birthday_date AS TEXT) ||
  '","status":' || coalesce('"' || upper(CAST(pots_1.status AS TEXT)) || '"', 'null') ||
  ',"visibility":' || coalesce('"' || upper(CAST(pots_1.visibility AS TEXT)) || '"', 'null') ||
  ',"createdAt":"' || to_char(pots_1.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ||
  '","ownerUserId":"' || encode(convert_to('User:' || CAST(pots_1.owner_user_id AS TEXT), 'UTF8'), 'base64') || '"}' AS anon_1
FROM pots.pots AS pots_1
WHERE pots_1.id = $1::UUID;
