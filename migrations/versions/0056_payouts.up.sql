ALTER TABLE treasury.referral_payouts ADD COLUMN mpesa_transaction_id UUID;

ALTER TABLE treasury.referral_payouts ADD CONSTRAINT fk_referral_payouts_mpesa_transaction_id FOREIGN KEY(mpesa_transaction_id) REFERENCES treasury.mpesa_transactions (id);

CREATE INDEX ix_referral_payouts_mpesa_transaction_id ON treasury.referral_payouts (mpesa_transaction_id);

CREATE UNIQUE INDEX uq_referral_payouts_referral ON treasury.referral_payouts (referral_id, referrer_id) WHERE status IS DISTINCT FROM 'rejected';

COMMENT ON COLUMN treasury.referral_payouts.mpesa_transaction_id IS 'The newest payment by M-Pesa that is to pay it; null before, and where it is paid otherwise.';

COMMENT ON COLUMN treasury.referral_payouts.destination_address IS 'The address of a wallet outside; null where it is paid to the sponsor''s balance, or otherwise.';

GRANT SELECT (mpesa_transaction_id) ON treasury.referral_payouts TO lango_anonymous, lango_member, lango_staff;

DROP TRIGGER guard_transition ON treasury.referral_payouts;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.referral_payouts FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>completed', 'approved>failed', 'approved>processing', 'failed>processing', 'pending>approved', 'pending>rejected', 'processing>completed', 'processing>failed');

ALTER TABLE treasury.transaction_fees DROP CONSTRAINT ck_transaction_fees_times_are_finite;

ALTER TABLE treasury.transaction_fees ADD COLUMN reversed_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE treasury.transaction_fees ADD CONSTRAINT ck_transaction_fees_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND reversed_at >= '0001-01-01' AND reversed_at < '9999-01-01');

COMMENT ON COLUMN treasury.transaction_fees.reversed_at IS 'When it was given back, as the payment it was charged on was; null unless it was.';

GRANT SELECT (reversed_at) ON treasury.transaction_fees TO lango_anonymous, lango_member, lango_staff;
