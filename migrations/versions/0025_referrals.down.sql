ALTER TABLE packs.sponsor_campaigns DROP CONSTRAINT ck_sponsor_campaigns_spent_is_within_budget;

DROP INDEX referrals.ix_points_ledger_due;

ALTER TABLE referrals.points_ledger DROP CONSTRAINT ck_points_ledger_points_are_not_negative;

CREATE INDEX ix_points_ledger_referral_id ON referrals.points_ledger (referral_id);

ALTER TABLE referrals.points_ledger DROP CONSTRAINT uq_points_ledger_referral_id_event_type;

DROP INDEX referrals.ix_referrals_due;

DROP INDEX referrals.uq_referrals_sponsored_user_id;
