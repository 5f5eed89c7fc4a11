-- QR codes, their redemption, and the settlements that follow.

DROP TABLE redemption.qr_codes, redemption.partner_settlements, redemption.qr_redemption_logs;

DROP SCHEMA redemption;
