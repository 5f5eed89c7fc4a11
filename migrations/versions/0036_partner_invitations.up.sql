CREATE TABLE packs.partner_invitations (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    partner_id UUID NOT NULL,
    partner_name VARCHAR(255) NOT NULL,
    role TEXT NOT NULL,
    phone VARCHAR(20),
    email VARCHAR(255),
    invited_by UUID NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_by UUID,
    answered_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_partner_invitations PRIMARY KEY (id),
    CONSTRAINT ck_partner_invitations_has_one_contact CHECK ((phone IS NULL) <> (email IS NULL)),
    CONSTRAINT ck_partner_invitations_role_is_known CHECK (role IN ('owner', 'manager', 'cashier')),
    CONSTRAINT ck_partner_invitations_status_is_known CHECK (status IN ('pending', 'accepted', 'declined', 'cancelled', 'expired')),
    CONSTRAINT ck_partner_invitations_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND answered_at >= '0001-01-01' AND answered_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

CREATE FUNCTION lango.my_partner_invitations() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT i.id FROM packs.partner_invitations i JOIN identity.users u ON u.phone = i.phone
    WHERE u.id = lango.user_id() AND u.deleted_at IS NULL AND (i.answered_by IS NULL OR i.answered_by = u.id)
    UNION
    SELECT i.id FROM packs.partner_invitations i JOIN identity.users u ON u.email = i.email
    WHERE u.id = lango.user_id() AND u.deleted_at IS NULL AND (i.answered_by IS NULL OR i.answered_by = u.id)
)$$;

COMMENT ON FUNCTION lango.my_partner_invitations() IS 'The invitations of partners to the phone number or the email address of the caller.';

REVOKE ALL ON FUNCTION lango.my_partner_invitations() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.my_partner_invitations() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE INDEX ix_partner_invitations_answered_by ON packs.partner_invitations (answered_by);

CREATE INDEX ix_partner_invitations_due ON packs.partner_invitations (expires_at) WHERE status = 'pending';

CREATE INDEX ix_partner_invitations_email ON packs.partner_invitations (email);

CREATE INDEX ix_partner_invitations_invited_by ON packs.partner_invitations (invited_by);

CREATE INDEX ix_partner_invitations_partner_id ON packs.partner_invitations (partner_id);

CREATE INDEX ix_partner_invitations_phone ON packs.partner_invitations (phone);

CREATE UNIQUE INDEX uq_partner_invitations_email ON packs.partner_invitations (partner_id, email) WHERE status = 'pending';

CREATE UNIQUE INDEX uq_partner_invitations_phone ON packs.partner_invitations (partner_id, phone) WHERE status = 'pending';

COMMENT ON TABLE packs.partner_invitations IS 'An invitation to act for a partner, for whoever has its phone number or email address: only they can accept it. It looks the same whether or not anybody has that contact.';

COMMENT ON COLUMN packs.partner_invitations.id IS 'The row''s key.';

COMMENT ON COLUMN packs.partner_invitations.partner_id IS 'The partner that invites; who is not on it sees it as `public_partner`.';

COMMENT ON COLUMN packs.partner_invitations.partner_name IS 'What the partner was called when it was sent.';

COMMENT ON COLUMN packs.partner_invitations.role IS 'What who accepts may do for the partner.';

COMMENT ON COLUMN packs.partner_invitations.phone IS 'The phone number it went to (E.164); null where it went to an email address.';

COMMENT ON COLUMN packs.partner_invitations.email IS 'The email address it went to; null where it went to a phone number.';

COMMENT ON COLUMN packs.partner_invitations.invited_by IS 'Which owner, or who of the staff, sent it.';

COMMENT ON COLUMN packs.partner_invitations.status IS 'Where it stands.';

COMMENT ON COLUMN packs.partner_invitations.expires_at IS 'Until when it can be answered.';

COMMENT ON COLUMN packs.partner_invitations.answered_by IS 'Who accepted or declined it; null unless somebody did.';

COMMENT ON COLUMN packs.partner_invitations.answered_at IS 'When it was accepted or declined; null unless somebody did.';

COMMENT ON COLUMN packs.partner_invitations.created_at IS 'When the row was written.';

COMMENT ON COLUMN packs.partner_invitations.updated_at IS 'When the row was last changed.';

ALTER TABLE packs.partner_invitations ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, partner_id, partner_name, role, phone, email, invited_by, status, expires_at, answered_by, answered_at, created_at, updated_at) ON packs.partner_invitations TO lango_anonymous;

GRANT SELECT (id, partner_id, partner_name, role, phone, email, invited_by, status, expires_at, answered_by, answered_at, created_at, updated_at) ON packs.partner_invitations TO lango_member;

GRANT SELECT (id, partner_id, partner_name, role, phone, email, invited_by, status, expires_at, answered_by, answered_at, created_at, updated_at) ON packs.partner_invitations TO lango_staff;

CREATE POLICY lango_member ON packs.partner_invitations FOR SELECT TO lango_member USING (((id = ANY ((SELECT lango.my_partner_invitations())::uuid[])) OR (answered_by = ANY ((SELECT lango.my_people())::uuid[])) OR (partner_id = ANY ((SELECT lango.my_managed_partners())::uuid[]))));

CREATE POLICY lango_staff ON packs.partner_invitations FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON packs.partner_invitations TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON packs.partner_invitations TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON packs.partner_invitations TO lango_rules, lango_worker;

CREATE TRIGGER touch BEFORE UPDATE ON packs.partner_invitations FOR EACH ROW EXECUTE FUNCTION lango.touch();

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON packs.partner_invitations FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>accepted', 'pending>cancelled', 'pending>declined', 'pending>expired');

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON packs.partner_invitations FOR EACH ROW EXECUTE FUNCTION lango.audit('partner_invitation', 'id', '', 'phone,email', '');

ALTER TABLE packs.partner_invitations ADD CONSTRAINT fk_partner_invitations_answered_by FOREIGN KEY(answered_by) REFERENCES identity.users (id);

ALTER TABLE packs.partner_invitations ADD CONSTRAINT fk_partner_invitations_invited_by FOREIGN KEY(invited_by) REFERENCES identity.users (id);

ALTER TABLE packs.partner_invitations ADD CONSTRAINT fk_partner_invitations_partner_id FOREIGN KEY(partner_id) REFERENCES packs.partners (id);
