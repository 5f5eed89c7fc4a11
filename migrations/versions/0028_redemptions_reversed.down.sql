-- What was taken back cannot be said in the older words.
ALTER TABLE redemption.qr_redemption_logs DISABLE TRIGGER append_only;

DELETE FROM redemption.qr_redemption_logs WHERE validation_result = 'reversed';

ALTER TABLE redemption.qr_redemption_logs ENABLE TRIGGER append_only;

DROP POLICY lango_member ON packs.packs;

CREATE POLICY lango_member ON packs.packs FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((is_active) OR (partner_id = ANY ((SELECT lango.my_partners())::uuid[]))));

DROP TRIGGER guard_transition ON redemption.qr_codes;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON redemption.qr_codes FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'issued>cancelled', 'issued>expired', 'issued>redeemed');

ALTER TABLE redemption.qr_redemption_logs DROP CONSTRAINT ck_qr_redemption_logs_validation_result_is_known;

ALTER TABLE redemption.qr_redemption_logs ADD CONSTRAINT ck_qr_redemption_logs_validation_result_is_known CHECK (validation_result IN ('success', 'expired', 'already_used', 'invalid', 'not_yet_redeemable', 'cancelled', 'wrong_partner', 'venue_not_allowed', 'partner_suspended'));

COMMENT ON TABLE redemption.qr_redemption_logs IS 'An attempt to redeem a code, also one that was refused.';

COMMENT ON COLUMN redemption.qr_redemption_logs.partner_user_id IS 'Who scanned.';

COMMENT ON COLUMN redemption.qr_redemption_logs.error_message IS 'What the cashier was told; null on success.';

DROP FUNCTION lango.my_codes_packs();
