ALTER TABLE referrals.referrals DROP COLUMN declined_at;

ALTER TABLE referrals.referrals ADD CONSTRAINT ck_referrals_times_are_finite CHECK (sent_at >= '0001-01-01' AND sent_at < '9999-01-01' AND accepted_at >= '0001-01-01' AND accepted_at < '9999-01-01' AND expired_at >= '0001-01-01' AND expired_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01');

DROP TABLE referrals.invitation_opt_outs;
