DROP INDEX referrals.ix_points_ledger_due;

CREATE INDEX ix_points_ledger_due ON referrals.points_ledger (created_at) WHERE status = 'pending';

DROP INDEX referrals.ix_points_ledger_referral_id;

-- What was earned again after it was taken back stays as it is: the row that was taken back loses its referral.
UPDATE referrals.points_ledger SET referral_id = NULL WHERE taken_back_at IS NOT NULL;

ALTER TABLE referrals.points_ledger ADD CONSTRAINT uq_points_ledger_referral_id_event_type UNIQUE (referral_id, event_type);

DROP INDEX referrals.uq_points_ledger_earned_once;

COMMENT ON COLUMN referrals.points_ledger.description IS 'What the sponsor is told they are for; null without a text.';

ALTER TABLE referrals.points_ledger DROP COLUMN taken_back_at, DROP COLUMN matures_at;

ALTER TABLE referrals.points_ledger ADD CONSTRAINT ck_points_ledger_times_are_finite CHECK (matured_at >= '0001-01-01' AND matured_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01');
