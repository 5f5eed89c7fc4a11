CREATE UNIQUE INDEX uq_referrals_sponsored_user_id ON referrals.referrals (sponsored_user_id) WHERE status = 'accepted';

CREATE INDEX ix_referrals_due ON referrals.referrals (expired_at) WHERE status = 'sent';

ALTER TABLE referrals.points_ledger ADD CONSTRAINT uq_points_ledger_referral_id_event_type UNIQUE (referral_id, event_type);

DROP INDEX referrals.ix_points_ledger_referral_id;

ALTER TABLE referrals.points_ledger ADD CONSTRAINT ck_points_ledger_points_are_not_negative CHECK (points_earned >= 0 AND points_spent >= 0);

CREATE INDEX ix_points_ledger_due ON referrals.points_ledger (created_at) WHERE status = 'pending';

ALTER TABLE packs.sponsor_campaigns ADD CONSTRAINT ck_sponsor_campaigns_spent_is_within_budget CHECK (spent_cfa <= budget_cfa);
