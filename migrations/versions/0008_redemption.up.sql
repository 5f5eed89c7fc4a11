-- QR codes, their redemption, and the settlements that follow.

CREATE SCHEMA redemption;

COMMENT ON SCHEMA redemption IS 'Codes that are redeemed at partners, the log of every attempt, and what partners are paid for it.';
GRANT USAGE ON SCHEMA redemption TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE redemption.qr_codes (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pot_id UUID NOT NULL,
    pack_id UUID NOT NULL,
    code VARCHAR(100) NOT NULL,
    qr_image_url VARCHAR(500),
    redeemable_from TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status VARCHAR(20) DEFAULT 'issued',
    redeemed_at TIMESTAMP WITH TIME ZONE,
    redeemed_by_partner_id UUID,
    redeemed_at_venue JSONB,
    partner_notes TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    price_cfa INTEGER NOT NULL,
    partner_share_cfa INTEGER,
    settlement_id UUID,
    CONSTRAINT pk_qr_codes PRIMARY KEY (id),
    CONSTRAINT check_valid_redemption_period CHECK (expires_at > redeemable_from),
    CONSTRAINT ck_qr_codes_price_is_positive CHECK (price_cfa > 0),
    CONSTRAINT uq_qr_codes_code UNIQUE (code),
    CONSTRAINT ck_qr_codes_status_is_known CHECK (status IN ('issued', 'redeemed', 'expired', 'cancelled')),
    CONSTRAINT ck_qr_codes_times_are_finite CHECK (redeemable_from >= '0001-01-01' AND redeemable_from < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND redeemed_at >= '0001-01-01' AND redeemed_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_qr_codes_expires_at ON redemption.qr_codes (expires_at);
CREATE INDEX ix_qr_codes_pack_id ON redemption.qr_codes (pack_id);
CREATE INDEX ix_qr_codes_pot_id ON redemption.qr_codes (pot_id);
CREATE INDEX ix_qr_codes_redeemed_by_partner_id ON redemption.qr_codes (redeemed_by_partner_id);
CREATE INDEX ix_qr_codes_settlement_id ON redemption.qr_codes (settlement_id);
CREATE INDEX ix_qr_codes_status ON redemption.qr_codes (status);

COMMENT ON TABLE redemption.qr_codes IS 'A code that one partner may redeem once, between the birthday and its expiry.';
COMMENT ON COLUMN redemption.qr_codes.id IS 'The row''s key.';
COMMENT ON COLUMN redemption.qr_codes.pot_id IS 'The pot that pays for the pack.';
COMMENT ON COLUMN redemption.qr_codes.pack_id IS 'The pack it is redeemed for.';
COMMENT ON COLUMN redemption.qr_codes.code IS 'What the QR image holds: 128 random bits.';
COMMENT ON COLUMN redemption.qr_codes.qr_image_url IS 'Where a rendered image is kept; null where clients draw `svg`.';
COMMENT ON COLUMN redemption.qr_codes.redeemable_from IS 'When the birthday begins, in the pot''s time zone.';
COMMENT ON COLUMN redemption.qr_codes.expires_at IS 'When it can no longer be redeemed: the pack''s `validity_days` after the birthday.';
COMMENT ON COLUMN redemption.qr_codes.status IS 'Where it stands.';
COMMENT ON COLUMN redemption.qr_codes.redeemed_at IS 'When it was redeemed; null before.';
COMMENT ON COLUMN redemption.qr_codes.redeemed_by_partner_id IS 'Who redeemed it; null before.';
COMMENT ON COLUMN redemption.qr_codes.redeemed_at_venue IS 'The partner''s venue where it was redeemed, as it was then; null before.';
COMMENT ON COLUMN redemption.qr_codes.partner_notes IS 'What the cashier noted.';
COMMENT ON COLUMN redemption.qr_codes.created_at IS 'When the row was written.';
COMMENT ON COLUMN redemption.qr_codes.price_cfa IS 'The price in CFA francs, reserved when the code was issued.';
COMMENT ON COLUMN redemption.qr_codes.partner_share_cfa IS 'The partner''s part of the price in CFA francs; null until it is redeemed.';
COMMENT ON COLUMN redemption.qr_codes.settlement_id IS 'The one settlement that pays for this redemption; null until then.';
ALTER TABLE redemption.qr_codes ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, pot_id, pack_id, code, qr_image_url, redeemable_from, expires_at, status, redeemed_at, redeemed_by_partner_id, redeemed_at_venue, partner_notes, created_at, price_cfa, partner_share_cfa, settlement_id) ON redemption.qr_codes TO lango_anonymous;
GRANT SELECT (id, pot_id, pack_id, code, qr_image_url, redeemable_from, expires_at, status, redeemed_at, redeemed_by_partner_id, redeemed_at_venue, partner_notes, created_at, price_cfa, partner_share_cfa, settlement_id) ON redemption.qr_codes TO lango_member;
GRANT SELECT (id, pot_id, pack_id, code, qr_image_url, redeemable_from, expires_at, status, redeemed_at, redeemed_by_partner_id, redeemed_at_venue, partner_notes, created_at, price_cfa, partner_share_cfa, settlement_id) ON redemption.qr_codes TO lango_staff;
CREATE POLICY lango_member ON redemption.qr_codes FOR SELECT TO lango_member USING (((pot_id = ANY ((SELECT lango.my_pots())::uuid[])) OR (redeemed_by_partner_id = ANY ((SELECT lango.my_partners())::uuid[]))));
CREATE POLICY lango_staff ON redemption.qr_codes FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON redemption.qr_codes TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON redemption.qr_codes TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON redemption.qr_codes TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON redemption.qr_codes FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'issued>cancelled', 'issued>expired', 'issued>redeemed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON redemption.qr_codes FOR EACH ROW EXECUTE FUNCTION lango.audit('qr_code', 'id', '', '', '');

CREATE TABLE redemption.partner_settlements (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    partner_id UUID NOT NULL,
    period_start DATE NOT NULL,
    period_end DATE NOT NULL,
    total_redemptions_count INTEGER DEFAULT 0,
    total_revenue_cfa INTEGER DEFAULT 0 NOT NULL,
    partner_share_cfa INTEGER DEFAULT 0 NOT NULL,
    wolo_commission_cfa INTEGER DEFAULT 0 NOT NULL,
    status VARCHAR(20) DEFAULT 'pending',
    approved_by_user_id UUID,
    approved_at TIMESTAMP WITH TIME ZONE,
    payment_reference VARCHAR(100),
    paid_at TIMESTAMP WITH TIME ZONE,
    invoice_url VARCHAR(500),
    receipt_url VARCHAR(500),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_partner_settlements PRIMARY KEY (id),
    CONSTRAINT uq_partner_settlements_partner_id_period_start_period_end UNIQUE (partner_id, period_start, period_end),
    CONSTRAINT ck_partner_settlements_status_is_known CHECK (status IN ('pending', 'approved', 'paid', 'disputed')),
    CONSTRAINT ck_partner_settlements_times_are_finite CHECK (period_start >= '0001-01-01' AND period_start < '9999-01-01' AND period_end >= '0001-01-01' AND period_end < '9999-01-01' AND approved_at >= '0001-01-01' AND approved_at < '9999-01-01' AND paid_at >= '0001-01-01' AND paid_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_partner_settlements_approved_by_user_id ON redemption.partner_settlements (approved_by_user_id);

COMMENT ON TABLE redemption.partner_settlements IS 'What a partner is paid for the codes redeemed in a period; each redemption is in exactly one settlement.';
COMMENT ON COLUMN redemption.partner_settlements.id IS 'The row''s key.';
COMMENT ON COLUMN redemption.partner_settlements.partner_id IS 'The partner that is paid.';
COMMENT ON COLUMN redemption.partner_settlements.period_start IS 'The first day of the period.';
COMMENT ON COLUMN redemption.partner_settlements.period_end IS 'The last day of the period.';
COMMENT ON COLUMN redemption.partner_settlements.total_redemptions_count IS 'How many codes were redeemed.';
COMMENT ON COLUMN redemption.partner_settlements.total_revenue_cfa IS 'The prices of those codes together, in CFA francs.';
COMMENT ON COLUMN redemption.partner_settlements.partner_share_cfa IS 'The partner''s part, in CFA francs.';
COMMENT ON COLUMN redemption.partner_settlements.wolo_commission_cfa IS 'The platform''s part, in CFA francs.';
COMMENT ON COLUMN redemption.partner_settlements.status IS 'Where it stands.';
COMMENT ON COLUMN redemption.partner_settlements.approved_by_user_id IS 'Who approved it; null where it approves itself.';
COMMENT ON COLUMN redemption.partner_settlements.approved_at IS 'When it was approved; null before.';
COMMENT ON COLUMN redemption.partner_settlements.payment_reference IS 'The bank''s or provider''s reference of the payment; null before.';
COMMENT ON COLUMN redemption.partner_settlements.paid_at IS 'When it was paid; null before.';
COMMENT ON COLUMN redemption.partner_settlements.invoice_url IS 'Where the invoice is; null without one.';
COMMENT ON COLUMN redemption.partner_settlements.receipt_url IS 'Where the receipt is; null without one.';
COMMENT ON COLUMN redemption.partner_settlements.created_at IS 'When the row was written.';
COMMENT ON COLUMN redemption.partner_settlements.updated_at IS 'When the row was last changed.';
ALTER TABLE redemption.partner_settlements ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, partner_id, period_start, period_end, total_redemptions_count, total_revenue_cfa, partner_share_cfa, wolo_commission_cfa, status, approved_by_user_id, approved_at, payment_reference, paid_at, invoice_url, receipt_url, created_at, updated_at) ON redemption.partner_settlements TO lango_anonymous;
GRANT SELECT (id, partner_id, period_start, period_end, total_redemptions_count, total_revenue_cfa, partner_share_cfa, wolo_commission_cfa, status, approved_by_user_id, approved_at, payment_reference, paid_at, invoice_url, receipt_url, created_at, updated_at) ON redemption.partner_settlements TO lango_member;
GRANT SELECT (id, partner_id, period_start, period_end, total_redemptions_count, total_revenue_cfa, partner_share_cfa, wolo_commission_cfa, status, approved_by_user_id, approved_at, payment_reference, paid_at, invoice_url, receipt_url, created_at, updated_at) ON redemption.partner_settlements TO lango_staff;
CREATE POLICY lango_member ON redemption.partner_settlements FOR SELECT TO lango_member USING (((partner_id = ANY ((SELECT lango.my_managed_partners())::uuid[]))));
CREATE POLICY lango_staff ON redemption.partner_settlements FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON redemption.partner_settlements TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON redemption.partner_settlements TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON redemption.partner_settlements TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON redemption.partner_settlements FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON redemption.partner_settlements FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>disputed', 'approved>paid', 'disputed>pending', 'pending>approved', 'pending>disputed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON redemption.partner_settlements FOR EACH ROW EXECUTE FUNCTION lango.audit('partner_settlement', 'id', '', '', '');

CREATE TABLE redemption.qr_redemption_logs (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    qr_code_id UUID,
    partner_user_id UUID,
    attempt_timestamp TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    validation_result VARCHAR(20) NOT NULL,
    error_message TEXT,
    ip_address INET,
    user_agent TEXT,
    venue_context JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    presented_code_sha256 VARCHAR(64) NOT NULL,
    partner_id UUID,
    CONSTRAINT pk_qr_redemption_logs PRIMARY KEY (id),
    CONSTRAINT ck_qr_redemption_logs_validation_result_is_known CHECK (validation_result IN ('success', 'expired', 'already_used', 'invalid', 'not_yet_redeemable', 'cancelled', 'wrong_partner', 'venue_not_allowed', 'partner_suspended')),
    CONSTRAINT ck_qr_redemption_logs_times_are_finite CHECK (attempt_timestamp >= '0001-01-01' AND attempt_timestamp < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_qr_redemption_logs_partner_id ON redemption.qr_redemption_logs (partner_id);
CREATE INDEX ix_qr_redemption_logs_partner_user_id ON redemption.qr_redemption_logs (partner_user_id);
CREATE INDEX ix_qr_redemption_logs_qr_code_id ON redemption.qr_redemption_logs (qr_code_id);

COMMENT ON TABLE redemption.qr_redemption_logs IS 'An attempt to redeem a code, also one that was refused.';
COMMENT ON COLUMN redemption.qr_redemption_logs.id IS 'The row''s key.';
COMMENT ON COLUMN redemption.qr_redemption_logs.qr_code_id IS 'The code that was presented; null when no such code exists.';
COMMENT ON COLUMN redemption.qr_redemption_logs.partner_user_id IS 'Who scanned.';
COMMENT ON COLUMN redemption.qr_redemption_logs.attempt_timestamp IS 'When it was scanned.';
COMMENT ON COLUMN redemption.qr_redemption_logs.validation_result IS 'What it came to.';
COMMENT ON COLUMN redemption.qr_redemption_logs.error_message IS 'What the cashier was told; null on success.';
COMMENT ON COLUMN redemption.qr_redemption_logs.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN redemption.qr_redemption_logs.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN redemption.qr_redemption_logs.venue_context IS 'The venue the cashier named, and what is known of it.';
COMMENT ON COLUMN redemption.qr_redemption_logs.created_at IS 'When the row was written.';
COMMENT ON COLUMN redemption.qr_redemption_logs.presented_code_sha256 IS 'SHA-256 of what was presented, in hexadecimal: the code itself is not kept.';
COMMENT ON COLUMN redemption.qr_redemption_logs.partner_id IS 'The partner whose member scanned; null where the caller belongs to none.';
ALTER TABLE redemption.qr_redemption_logs ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, qr_code_id, partner_user_id, attempt_timestamp, validation_result, error_message, ip_address, user_agent, venue_context, created_at, presented_code_sha256, partner_id) ON redemption.qr_redemption_logs TO lango_anonymous;
GRANT SELECT (id, qr_code_id, partner_user_id, attempt_timestamp, validation_result, error_message, ip_address, user_agent, venue_context, created_at, presented_code_sha256, partner_id) ON redemption.qr_redemption_logs TO lango_member;
GRANT SELECT (id, qr_code_id, partner_user_id, attempt_timestamp, validation_result, error_message, ip_address, user_agent, venue_context, created_at, presented_code_sha256, partner_id) ON redemption.qr_redemption_logs TO lango_staff;
CREATE POLICY lango_member ON redemption.qr_redemption_logs FOR SELECT TO lango_member USING ((((partner_id = ANY ((SELECT lango.my_partners())::uuid[])) AND (validation_result <> 'wrong_partner'))));
CREATE POLICY lango_staff ON redemption.qr_redemption_logs FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON redemption.qr_redemption_logs TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON redemption.qr_redemption_logs TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON redemption.qr_redemption_logs TO lango_rules, lango_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON redemption.qr_redemption_logs FOR EACH ROW EXECUTE FUNCTION lango.refuse_change();

ALTER TABLE redemption.qr_codes ADD CONSTRAINT fk_qr_codes_pack_id FOREIGN KEY(pack_id) REFERENCES packs.packs (id);

ALTER TABLE redemption.qr_codes ADD CONSTRAINT fk_qr_codes_pot_id FOREIGN KEY(pot_id) REFERENCES pots.pots (id);

ALTER TABLE redemption.qr_codes ADD CONSTRAINT fk_qr_codes_redeemed_by_partner_id FOREIGN KEY(redeemed_by_partner_id) REFERENCES packs.partners (id);

ALTER TABLE redemption.qr_codes ADD CONSTRAINT fk_qr_codes_settlement_id FOREIGN KEY(settlement_id) REFERENCES redemption.partner_settlements (id);

ALTER TABLE redemption.partner_settlements ADD CONSTRAINT fk_partner_settlements_approved_by_user_id FOREIGN KEY(approved_by_user_id) REFERENCES identity.users (id);

ALTER TABLE redemption.partner_settlements ADD CONSTRAINT fk_partner_settlements_partner_id FOREIGN KEY(partner_id) REFERENCES packs.partners (id);

ALTER TABLE redemption.qr_redemption_logs ADD CONSTRAINT fk_qr_redemption_logs_partner_id FOREIGN KEY(partner_id) REFERENCES packs.partners (id);

ALTER TABLE redemption.qr_redemption_logs ADD CONSTRAINT fk_qr_redemption_logs_partner_user_id FOREIGN KEY(partner_user_id) REFERENCES identity.users (id);

ALTER TABLE redemption.qr_redemption_logs ADD CONSTRAINT fk_qr_redemption_logs_qr_code_id FOREIGN KEY(qr_code_id) REFERENCES redemption.qr_codes (id);
