-- Birthday pots, who is invited, and how they fare.

CREATE SCHEMA pots;

COMMENT ON SCHEMA pots IS 'Birthday pots, who is invited to them, and how they do from day to day.';
GRANT USAGE ON SCHEMA pots TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE pots.pots (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    owner_user_id UUID NOT NULL,
    title VARCHAR(255) NOT NULL,
    description TEXT,
    target_amount_cfa INTEGER NOT NULL,
    birthday_date DATE NOT NULL,
    scheduled_open_at TIMESTAMP WITH TIME ZONE NOT NULL,
    actual_opened_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    status VARCHAR(20) DEFAULT 'scheduled',
    visibility VARCHAR(20) DEFAULT 'private',
    preferred_pack_id UUID,
    allow_anonymous_donations BOOLEAN DEFAULT true NOT NULL,
    show_donor_names BOOLEAN DEFAULT true NOT NULL,
    enable_messages BOOLEAN DEFAULT true NOT NULL,
    share_count INTEGER DEFAULT 0,
    view_count INTEGER DEFAULT 0,
    cover_image_url VARCHAR(500),
    gallery_images JSONB,
    created_from_referral_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    raised_cfa INTEGER DEFAULT 0 NOT NULL,
    balance_cfa INTEGER DEFAULT 0 NOT NULL,
    time_zone VARCHAR(50) DEFAULT 'Africa/Dakar' NOT NULL,
    share_token VARCHAR(64),
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_pots PRIMARY KEY (id),
    CONSTRAINT check_open_before_birthday CHECK (scheduled_open_at < ((birthday_date + 1)::timestamp AT TIME ZONE 'UTC')),
    CONSTRAINT ck_pots_target_is_positive CHECK (target_amount_cfa > 0),
    CONSTRAINT ck_pots_balance_is_not_negative CHECK (balance_cfa >= 0),
    CONSTRAINT ck_pots_status_is_known CHECK (status IN ('scheduled', 'open', 'funded', 'expired', 'closed', 'cancelled')),
    CONSTRAINT ck_pots_visibility_is_known CHECK (visibility IN ('private', 'public', 'friends_only')),
    CONSTRAINT ck_pots_times_are_finite CHECK (birthday_date >= '0001-01-01' AND birthday_date < '9999-01-01' AND scheduled_open_at >= '0001-01-01' AND scheduled_open_at < '9999-01-01' AND actual_opened_at >= '0001-01-01' AND actual_opened_at < '9999-01-01' AND closed_at >= '0001-01-01' AND closed_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_pots_birthday_date ON pots.pots (birthday_date);
CREATE INDEX ix_pots_created_at_id ON pots.pots (created_at, id);
CREATE INDEX ix_pots_created_from_referral_id ON pots.pots (created_from_referral_id);
CREATE INDEX ix_pots_owner_user_id ON pots.pots (owner_user_id);
CREATE INDEX ix_pots_preferred_pack_id ON pots.pots (preferred_pack_id);
CREATE INDEX ix_pots_scheduled_open_at ON pots.pots (scheduled_open_at);
CREATE INDEX ix_pots_status ON pots.pots (status);
CREATE UNIQUE INDEX uq_pots_share_token ON pots.pots (share_token) WHERE deleted_at IS NULL;

COMMENT ON TABLE pots.pots IS 'Money that many people give for one birthday, to be spent on packs.';
COMMENT ON COLUMN pots.pots.id IS 'The row''s key.';
COMMENT ON COLUMN pots.pots.owner_user_id IS 'Whose birthday it is for.';
COMMENT ON COLUMN pots.pots.title IS 'The headline, which all who see the pot read.';
COMMENT ON COLUMN pots.pots.description IS 'What the owner says about it; null where nothing.';
COMMENT ON COLUMN pots.pots.target_amount_cfa IS 'What is hoped for, in CFA francs; fixed once it opens.';
COMMENT ON COLUMN pots.pots.birthday_date IS 'The birthday, as a day in `time_zone`.';
COMMENT ON COLUMN pots.pots.scheduled_open_at IS 'When it is to open: 30 days before the birthday, or at once where that is nearer.';
COMMENT ON COLUMN pots.pots.actual_opened_at IS 'When it did open; null before.';
COMMENT ON COLUMN pots.pots.closed_at IS 'When it stopped taking donations for good; null before.';
COMMENT ON COLUMN pots.pots.status IS 'Where it stands.';
COMMENT ON COLUMN pots.pots.visibility IS 'Who sees it.';
COMMENT ON COLUMN pots.pots.preferred_pack_id IS 'The pack the owner wishes for; null without a wish.';
COMMENT ON COLUMN pots.pots.allow_anonymous_donations IS 'Whether people may give without signing in.';
COMMENT ON COLUMN pots.pots.show_donor_names IS 'Whether others see who gave; those who give anonymously are never named.';
COMMENT ON COLUMN pots.pots.enable_messages IS 'Whether others see what donors wrote.';
COMMENT ON COLUMN pots.pots.share_count IS 'How often it was shared, counted from time to time.';
COMMENT ON COLUMN pots.pots.view_count IS 'How often it was looked at, counted from time to time.';
COMMENT ON COLUMN pots.pots.cover_image_url IS 'Where the main picture is; null without one.';
COMMENT ON COLUMN pots.pots.gallery_images IS 'Where further pictures are: a list of URLs; null without any.';
COMMENT ON COLUMN pots.pots.created_from_referral_id IS 'The referral it was made with; null where the owner made it otherwise.';
COMMENT ON COLUMN pots.pots.created_at IS 'When the row was written.';
COMMENT ON COLUMN pots.pots.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN pots.pots.raised_cfa IS 'Donations and converted points less refunds, in CFA francs: at the target the pot is funded.';
COMMENT ON COLUMN pots.pots.balance_cfa IS 'What may still be spent or given back, in CFA francs.';
COMMENT ON COLUMN pots.pots.time_zone IS 'The IANA time zone whose day the birthday is, as in `Africa/Dakar`; it never changes.';
COMMENT ON COLUMN pots.pots.share_token IS '128 random bits in the share link: whoever holds it may see the pot and give; null without a link.';
COMMENT ON COLUMN pots.pots.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE pots.pots ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, owner_user_id, title, description, target_amount_cfa, birthday_date, scheduled_open_at, actual_opened_at, closed_at, status, visibility, preferred_pack_id, allow_anonymous_donations, show_donor_names, enable_messages, share_count, view_count, cover_image_url, gallery_images, created_from_referral_id, created_at, updated_at, raised_cfa, balance_cfa, time_zone, deleted_at) ON pots.pots TO lango_anonymous;
GRANT SELECT (id, owner_user_id, title, description, target_amount_cfa, birthday_date, scheduled_open_at, actual_opened_at, closed_at, status, visibility, preferred_pack_id, allow_anonymous_donations, show_donor_names, enable_messages, share_count, view_count, cover_image_url, gallery_images, created_from_referral_id, created_at, updated_at, raised_cfa, balance_cfa, time_zone, deleted_at) ON pots.pots TO lango_member;
GRANT SELECT (id, owner_user_id, title, description, target_amount_cfa, birthday_date, scheduled_open_at, actual_opened_at, closed_at, status, visibility, preferred_pack_id, allow_anonymous_donations, show_donor_names, enable_messages, share_count, view_count, cover_image_url, gallery_images, created_from_referral_id, created_at, updated_at, raised_cfa, balance_cfa, time_zone, deleted_at) ON pots.pots TO lango_staff;
CREATE POLICY lango_anonymous ON pots.pots FOR SELECT TO lango_anonymous USING (deleted_at IS NULL AND ((visibility = 'public') OR (id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[]))));
CREATE POLICY lango_member ON pots.pots FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((visibility = 'public') OR (id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((id = ANY ((SELECT lango.my_friends_pots())::uuid[])) AND (visibility = 'friends_only'))));
CREATE POLICY lango_staff ON pots.pots FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON pots.pots TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON pots.pots TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON pots.pots TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON pots.pots FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON pots.pots FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'funded>cancelled', 'funded>closed', 'funded>expired', 'open>cancelled', 'open>closed', 'open>expired', 'open>funded', 'scheduled>cancelled', 'scheduled>open');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON pots.pots FOR EACH ROW EXECUTE FUNCTION lango.audit('pot', 'id', 'share_token', 'title,description,cover_image_url,gallery_images', '');

CREATE TABLE pots.pot_invitations (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pot_id UUID NOT NULL,
    invited_by_user_id UUID NOT NULL,
    invitation_method VARCHAR(20) NOT NULL,
    recipient_identifier VARCHAR(255) NOT NULL,
    custom_message TEXT,
    sent_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE,
    clicked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    token_hash VARCHAR(255),
    invited_user_id UUID,
    CONSTRAINT pk_pot_invitations PRIMARY KEY (id),
    CONSTRAINT uq_pot_invitations_token_hash UNIQUE (token_hash),
    CONSTRAINT ck_pot_invitations_invitation_method_is_known CHECK (invitation_method IN ('whatsapp', 'sms', 'email', 'social')),
    CONSTRAINT ck_pot_invitations_times_are_finite CHECK (sent_at >= '0001-01-01' AND sent_at < '9999-01-01' AND opened_at >= '0001-01-01' AND opened_at < '9999-01-01' AND clicked_at >= '0001-01-01' AND clicked_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_pot_invitations_invited_by_user_id ON pots.pot_invitations (invited_by_user_id);
CREATE INDEX ix_pot_invitations_invited_user_id ON pots.pot_invitations (invited_user_id);
CREATE INDEX ix_pot_invitations_pot_id ON pots.pot_invitations (pot_id);

COMMENT ON TABLE pots.pot_invitations IS 'A message that invites somebody to a pot, with a link of its own.';
COMMENT ON COLUMN pots.pot_invitations.id IS 'The row''s key.';
COMMENT ON COLUMN pots.pot_invitations.pot_id IS 'The pot it invites to.';
COMMENT ON COLUMN pots.pot_invitations.invited_by_user_id IS 'Who invites.';
COMMENT ON COLUMN pots.pot_invitations.invitation_method IS 'How it is sent.';
COMMENT ON COLUMN pots.pot_invitations.recipient_identifier IS 'Where it goes: a phone number, an email address or a name on a social network.';
COMMENT ON COLUMN pots.pot_invitations.custom_message IS 'What the sender wrote to go with it; null where nothing.';
COMMENT ON COLUMN pots.pot_invitations.sent_at IS 'When it was sent.';
COMMENT ON COLUMN pots.pot_invitations.opened_at IS 'When it was first opened; null before.';
COMMENT ON COLUMN pots.pot_invitations.clicked_at IS 'When its reader first went on to the pot; null before.';
COMMENT ON COLUMN pots.pot_invitations.created_at IS 'When the row was written.';
COMMENT ON COLUMN pots.pot_invitations.token_hash IS 'Hash of the token in its link; null without a link.';
COMMENT ON COLUMN pots.pot_invitations.invited_user_id IS 'The user it reached, known by a verified phone or email or by opening the link; null before.';
ALTER TABLE pots.pot_invitations ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, pot_id, invited_by_user_id, invitation_method, recipient_identifier, custom_message, sent_at, opened_at, clicked_at, created_at, invited_user_id) ON pots.pot_invitations TO lango_anonymous;
GRANT SELECT (id, pot_id, invited_by_user_id, invitation_method, recipient_identifier, custom_message, sent_at, opened_at, clicked_at, created_at, invited_user_id) ON pots.pot_invitations TO lango_member;
GRANT SELECT (id, pot_id, invited_by_user_id, invitation_method, recipient_identifier, custom_message, sent_at, opened_at, clicked_at, created_at, invited_user_id) ON pots.pot_invitations TO lango_staff;
CREATE POLICY lango_member ON pots.pot_invitations FOR SELECT TO lango_member USING (((pot_id = ANY ((SELECT lango.my_pots())::uuid[])) OR (invited_by_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR invited_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON pots.pot_invitations FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON pots.pot_invitations TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON pots.pot_invitations TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON pots.pot_invitations TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON pots.pot_invitations FOR EACH ROW EXECUTE FUNCTION lango.audit('pot_invitation', 'id', 'token_hash', 'recipient_identifier,custom_message', '');

CREATE TABLE pots.pot_analytics (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    pot_id UUID NOT NULL,
    snapshot_date DATE NOT NULL,
    total_raised_cfa INTEGER DEFAULT 0 NOT NULL,
    donor_count INTEGER DEFAULT 0,
    view_count INTEGER DEFAULT 0,
    share_count INTEGER DEFAULT 0,
    conversion_rate NUMERIC(5, 4),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_pot_analytics PRIMARY KEY (id),
    CONSTRAINT uq_pot_analytics_pot_id_snapshot_date UNIQUE (pot_id, snapshot_date),
    CONSTRAINT ck_pot_analytics_times_are_finite CHECK (snapshot_date >= '0001-01-01' AND snapshot_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_pot_analytics_numbers_are_real CHECK (conversion_rate <> 'NaN')
);

COMMENT ON TABLE pots.pot_analytics IS 'How a pot stood on one day.';
COMMENT ON COLUMN pots.pot_analytics.id IS 'The row''s key.';
COMMENT ON COLUMN pots.pot_analytics.pot_id IS 'The pot it is about.';
COMMENT ON COLUMN pots.pot_analytics.snapshot_date IS 'The day it is for.';
COMMENT ON COLUMN pots.pot_analytics.total_raised_cfa IS 'What had been raised by then, in CFA francs.';
COMMENT ON COLUMN pots.pot_analytics.donor_count IS 'How many people had given by then.';
COMMENT ON COLUMN pots.pot_analytics.view_count IS 'How often the pot had been looked at by then.';
COMMENT ON COLUMN pots.pot_analytics.share_count IS 'How often the pot had been shared by then.';
COMMENT ON COLUMN pots.pot_analytics.conversion_rate IS 'Donations divided by views: 0.2500 is one in four; null without a view.';
COMMENT ON COLUMN pots.pot_analytics.created_at IS 'When the row was written.';
ALTER TABLE pots.pot_analytics ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, pot_id, snapshot_date, total_raised_cfa, donor_count, view_count, share_count, conversion_rate, created_at) ON pots.pot_analytics TO lango_anonymous;
GRANT SELECT (id, pot_id, snapshot_date, total_raised_cfa, donor_count, view_count, share_count, conversion_rate, created_at) ON pots.pot_analytics TO lango_member;
GRANT SELECT (id, pot_id, snapshot_date, total_raised_cfa, donor_count, view_count, share_count, conversion_rate, created_at) ON pots.pot_analytics TO lango_staff;
CREATE POLICY lango_member ON pots.pot_analytics FOR SELECT TO lango_member USING (((pot_id = ANY ((SELECT lango.my_pots())::uuid[]))));
CREATE POLICY lango_staff ON pots.pot_analytics FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON pots.pot_analytics TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON pots.pot_analytics TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON pots.pot_analytics TO lango_rules, lango_worker;

ALTER TABLE pots.pots ADD CONSTRAINT fk_pots_owner_user_id FOREIGN KEY(owner_user_id) REFERENCES identity.users (id);

ALTER TABLE pots.pots ADD CONSTRAINT fk_pots_preferred_pack_id FOREIGN KEY(preferred_pack_id) REFERENCES packs.packs (id);

ALTER TABLE pots.pot_invitations ADD CONSTRAINT fk_pot_invitations_invited_by_user_id FOREIGN KEY(invited_by_user_id) REFERENCES identity.users (id);

ALTER TABLE pots.pot_invitations ADD CONSTRAINT fk_pot_invitations_invited_user_id FOREIGN KEY(invited_user_id) REFERENCES identity.users (id);

ALTER TABLE pots.pot_invitations ADD CONSTRAINT fk_pot_invitations_pot_id FOREIGN KEY(pot_id) REFERENCES pots.pots (id) ON DELETE CASCADE;

ALTER TABLE pots.pot_analytics ADD CONSTRAINT fk_pot_analytics_pot_id FOREIGN KEY(pot_id) REFERENCES pots.pots (id) ON DELETE CASCADE;
