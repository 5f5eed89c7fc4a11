ALTER TABLE treasury.transaction_fees DROP CONSTRAINT ck_transaction_fees_times_are_finite;

ALTER TABLE treasury.transaction_fees DROP COLUMN reversed_at;

ALTER TABLE treasury.transaction_fees ADD CONSTRAINT ck_transaction_fees_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01');

DROP TRIGGER guard_transition ON treasury.referral_payouts;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.referral_payouts FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>failed', 'approved>processing', 'failed>processing', 'pending>approved', 'pending>rejected', 'processing>completed', 'processing>failed');

COMMENT ON COLUMN treasury.referral_payouts.destination_address IS 'The wallet''s address; null unless it is paid to a wallet.';

DROP INDEX treasury.uq_referral_payouts_referral;

ALTER TABLE treasury.referral_payouts DROP COLUMN mpesa_transaction_id;
