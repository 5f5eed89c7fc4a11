CREATE TABLE referrals.invitation_opt_outs (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    contact_hash VARCHAR(64) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_invitation_opt_outs PRIMARY KEY (id),
    CONSTRAINT uq_invitation_opt_outs_contact_hash UNIQUE (contact_hash),
    CONSTRAINT ck_invitation_opt_outs_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);

COMMENT ON TABLE referrals.invitation_opt_outs IS 'A phone or email to which no invitation goes, at the wish of whoever is reached by it.';

COMMENT ON COLUMN referrals.invitation_opt_outs.id IS 'The row''s key.';

COMMENT ON COLUMN referrals.invitation_opt_outs.contact_hash IS 'Keyed hash of the phone or email, in hexadecimal: it cannot be read from it.';

COMMENT ON COLUMN referrals.invitation_opt_outs.created_at IS 'When the row was written.';

ALTER TABLE referrals.invitation_opt_outs ENABLE ROW LEVEL SECURITY;

CREATE POLICY lango_rules ON referrals.invitation_opt_outs TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON referrals.invitation_opt_outs TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON referrals.invitation_opt_outs TO lango_rules, lango_worker;

ALTER TABLE referrals.referrals ADD COLUMN declined_at TIMESTAMP WITH TIME ZONE;

COMMENT ON COLUMN referrals.referrals.declined_at IS 'When it was turned down; null where it was not.';

GRANT SELECT (declined_at) ON referrals.referrals TO lango_anonymous, lango_member, lango_staff;

ALTER TABLE referrals.referrals DROP CONSTRAINT ck_referrals_times_are_finite;

ALTER TABLE referrals.referrals ADD CONSTRAINT ck_referrals_times_are_finite CHECK (sent_at >= '0001-01-01' AND sent_at < '9999-01-01' AND accepted_at >= '0001-01-01' AND accepted_at < '9999-01-01' AND expired_at >= '0001-01-01' AND expired_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND declined_at >= '0001-01-01' AND declined_at < '9999-01-01');
