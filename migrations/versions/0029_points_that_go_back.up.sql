-- Without a default at first: it is for the rows to come, and those before have their own day.
ALTER TABLE referrals.points_ledger ADD COLUMN matures_at TIMESTAMP WITH TIME ZONE, ADD COLUMN taken_back_at TIMESTAMP WITH TIME ZONE;

UPDATE referrals.points_ledger e SET matures_at = e.created_at + make_interval(days => coalesce(
    (SELECT (c.config_value #>> '{}')::numeric::int FROM admin.system_config c
     WHERE c.config_key = 'points.maturation_days' AND jsonb_typeof(c.config_value) = 'number'), 14))
WHERE e.points_spent = 0;

ALTER TABLE referrals.points_ledger ALTER COLUMN matures_at SET DEFAULT (NOW() + INTERVAL '14 days');

ALTER TABLE referrals.points_ledger DROP CONSTRAINT ck_points_ledger_times_are_finite, ADD CONSTRAINT ck_points_ledger_times_are_finite CHECK (matured_at >= '0001-01-01' AND matured_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND matures_at >= '0001-01-01' AND matures_at < '9999-01-01' AND taken_back_at >= '0001-01-01' AND taken_back_at < '9999-01-01');

COMMENT ON COLUMN referrals.points_ledger.matures_at IS 'From when on they can be spent, as it was fixed when they were earned; where either person is a minor, not before the identities of both are collected and verified. Null where they were spent.';

COMMENT ON COLUMN referrals.points_ledger.taken_back_at IS 'When they went back because what had earned them was undone: they can be earned again. Null where they did not, and where staff took them back.';

COMMENT ON COLUMN referrals.points_ledger.description IS 'What the sponsor is told they are for, or why they were taken back; null without a text.';

GRANT SELECT (matures_at, taken_back_at) ON referrals.points_ledger TO lango_anonymous, lango_member, lango_staff;

CREATE UNIQUE INDEX uq_points_ledger_earned_once ON referrals.points_ledger (referral_id, event_type) WHERE taken_back_at IS NULL;

ALTER TABLE referrals.points_ledger DROP CONSTRAINT uq_points_ledger_referral_id_event_type;

CREATE INDEX ix_points_ledger_referral_id ON referrals.points_ledger (referral_id);

DROP INDEX referrals.ix_points_ledger_due;

CREATE INDEX ix_points_ledger_due ON referrals.points_ledger (matures_at) WHERE status = 'pending';
