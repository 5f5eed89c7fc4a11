CREATE FUNCTION lango.my_codes_packs() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT DISTINCT c.pack_id FROM redemption.qr_codes c
    WHERE c.pot_id = ANY ((SELECT lango.my_pots())::uuid[]) AND c.status IN ('issued', 'redeemed')
)$$;

COMMENT ON FUNCTION lango.my_codes_packs() IS 'The packs of the codes that the caller holds or has redeemed.';

REVOKE ALL ON FUNCTION lango.my_codes_packs() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.my_codes_packs() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

DROP POLICY lango_member ON packs.packs;

CREATE POLICY lango_member ON packs.packs FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((is_active) OR (partner_id = ANY ((SELECT lango.my_partners())::uuid[])) OR (id = ANY ((SELECT lango.my_codes_packs())::uuid[]))));

DROP TRIGGER guard_transition ON redemption.qr_codes;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON redemption.qr_codes FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'issued>cancelled', 'issued>expired', 'issued>redeemed', 'redeemed>issued');

ALTER TABLE redemption.qr_redemption_logs DROP CONSTRAINT ck_qr_redemption_logs_validation_result_is_known;

ALTER TABLE redemption.qr_redemption_logs ADD CONSTRAINT ck_qr_redemption_logs_validation_result_is_known CHECK (validation_result IN ('success', 'expired', 'already_used', 'invalid', 'not_yet_redeemable', 'cancelled', 'wrong_partner', 'venue_not_allowed', 'partner_suspended', 'reversed'));

COMMENT ON TABLE redemption.qr_redemption_logs IS 'An attempt to redeem a code, also one that was refused; or a redemption that staff took back.';

COMMENT ON COLUMN redemption.qr_redemption_logs.partner_user_id IS 'Who scanned; null where staff took the redemption back.';

COMMENT ON COLUMN redemption.qr_redemption_logs.error_message IS 'What the cashier was told, or why the redemption was taken back; null on success.';
