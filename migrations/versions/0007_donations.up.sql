-- Donations, refunds, and what others see of them.

CREATE SCHEMA donations;

COMMENT ON SCHEMA donations IS 'Donations by Wave, what others see of them, the webhooks that report on them, and refunds.';
GRANT USAGE ON SCHEMA donations TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE donations.donations (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pot_id UUID NOT NULL,
    donor_user_id UUID,
    donor_name VARCHAR(255),
    donor_phone VARCHAR(20),
    amount_cfa INTEGER NOT NULL,
    wave_transaction_id VARCHAR(100),
    wave_payment_url TEXT,
    status VARCHAR(20) DEFAULT 'pending',
    initiated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    wave_notified_at TIMESTAMP WITH TIME ZONE,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    refunded_at TIMESTAMP WITH TIME ZONE,
    donation_message TEXT,
    is_anonymous BOOLEAN DEFAULT false NOT NULL,
    show_amount BOOLEAN DEFAULT true NOT NULL,
    wave_webhook_data JSONB,
    ip_address INET,
    user_agent TEXT,
    risk_score INTEGER DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    wave_checkout_session_id VARCHAR(100),
    receipt_token_hash VARCHAR(255),
    CONSTRAINT pk_donations PRIMARY KEY (id),
    CONSTRAINT ck_donations_amount_is_positive CHECK (amount_cfa > 0),
    CONSTRAINT uq_donations_wave_transaction_id UNIQUE (wave_transaction_id),
    CONSTRAINT uq_donations_wave_checkout_session_id UNIQUE (wave_checkout_session_id),
    CONSTRAINT ck_donations_status_is_known CHECK (status IN ('pending', 'processing', 'succeeded', 'failed', 'refunded')),
    CONSTRAINT ck_donations_times_are_finite CHECK (initiated_at >= '0001-01-01' AND initiated_at < '9999-01-01' AND wave_notified_at >= '0001-01-01' AND wave_notified_at < '9999-01-01' AND confirmed_at >= '0001-01-01' AND confirmed_at < '9999-01-01' AND failed_at >= '0001-01-01' AND failed_at < '9999-01-01' AND refunded_at >= '0001-01-01' AND refunded_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_donations_donor_user_id ON donations.donations (donor_user_id) WHERE donor_user_id IS NOT NULL;
CREATE INDEX ix_donations_pot_id ON donations.donations (pot_id);
CREATE INDEX ix_donations_pot_id_created_at_id ON donations.donations (pot_id, created_at, id);
CREATE INDEX ix_donations_status ON donations.donations (status);
CREATE INDEX ix_donations_wave_transaction_id ON donations.donations (wave_transaction_id) WHERE wave_transaction_id IS NOT NULL;

COMMENT ON TABLE donations.donations IS 'What somebody gives, or tries to give, to a pot by Wave.';
COMMENT ON COLUMN donations.donations.id IS 'The row''s key.';
COMMENT ON COLUMN donations.donations.pot_id IS 'The pot it is given to.';
COMMENT ON COLUMN donations.donations.donor_user_id IS 'Who gives; null for a donor who is not signed in.';
COMMENT ON COLUMN donations.donations.donor_name IS 'The name the donor wants to be shown by; null to use the profile''s, if there is one.';
COMMENT ON COLUMN donations.donations.donor_phone IS 'The phone that pays by Wave; null where it was not given.';
COMMENT ON COLUMN donations.donations.amount_cfa IS 'How much is given, in CFA francs.';
COMMENT ON COLUMN donations.donations.wave_transaction_id IS 'Wave''s key of the payment; null until it is paid.';
COMMENT ON COLUMN donations.donations.wave_payment_url IS 'Where the donor pays; null until Wave has opened a checkout.';
COMMENT ON COLUMN donations.donations.status IS 'Where it stands.';
COMMENT ON COLUMN donations.donations.initiated_at IS 'When the donor asked to give.';
COMMENT ON COLUMN donations.donations.wave_notified_at IS 'When Wave reported on the payment; null before.';
COMMENT ON COLUMN donations.donations.confirmed_at IS 'When it succeeded; null before.';
COMMENT ON COLUMN donations.donations.failed_at IS 'When it failed; null where it has not.';
COMMENT ON COLUMN donations.donations.refunded_at IS 'When it was given back; null where it was not.';
COMMENT ON COLUMN donations.donations.donation_message IS 'What the donor wrote to go with it; null where nothing.';
COMMENT ON COLUMN donations.donations.is_anonymous IS 'Whether others are not told who gave.';
COMMENT ON COLUMN donations.donations.show_amount IS 'Whether others see how much it is.';
COMMENT ON COLUMN donations.donations.wave_webhook_data IS 'What Wave last reported on the payment, whole; null before.';
COMMENT ON COLUMN donations.donations.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN donations.donations.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN donations.donations.risk_score IS 'How risky it looks, 0-100, higher is riskier; above a limit it waits for staff before it counts.';
COMMENT ON COLUMN donations.donations.created_at IS 'When the row was written.';
COMMENT ON COLUMN donations.donations.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN donations.donations.wave_checkout_session_id IS 'Wave''s key of the checkout, the last one after a retry; null until Wave has opened one.';
COMMENT ON COLUMN donations.donations.receipt_token_hash IS 'Hash of the token that opens the receipt without signing in; null where the donor is signed in.';
ALTER TABLE donations.donations ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, pot_id, donor_user_id, donor_name, donor_phone, amount_cfa, wave_transaction_id, wave_payment_url, status, initiated_at, wave_notified_at, confirmed_at, failed_at, refunded_at, donation_message, is_anonymous, show_amount, wave_webhook_data, ip_address, user_agent, risk_score, created_at, updated_at, wave_checkout_session_id) ON donations.donations TO lango_anonymous;
GRANT SELECT (id, pot_id, donor_user_id, donor_name, donor_phone, amount_cfa, wave_transaction_id, wave_payment_url, status, initiated_at, wave_notified_at, confirmed_at, failed_at, refunded_at, donation_message, is_anonymous, show_amount, wave_webhook_data, ip_address, user_agent, risk_score, created_at, updated_at, wave_checkout_session_id) ON donations.donations TO lango_member;
GRANT SELECT (id, pot_id, donor_user_id, donor_name, donor_phone, amount_cfa, wave_transaction_id, wave_payment_url, status, initiated_at, wave_notified_at, confirmed_at, failed_at, refunded_at, donation_message, is_anonymous, show_amount, wave_webhook_data, ip_address, user_agent, risk_score, created_at, updated_at, wave_checkout_session_id) ON donations.donations TO lango_staff;
CREATE POLICY lango_member ON donations.donations FOR SELECT TO lango_member USING (((donor_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON donations.donations FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON donations.donations TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON donations.donations TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON donations.donations TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON donations.donations FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON donations.donations FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'failed>refunded', 'failed>succeeded', 'pending>failed', 'pending>processing', 'pending>refunded', 'pending>succeeded', 'processing>failed', 'processing>refunded', 'processing>succeeded', 'succeeded>refunded');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON donations.donations FOR EACH ROW EXECUTE FUNCTION lango.audit('donation', 'id', 'receipt_token_hash', 'donor_name,donor_phone,donation_message,wave_webhook_data,ip_address,user_agent', '');

CREATE TABLE donations.wave_webhook_events (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    wave_event_id VARCHAR(100) NOT NULL,
    event_type VARCHAR(50) NOT NULL,
    donation_id UUID,
    raw_payload JSONB NOT NULL,
    processed_at TIMESTAMP WITH TIME ZONE,
    processing_error TEXT,
    idempotency_key VARCHAR(255),
    retry_count INTEGER DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_wave_webhook_events PRIMARY KEY (id),
    CONSTRAINT uq_wave_webhook_events_wave_event_id UNIQUE (wave_event_id),
    CONSTRAINT uq_wave_webhook_events_idempotency_key UNIQUE (idempotency_key),
    CONSTRAINT ck_wave_webhook_events_times_are_finite CHECK (processed_at >= '0001-01-01' AND processed_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_wave_webhook_events_donation_id ON donations.wave_webhook_events (donation_id);

COMMENT ON TABLE donations.wave_webhook_events IS 'A webhook from Wave, kept as it came.';
COMMENT ON COLUMN donations.wave_webhook_events.id IS 'The row''s key.';
COMMENT ON COLUMN donations.wave_webhook_events.wave_event_id IS 'Wave''s key of it, by which a redelivery is seen as one.';
COMMENT ON COLUMN donations.wave_webhook_events.event_type IS 'What it reports, such as `checkout.session.completed`.';
COMMENT ON COLUMN donations.wave_webhook_events.donation_id IS 'The donation it is about; null where it is about none, or none that is known.';
COMMENT ON COLUMN donations.wave_webhook_events.raw_payload IS 'What Wave sent, whole.';
COMMENT ON COLUMN donations.wave_webhook_events.processed_at IS 'When it was acted on; null before.';
COMMENT ON COLUMN donations.wave_webhook_events.processing_error IS 'Why it could not be acted on; null where that did not happen.';
COMMENT ON COLUMN donations.wave_webhook_events.idempotency_key IS 'What keeps it from taking effect twice; null where `wave_event_id` is enough.';
COMMENT ON COLUMN donations.wave_webhook_events.retry_count IS 'How often it was tried again.';
COMMENT ON COLUMN donations.wave_webhook_events.created_at IS 'When the row was written.';
ALTER TABLE donations.wave_webhook_events ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, wave_event_id, event_type, donation_id, raw_payload, processed_at, processing_error, idempotency_key, retry_count, created_at) ON donations.wave_webhook_events TO lango_anonymous;
GRANT SELECT (id, wave_event_id, event_type, donation_id, raw_payload, processed_at, processing_error, idempotency_key, retry_count, created_at) ON donations.wave_webhook_events TO lango_member;
GRANT SELECT (id, wave_event_id, event_type, donation_id, raw_payload, processed_at, processing_error, idempotency_key, retry_count, created_at) ON donations.wave_webhook_events TO lango_staff;
CREATE POLICY lango_member ON donations.wave_webhook_events FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON donations.wave_webhook_events FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON donations.wave_webhook_events TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON donations.wave_webhook_events TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON donations.wave_webhook_events TO lango_rules, lango_worker;

CREATE TABLE donations.refunds (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    donation_id UUID NOT NULL,
    refunded_by_user_id UUID,
    amount_cfa INTEGER NOT NULL,
    reason VARCHAR(20) NOT NULL,
    reason_description TEXT,
    wave_refund_id VARCHAR(100),
    wave_refund_status VARCHAR(20) DEFAULT 'pending',
    processed_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_refunds PRIMARY KEY (id),
    CONSTRAINT ck_refunds_reason_is_known CHECK (reason IN ('user_request', 'fraud', 'failed_pot', 'admin_action')),
    CONSTRAINT ck_refunds_wave_refund_status_is_known CHECK (wave_refund_status IN ('pending', 'succeeded', 'failed')),
    CONSTRAINT ck_refunds_times_are_finite CHECK (processed_at >= '0001-01-01' AND processed_at < '9999-01-01' AND completed_at >= '0001-01-01' AND completed_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_refunds_donation_id ON donations.refunds (donation_id);
CREATE INDEX ix_refunds_refunded_by_user_id ON donations.refunds (refunded_by_user_id);

COMMENT ON TABLE donations.refunds IS 'Money that goes back to a donor; together the refunds never exceed the donation.';
COMMENT ON COLUMN donations.refunds.id IS 'The row''s key.';
COMMENT ON COLUMN donations.refunds.donation_id IS 'The donation it gives back.';
COMMENT ON COLUMN donations.refunds.refunded_by_user_id IS 'Who asked for it, the donor or staff; null when the system refunds.';
COMMENT ON COLUMN donations.refunds.amount_cfa IS 'How much goes back, in CFA francs.';
COMMENT ON COLUMN donations.refunds.reason IS 'Why it is given back.';
COMMENT ON COLUMN donations.refunds.reason_description IS 'More on the reason, in words; null where there is no more.';
COMMENT ON COLUMN donations.refunds.wave_refund_id IS 'Wave''s key of the refund; null until Wave has taken it.';
COMMENT ON COLUMN donations.refunds.wave_refund_status IS 'Where it stands at Wave.';
COMMENT ON COLUMN donations.refunds.processed_at IS 'When it was sent to Wave; null before.';
COMMENT ON COLUMN donations.refunds.completed_at IS 'When the donor had the money back; null before.';
COMMENT ON COLUMN donations.refunds.created_at IS 'When the row was written.';
ALTER TABLE donations.refunds ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, donation_id, refunded_by_user_id, amount_cfa, reason, reason_description, wave_refund_id, wave_refund_status, processed_at, completed_at, created_at) ON donations.refunds TO lango_anonymous;
GRANT SELECT (id, donation_id, refunded_by_user_id, amount_cfa, reason, reason_description, wave_refund_id, wave_refund_status, processed_at, completed_at, created_at) ON donations.refunds TO lango_member;
GRANT SELECT (id, donation_id, refunded_by_user_id, amount_cfa, reason, reason_description, wave_refund_id, wave_refund_status, processed_at, completed_at, created_at) ON donations.refunds TO lango_staff;
CREATE POLICY lango_member ON donations.refunds FOR SELECT TO lango_member USING (((donation_id = ANY ((SELECT lango.my_donations())::uuid[]))));
CREATE POLICY lango_staff ON donations.refunds FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON donations.refunds TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON donations.refunds TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON donations.refunds TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF wave_refund_status ON donations.refunds FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('wave_refund_status', 'failed>pending', 'pending>failed', 'pending>succeeded');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON donations.refunds FOR EACH ROW EXECUTE FUNCTION lango.audit('refund', 'id', '', '', '');

CREATE TABLE donations.donation_analytics (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    period_type VARCHAR(20) NOT NULL,
    period_start DATE NOT NULL,
    period_end DATE NOT NULL,
    total_amount_cfa BIGINT DEFAULT 0 NOT NULL,
    transaction_count INTEGER DEFAULT 0,
    unique_donors INTEGER DEFAULT 0,
    average_donation_cfa INTEGER DEFAULT 0 NOT NULL,
    success_rate NUMERIC(5, 4),
    region_breakdown JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_donation_analytics PRIMARY KEY (id),
    CONSTRAINT uq_donation_analytics_period_type_period_start_period_end UNIQUE (period_type, period_start, period_end),
    CONSTRAINT ck_donation_analytics_period_type_is_known CHECK (period_type IN ('daily', 'weekly', 'monthly')),
    CONSTRAINT ck_donation_analytics_times_are_finite CHECK (period_start >= '0001-01-01' AND period_start < '9999-01-01' AND period_end >= '0001-01-01' AND period_end < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_donation_analytics_numbers_are_real CHECK (success_rate <> 'NaN')
);

COMMENT ON TABLE donations.donation_analytics IS 'What the donations of one period came to, over all pots.';
COMMENT ON COLUMN donations.donation_analytics.id IS 'The row''s key.';
COMMENT ON COLUMN donations.donation_analytics.period_type IS 'How long the period is.';
COMMENT ON COLUMN donations.donation_analytics.period_start IS 'The first day of the period.';
COMMENT ON COLUMN donations.donation_analytics.period_end IS 'The last day of the period.';
COMMENT ON COLUMN donations.donation_analytics.total_amount_cfa IS 'What the succeeded ones came to, in CFA francs.';
COMMENT ON COLUMN donations.donation_analytics.transaction_count IS 'How many donations were tried, whatever became of them.';
COMMENT ON COLUMN donations.donation_analytics.unique_donors IS 'How many people gave.';
COMMENT ON COLUMN donations.donation_analytics.average_donation_cfa IS 'The average of the succeeded ones, in CFA francs.';
COMMENT ON COLUMN donations.donation_analytics.success_rate IS 'The part of those tried that succeeded, from 0 to 1; null where none was tried.';
COMMENT ON COLUMN donations.donation_analytics.region_breakdown IS 'What was given in CFA francs, by the region''s name, such as `Dakar`; null where none is known.';
COMMENT ON COLUMN donations.donation_analytics.created_at IS 'When the row was written.';
ALTER TABLE donations.donation_analytics ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, period_type, period_start, period_end, total_amount_cfa, transaction_count, unique_donors, average_donation_cfa, success_rate, region_breakdown, created_at) ON donations.donation_analytics TO lango_anonymous;
GRANT SELECT (id, period_type, period_start, period_end, total_amount_cfa, transaction_count, unique_donors, average_donation_cfa, success_rate, region_breakdown, created_at) ON donations.donation_analytics TO lango_member;
GRANT SELECT (id, period_type, period_start, period_end, total_amount_cfa, transaction_count, unique_donors, average_donation_cfa, success_rate, region_breakdown, created_at) ON donations.donation_analytics TO lango_staff;
CREATE POLICY lango_member ON donations.donation_analytics FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON donations.donation_analytics FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON donations.donation_analytics TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON donations.donation_analytics TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON donations.donation_analytics TO lango_rules, lango_worker;

ALTER TABLE donations.donations ADD CONSTRAINT fk_donations_donor_user_id FOREIGN KEY(donor_user_id) REFERENCES identity.users (id);

ALTER TABLE donations.donations ADD CONSTRAINT fk_donations_pot_id FOREIGN KEY(pot_id) REFERENCES pots.pots (id);

ALTER TABLE donations.wave_webhook_events ADD CONSTRAINT fk_wave_webhook_events_donation_id FOREIGN KEY(donation_id) REFERENCES donations.donations (id);

ALTER TABLE donations.refunds ADD CONSTRAINT fk_refunds_donation_id FOREIGN KEY(donation_id) REFERENCES donations.donations (id);

ALTER TABLE donations.refunds ADD CONSTRAINT fk_refunds_refunded_by_user_id FOREIGN KEY(refunded_by_user_id) REFERENCES identity.users (id);

CREATE VIEW donations.contributions WITH (security_barrier) AS
SELECT d.id, d.pot_id,
       CASE WHEN d.show_amount THEN d.amount_cfa END AS amount_cfa,
       CASE WHEN p.show_donor_names AND NOT d.is_anonymous THEN coalesce(
           d.donor_name,
           (SELECT f.full_name FROM profiles.public_profiles f WHERE f.user_id = d.donor_user_id)
       ) END AS donor_name,
       CASE WHEN p.enable_messages THEN d.donation_message END AS message,
       d.created_at
FROM donations.donations d JOIN pots.pots p ON p.id = d.pot_id
WHERE d.status = 'succeeded' AND (
    (SELECT lango.is_staff()) OR (p.deleted_at IS NULL AND ((p.visibility = 'public') OR (p.id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((p.id = ANY ((SELECT lango.my_friends_pots())::uuid[])) AND (p.visibility = 'friends_only'))))
);

COMMENT ON VIEW donations.contributions IS 'A succeeded donation as whoever sees the pot may see it: without what the donor or the pot keeps to itself.';
COMMENT ON COLUMN donations.contributions.id IS 'The row''s key.';
COMMENT ON COLUMN donations.contributions.pot_id IS 'The pot it was given to.';
COMMENT ON COLUMN donations.contributions.amount_cfa IS 'The amount in CFA francs; null where the donor hides it.';
COMMENT ON COLUMN donations.contributions.donor_name IS 'Who gave; null for an anonymous donor, or where the pot shows no names.';
COMMENT ON COLUMN donations.contributions.message IS 'What the donor wrote; null where the pot takes no messages.';
COMMENT ON COLUMN donations.contributions.created_at IS 'When it was given.';
GRANT SELECT (id, pot_id, amount_cfa, donor_name, message, created_at) ON donations.contributions TO lango_anonymous, lango_member, lango_staff;
