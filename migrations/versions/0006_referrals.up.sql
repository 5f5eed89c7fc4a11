-- Referrals, points and what they are converted to.

CREATE SCHEMA referrals;

COMMENT ON SCHEMA referrals IS 'Invitations by sponsors, the points they earn, and what points are turned into.';
GRANT USAGE ON SCHEMA referrals TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE referrals.referrals (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    sponsor_user_id UUID NOT NULL,
    referral_code VARCHAR(20) NOT NULL,
    invited_phone VARCHAR(20),
    invited_email VARCHAR(255),
    invited_name VARCHAR(255),
    invitation_message TEXT,
    status VARCHAR(20) DEFAULT 'sent' NOT NULL,
    sponsored_user_id UUID,
    both_ids_collected BOOLEAN DEFAULT false NOT NULL,
    sponsor_id_verified BOOLEAN DEFAULT false NOT NULL,
    sponsored_id_verified BOOLEAN DEFAULT false NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    accepted_at TIMESTAMP WITH TIME ZONE,
    expired_at TIMESTAMP WITH TIME ZONE DEFAULT (NOW() + INTERVAL '7 days'),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    daily_limit_id UUID,
    batch_id UUID,
    invitation_order INTEGER,
    CONSTRAINT pk_referrals PRIMARY KEY (id),
    CONSTRAINT check_invitation_contact CHECK (invited_phone IS NOT NULL OR invited_email IS NOT NULL),
    CONSTRAINT uq_referrals_referral_code UNIQUE (referral_code),
    CONSTRAINT ck_referrals_status_is_known CHECK (status IN ('sent', 'accepted', 'expired', 'declined')),
    CONSTRAINT ck_referrals_times_are_finite CHECK (sent_at >= '0001-01-01' AND sent_at < '9999-01-01' AND accepted_at >= '0001-01-01' AND accepted_at < '9999-01-01' AND expired_at >= '0001-01-01' AND expired_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_referrals_batch_id ON referrals.referrals (batch_id);
CREATE INDEX ix_referrals_daily_limit_id ON referrals.referrals (daily_limit_id);
CREATE INDEX ix_referrals_sponsor_user_id ON referrals.referrals (sponsor_user_id);
CREATE INDEX ix_referrals_sponsored_user_id ON referrals.referrals (sponsored_user_id);
CREATE INDEX ix_referrals_status ON referrals.referrals (status);

COMMENT ON TABLE referrals.referrals IS 'An invitation from a sponsor to somebody, and what came of it.';
COMMENT ON COLUMN referrals.referrals.id IS 'The row''s key.';
COMMENT ON COLUMN referrals.referrals.sponsor_user_id IS 'Who invites.';
COMMENT ON COLUMN referrals.referrals.referral_code IS 'What the invited person accepts or declines it with; it cannot be guessed.';
COMMENT ON COLUMN referrals.referrals.invited_phone IS 'The phone it went to; null where it went by email only.';
COMMENT ON COLUMN referrals.referrals.invited_email IS 'The email it went to; null where it went by phone only.';
COMMENT ON COLUMN referrals.referrals.invited_name IS 'What the sponsor calls the invited person; null where not given.';
COMMENT ON COLUMN referrals.referrals.invitation_message IS 'What the sponsor wrote to go with it; null where nothing.';
COMMENT ON COLUMN referrals.referrals.status IS 'Where it stands.';
COMMENT ON COLUMN referrals.referrals.sponsored_user_id IS 'Who accepted it; null before.';
COMMENT ON COLUMN referrals.referrals.both_ids_collected IS 'Whether both have submitted an identity document; a minor''s points do not mature before.';
COMMENT ON COLUMN referrals.referrals.sponsor_id_verified IS 'Whether staff verified the sponsor''s identity.';
COMMENT ON COLUMN referrals.referrals.sponsored_id_verified IS 'Whether staff verified the identity of the one who accepted.';
COMMENT ON COLUMN referrals.referrals.sent_at IS 'When it was sent.';
COMMENT ON COLUMN referrals.referrals.accepted_at IS 'When it was accepted; null where it was not.';
COMMENT ON COLUMN referrals.referrals.expired_at IS 'When it can no longer be accepted, 7 days after it was sent.';
COMMENT ON COLUMN referrals.referrals.created_at IS 'When the row was written.';
COMMENT ON COLUMN referrals.referrals.daily_limit_id IS 'The day''s allowance it was counted in; null where it was not counted.';
COMMENT ON COLUMN referrals.referrals.batch_id IS 'The batch of contacts it was sent with; null where it was sent by itself.';
COMMENT ON COLUMN referrals.referrals.invitation_order IS 'Its place among the sponsor''s invitations of that day, from 1; null where it was not counted.';
ALTER TABLE referrals.referrals ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, sponsor_user_id, referral_code, invited_phone, invited_email, invited_name, invitation_message, status, sponsored_user_id, both_ids_collected, sponsor_id_verified, sponsored_id_verified, sent_at, accepted_at, expired_at, created_at, daily_limit_id, batch_id, invitation_order) ON referrals.referrals TO lango_anonymous;
GRANT SELECT (id, sponsor_user_id, referral_code, invited_phone, invited_email, invited_name, invitation_message, status, sponsored_user_id, both_ids_collected, sponsor_id_verified, sponsored_id_verified, sent_at, accepted_at, expired_at, created_at, daily_limit_id, batch_id, invitation_order) ON referrals.referrals TO lango_member;
GRANT SELECT (id, sponsor_user_id, referral_code, invited_phone, invited_email, invited_name, invitation_message, status, sponsored_user_id, both_ids_collected, sponsor_id_verified, sponsored_id_verified, sent_at, accepted_at, expired_at, created_at, daily_limit_id, batch_id, invitation_order) ON referrals.referrals TO lango_staff;
CREATE POLICY lango_member ON referrals.referrals FOR SELECT TO lango_member USING (((sponsor_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR sponsored_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON referrals.referrals FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON referrals.referrals TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON referrals.referrals TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON referrals.referrals TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON referrals.referrals FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'sent>accepted', 'sent>declined', 'sent>expired');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON referrals.referrals FOR EACH ROW EXECUTE FUNCTION lango.audit('referral', 'id', '', 'invited_phone,invited_email,invited_name,invitation_message', '');

CREATE TABLE referrals.points_ledger (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    sponsor_user_id UUID NOT NULL,
    referral_id UUID,
    event_type VARCHAR(50) NOT NULL,
    points_earned INTEGER DEFAULT 0 NOT NULL,
    points_spent INTEGER DEFAULT 0 NOT NULL,
    status VARCHAR(20) DEFAULT 'pending',
    matured_at TIMESTAMP WITH TIME ZONE,
    base_multiplier NUMERIC(3, 2) DEFAULT 1.00,
    sponsor_boost_multiplier NUMERIC(3, 2) DEFAULT 1.00,
    description TEXT,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_points_ledger PRIMARY KEY (id),
    CONSTRAINT ck_points_ledger_event_type_is_known CHECK (event_type IN ('referral_accepted', 'pot_opened', 'first_donation', 'conversion')),
    CONSTRAINT ck_points_ledger_status_is_known CHECK (status IN ('pending', 'matured', 'revoked')),
    CONSTRAINT ck_points_ledger_times_are_finite CHECK (matured_at >= '0001-01-01' AND matured_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_points_ledger_numbers_are_real CHECK (base_multiplier <> 'NaN' AND sponsor_boost_multiplier <> 'NaN')
);
CREATE INDEX ix_points_ledger_referral_id ON referrals.points_ledger (referral_id);
CREATE INDEX ix_points_ledger_sponsor_user_id ON referrals.points_ledger (sponsor_user_id);
CREATE INDEX ix_points_ledger_status ON referrals.points_ledger (status);

COMMENT ON TABLE referrals.points_ledger IS 'Points that a sponsor earned or spent; they are no money until they are converted.';
COMMENT ON COLUMN referrals.points_ledger.id IS 'The row''s key.';
COMMENT ON COLUMN referrals.points_ledger.sponsor_user_id IS 'Whose points they are.';
COMMENT ON COLUMN referrals.points_ledger.referral_id IS 'The referral they were earned by; null where they were spent.';
COMMENT ON COLUMN referrals.points_ledger.event_type IS 'What they were earned by or spent on.';
COMMENT ON COLUMN referrals.points_ledger.points_earned IS 'How many points were earned, with both multipliers in it; 0 where they were spent.';
COMMENT ON COLUMN referrals.points_ledger.points_spent IS 'How many points were spent; 0 where they were earned.';
COMMENT ON COLUMN referrals.points_ledger.status IS 'Whether they count yet.';
COMMENT ON COLUMN referrals.points_ledger.matured_at IS 'When they could first be spent; null before.';
COMMENT ON COLUMN referrals.points_ledger.base_multiplier IS 'What the event''s usual points were multiplied by, before any campaign: 1.00 changes nothing.';
COMMENT ON COLUMN referrals.points_ledger.sponsor_boost_multiplier IS 'What a sponsor''s campaign multiplied them by; 1.00 without one.';
COMMENT ON COLUMN referrals.points_ledger.description IS 'What the sponsor is told they are for; null without a text.';
COMMENT ON COLUMN referrals.points_ledger.metadata IS 'Further facts about the event; null without any.';
COMMENT ON COLUMN referrals.points_ledger.created_at IS 'When the row was written.';
ALTER TABLE referrals.points_ledger ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, sponsor_user_id, referral_id, event_type, points_earned, points_spent, status, matured_at, base_multiplier, sponsor_boost_multiplier, description, metadata, created_at) ON referrals.points_ledger TO lango_anonymous;
GRANT SELECT (id, sponsor_user_id, referral_id, event_type, points_earned, points_spent, status, matured_at, base_multiplier, sponsor_boost_multiplier, description, metadata, created_at) ON referrals.points_ledger TO lango_member;
GRANT SELECT (id, sponsor_user_id, referral_id, event_type, points_earned, points_spent, status, matured_at, base_multiplier, sponsor_boost_multiplier, description, metadata, created_at) ON referrals.points_ledger TO lango_staff;
CREATE POLICY lango_member ON referrals.points_ledger FOR SELECT TO lango_member USING (((sponsor_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON referrals.points_ledger FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON referrals.points_ledger TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON referrals.points_ledger TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON referrals.points_ledger TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON referrals.points_ledger FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'matured>revoked', 'pending>matured', 'pending>revoked');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON referrals.points_ledger FOR EACH ROW EXECUTE FUNCTION lango.audit('points_ledger_entry', 'id', '', '', '');

CREATE TABLE referrals.points_conversions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    sponsor_user_id UUID NOT NULL,
    points_converted INTEGER NOT NULL,
    credits_issued INTEGER NOT NULL,
    conversion_rate NUMERIC(10, 4) NOT NULL,
    applied_to_pot_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_points_conversions PRIMARY KEY (id),
    CONSTRAINT ck_points_conversions_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_points_conversions_numbers_are_real CHECK (conversion_rate <> 'NaN')
);
CREATE INDEX ix_points_conversions_applied_to_pot_id ON referrals.points_conversions (applied_to_pot_id);
CREATE INDEX ix_points_conversions_sponsor_user_id ON referrals.points_conversions (sponsor_user_id);

COMMENT ON TABLE referrals.points_conversions IS 'Points that were turned into money for a pot.';
COMMENT ON COLUMN referrals.points_conversions.id IS 'The row''s key.';
COMMENT ON COLUMN referrals.points_conversions.sponsor_user_id IS 'Whose points they were.';
COMMENT ON COLUMN referrals.points_conversions.points_converted IS 'How many points were given.';
COMMENT ON COLUMN referrals.points_conversions.credits_issued IS 'What the pot received for them, in CFA francs.';
COMMENT ON COLUMN referrals.points_conversions.conversion_rate IS 'How many CFA francs one point was worth.';
COMMENT ON COLUMN referrals.points_conversions.applied_to_pot_id IS 'The pot that received the money.';
COMMENT ON COLUMN referrals.points_conversions.created_at IS 'When the row was written.';
ALTER TABLE referrals.points_conversions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, sponsor_user_id, points_converted, credits_issued, conversion_rate, applied_to_pot_id, created_at) ON referrals.points_conversions TO lango_anonymous;
GRANT SELECT (id, sponsor_user_id, points_converted, credits_issued, conversion_rate, applied_to_pot_id, created_at) ON referrals.points_conversions TO lango_member;
GRANT SELECT (id, sponsor_user_id, points_converted, credits_issued, conversion_rate, applied_to_pot_id, created_at) ON referrals.points_conversions TO lango_staff;
CREATE POLICY lango_member ON referrals.points_conversions FOR SELECT TO lango_member USING (((sponsor_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON referrals.points_conversions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON referrals.points_conversions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON referrals.points_conversions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON referrals.points_conversions TO lango_rules, lango_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON referrals.points_conversions FOR EACH ROW EXECUTE FUNCTION lango.refuse_change();

CREATE TABLE referrals.sponsor_daily_limits (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    sponsor_user_id UUID NOT NULL,
    limit_date DATE DEFAULT CURRENT_DATE NOT NULL,
    max_invitations_per_day INTEGER DEFAULT 50 NOT NULL,
    invitations_sent_today INTEGER DEFAULT 0 NOT NULL,
    current_batch_start INTEGER DEFAULT 0,
    preferred_selection_method VARCHAR(20) DEFAULT 'batch',
    last_reset_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    next_reset_at TIMESTAMP WITH TIME ZONE DEFAULT (CURRENT_DATE + INTERVAL '1 day')::TIMESTAMP WITH TIME ZONE,
    consecutive_active_days INTEGER DEFAULT 0,
    total_lifetime_invitations INTEGER DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_sponsor_daily_limits PRIMARY KEY (id),
    CONSTRAINT uq_sponsor_daily_limits_sponsor_user_id_limit_date UNIQUE (sponsor_user_id, limit_date),
    CONSTRAINT check_daily_limit CHECK (invitations_sent_today <= max_invitations_per_day),
    CONSTRAINT ck_sponsor_daily_limits_preferred_selection_method_is_known CHECK (preferred_selection_method IN ('batch', 'individual')),
    CONSTRAINT ck_sponsor_daily_limits_times_are_finite CHECK (limit_date >= '0001-01-01' AND limit_date < '9999-01-01' AND last_reset_at >= '0001-01-01' AND last_reset_at < '9999-01-01' AND next_reset_at >= '0001-01-01' AND next_reset_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE referrals.sponsor_daily_limits IS 'How many invitations a sponsor may send on one day, and how many were sent.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.id IS 'The row''s key.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.sponsor_user_id IS 'The sponsor it is for.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.limit_date IS 'The day it is for.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.max_invitations_per_day IS 'How many invitations may be sent on that day.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.invitations_sent_today IS 'How many were sent on that day; never more than may be.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.current_batch_start IS 'Where the next batch begins in the sponsor''s list of contacts, from 0.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.preferred_selection_method IS 'How the sponsor likes to choose whom to invite.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.last_reset_at IS 'When the count last began at 0.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.next_reset_at IS 'When the next day''s count begins.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.consecutive_active_days IS 'On how many days in a row the sponsor has sent invitations, this one included.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.total_lifetime_invitations IS 'How many invitations the sponsor had ever sent, this day''s included.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.created_at IS 'When the row was written.';
COMMENT ON COLUMN referrals.sponsor_daily_limits.updated_at IS 'When the row was last changed.';
ALTER TABLE referrals.sponsor_daily_limits ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, sponsor_user_id, limit_date, max_invitations_per_day, invitations_sent_today, current_batch_start, preferred_selection_method, last_reset_at, next_reset_at, consecutive_active_days, total_lifetime_invitations, created_at, updated_at) ON referrals.sponsor_daily_limits TO lango_anonymous;
GRANT SELECT (id, sponsor_user_id, limit_date, max_invitations_per_day, invitations_sent_today, current_batch_start, preferred_selection_method, last_reset_at, next_reset_at, consecutive_active_days, total_lifetime_invitations, created_at, updated_at) ON referrals.sponsor_daily_limits TO lango_member;
GRANT SELECT (id, sponsor_user_id, limit_date, max_invitations_per_day, invitations_sent_today, current_batch_start, preferred_selection_method, last_reset_at, next_reset_at, consecutive_active_days, total_lifetime_invitations, created_at, updated_at) ON referrals.sponsor_daily_limits TO lango_staff;
CREATE POLICY lango_member ON referrals.sponsor_daily_limits FOR SELECT TO lango_member USING (((sponsor_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON referrals.sponsor_daily_limits FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON referrals.sponsor_daily_limits TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON referrals.sponsor_daily_limits TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON referrals.sponsor_daily_limits TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON referrals.sponsor_daily_limits FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON referrals.sponsor_daily_limits FOR EACH ROW EXECUTE FUNCTION lango.audit('sponsor_daily_limit', 'id', '', '', '');

CREATE TABLE referrals.sponsor_contact_batches (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    sponsor_user_id UUID NOT NULL,
    batch_date DATE DEFAULT CURRENT_DATE NOT NULL,
    batch_number INTEGER DEFAULT 1 NOT NULL,
    start_position INTEGER NOT NULL,
    end_position INTEGER NOT NULL,
    status VARCHAR(20) DEFAULT 'pending',
    selected_count INTEGER DEFAULT 0,
    sent_count INTEGER DEFAULT 0,
    contact_snapshot JSONB,
    auto_selected BOOLEAN DEFAULT false NOT NULL,
    manual_selections JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_sponsor_contact_batches PRIMARY KEY (id),
    CONSTRAINT check_batch_positions CHECK (end_position > start_position),
    CONSTRAINT check_batch_size CHECK (end_position - start_position <= 50),
    CONSTRAINT ck_sponsor_contact_batches_status_is_known CHECK (status IN ('pending', 'selected', 'sent', 'skipped')),
    CONSTRAINT ck_sponsor_contact_batches_times_are_finite CHECK (batch_date >= '0001-01-01' AND batch_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_sponsor_contact_batches_sponsor_user_id ON referrals.sponsor_contact_batches (sponsor_user_id);

COMMENT ON TABLE referrals.sponsor_contact_batches IS 'At most 50 contacts, from which a sponsor chooses whom to invite.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.id IS 'The row''s key.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.sponsor_user_id IS 'Whose contacts they are.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.batch_date IS 'The day it is for.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.batch_number IS 'Its place among the sponsor''s batches of that day, from 1.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.start_position IS 'Where it begins in the sponsor''s list of contacts, from 0.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.end_position IS 'Where it ends in that list; the contact at this place is no longer in it.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.status IS 'Where it stands.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.selected_count IS 'How many contacts were chosen.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.sent_count IS 'How many invitations were sent.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.contact_snapshot IS 'The contacts as they were then: a list of objects; null where they are not kept.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.auto_selected IS 'Whether its contacts were chosen without the sponsor.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.manual_selections IS 'The contacts the sponsor chose: a list of their ids; null where none were chosen one by one.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.created_at IS 'When the row was written.';
COMMENT ON COLUMN referrals.sponsor_contact_batches.updated_at IS 'When the row was last changed.';
ALTER TABLE referrals.sponsor_contact_batches ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, sponsor_user_id, batch_date, batch_number, start_position, end_position, status, selected_count, sent_count, contact_snapshot, auto_selected, manual_selections, created_at, updated_at) ON referrals.sponsor_contact_batches TO lango_anonymous;
GRANT SELECT (id, sponsor_user_id, batch_date, batch_number, start_position, end_position, status, selected_count, sent_count, contact_snapshot, auto_selected, manual_selections, created_at, updated_at) ON referrals.sponsor_contact_batches TO lango_member;
GRANT SELECT (id, sponsor_user_id, batch_date, batch_number, start_position, end_position, status, selected_count, sent_count, contact_snapshot, auto_selected, manual_selections, created_at, updated_at) ON referrals.sponsor_contact_batches TO lango_staff;
CREATE POLICY lango_member ON referrals.sponsor_contact_batches FOR SELECT TO lango_member USING (((sponsor_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON referrals.sponsor_contact_batches FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON referrals.sponsor_contact_batches TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON referrals.sponsor_contact_batches TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON referrals.sponsor_contact_batches TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON referrals.sponsor_contact_batches FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON referrals.sponsor_contact_batches FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>selected', 'pending>sent', 'pending>skipped', 'selected>sent', 'selected>skipped');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON referrals.sponsor_contact_batches FOR EACH ROW EXECUTE FUNCTION lango.audit('sponsor_contact_batch', 'id', '', 'contact_snapshot,manual_selections', '');

ALTER TABLE referrals.referrals ADD CONSTRAINT fk_referrals_batch_id FOREIGN KEY(batch_id) REFERENCES referrals.sponsor_contact_batches (id);

ALTER TABLE referrals.referrals ADD CONSTRAINT fk_referrals_daily_limit_id FOREIGN KEY(daily_limit_id) REFERENCES referrals.sponsor_daily_limits (id);

ALTER TABLE referrals.referrals ADD CONSTRAINT fk_referrals_sponsor_user_id FOREIGN KEY(sponsor_user_id) REFERENCES identity.users (id);

ALTER TABLE referrals.referrals ADD CONSTRAINT fk_referrals_sponsored_user_id FOREIGN KEY(sponsored_user_id) REFERENCES identity.users (id);

ALTER TABLE referrals.points_ledger ADD CONSTRAINT fk_points_ledger_referral_id FOREIGN KEY(referral_id) REFERENCES referrals.referrals (id);

ALTER TABLE referrals.points_ledger ADD CONSTRAINT fk_points_ledger_sponsor_user_id FOREIGN KEY(sponsor_user_id) REFERENCES identity.users (id);

ALTER TABLE referrals.points_conversions ADD CONSTRAINT fk_points_conversions_applied_to_pot_id FOREIGN KEY(applied_to_pot_id) REFERENCES pots.pots (id);

ALTER TABLE referrals.points_conversions ADD CONSTRAINT fk_points_conversions_sponsor_user_id FOREIGN KEY(sponsor_user_id) REFERENCES identity.users (id);

ALTER TABLE referrals.sponsor_daily_limits ADD CONSTRAINT fk_sponsor_daily_limits_sponsor_user_id FOREIGN KEY(sponsor_user_id) REFERENCES identity.users (id);

ALTER TABLE referrals.sponsor_contact_batches ADD CONSTRAINT fk_sponsor_contact_batches_sponsor_user_id FOREIGN KEY(sponsor_user_id) REFERENCES identity.users (id);
