DROP TRIGGER guard_transition ON donations.donations;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON donations.donations FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'failed>pending', 'failed>processing', 'failed>refunded', 'failed>succeeded', 'pending>failed', 'pending>processing', 'pending>refunded', 'pending>succeeded', 'processing>failed', 'processing>refunded', 'processing>succeeded', 'succeeded>refunded');

DROP TRIGGER guard_transition ON donations.refunds;

CREATE TRIGGER guard_transition BEFORE UPDATE OF wave_refund_status ON donations.refunds FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('wave_refund_status', 'failed>pending', 'failed>succeeded', 'pending>failed', 'pending>succeeded');

COMMENT ON COLUMN donations.donations.initiated_at IS 'When the donor asked to give, the last time after a retry.';

COMMENT ON COLUMN donations.donations.failed_at IS 'When it last failed; null where it has not.';

COMMENT ON COLUMN donations.donations.wave_payment_url IS 'Where the donor pays; null until Wave has opened a checkout, and when that can no longer be paid.';

ALTER TABLE donations.donations ADD CONSTRAINT uq_donations_receipt_token_hash UNIQUE (receipt_token_hash);

CREATE INDEX ix_donations_donor_phone_created_at ON donations.donations (donor_phone, created_at) WHERE donor_phone IS NOT NULL;

CREATE INDEX ix_donations_ip_address_created_at ON donations.donations (ip_address, created_at) WHERE ip_address IS NOT NULL;

CREATE INDEX ix_wave_webhook_events_unprocessed ON donations.wave_webhook_events (created_at) WHERE processed_at IS NULL;

CREATE INDEX ix_refunds_pending ON donations.refunds (created_at) WHERE wave_refund_status = 'pending';
