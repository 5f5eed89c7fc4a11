DROP TRIGGER guard_transition ON treasury.referral_payouts;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.referral_payouts FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>failed', 'approved>processing', 'failed>processing', 'pending>approved', 'pending>rejected', 'processing>completed', 'processing>failed');

COMMENT ON COLUMN treasury.referral_payouts.destination_address IS 'The wallet''s address; null unless it is paid to a wallet.';

DROP INDEX treasury.uq_referral_payouts_referral;

ALTER TABLE treasury.referral_payouts DROP COLUMN mpesa_transaction_id;
