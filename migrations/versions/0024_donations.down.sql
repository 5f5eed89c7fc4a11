DROP INDEX donations.ix_refunds_pending;

DROP INDEX donations.ix_wave_webhook_events_unprocessed;

DROP INDEX donations.ix_donations_ip_address_created_at;

DROP INDEX donations.ix_donations_donor_phone_created_at;

ALTER TABLE donations.donations DROP CONSTRAINT uq_donations_receipt_token_hash;

DROP TRIGGER guard_transition ON donations.refunds;

CREATE TRIGGER guard_transition BEFORE UPDATE OF wave_refund_status ON donations.refunds FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('wave_refund_status', 'failed>pending', 'pending>failed', 'pending>succeeded');

COMMENT ON COLUMN donations.donations.wave_payment_url IS 'Where the donor pays; null until Wave has opened a checkout.';

COMMENT ON COLUMN donations.donations.failed_at IS 'When it failed; null where it has not.';

COMMENT ON COLUMN donations.donations.initiated_at IS 'When the donor asked to give.';

DROP TRIGGER guard_transition ON donations.donations;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON donations.donations FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'failed>refunded', 'failed>succeeded', 'pending>failed', 'pending>processing', 'pending>refunded', 'pending>succeeded', 'processing>failed', 'processing>refunded', 'processing>succeeded', 'succeeded>refunded');
