CREATE FUNCTION lango.is_minor(born date, zone text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT born > CURRENT_DATE - INTERVAL '18 years 2 days'
    AND born > (now() AT TIME ZONE coalesce(zone, 'Africa/Dakar'))::date - INTERVAL '18 years'$$;

COMMENT ON FUNCTION lango.is_minor(date, text) IS 'Whether somebody born on that day is under 18 now: majority begins at midnight of the eighteenth birthday in their time zone.';

REVOKE ALL ON FUNCTION lango.is_minor(date, text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.is_minor(date, text) TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE OR REPLACE FUNCTION lango.my_people() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT CASE WHEN lango.user_id() IS NULL THEN '{}'::uuid[] ELSE lango.user_id() || ARRAY(
    SELECT p.user_id FROM profiles.profiles p
    WHERE p.guardian_user_id = lango.user_id() AND p.guardian_accepted_at IS NOT NULL
      AND lango.is_minor(p.date_of_birth, p.timezone)
) END$$;

ALTER TABLE profiles.profiles DROP CONSTRAINT check_minor_has_guardian;

ALTER TABLE profiles.profiles DROP CONSTRAINT ck_profiles_times_are_finite;

ALTER TABLE profiles.profiles ADD COLUMN majority_announced_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE profiles.profiles ADD CONSTRAINT check_minor_has_guardian CHECK (CASE WHEN lango.is_minor(date_of_birth, timezone) THEN guardian_user_id IS NOT NULL AND relationship_type IS NOT NULL ELSE true END);

ALTER TABLE profiles.profiles ADD CONSTRAINT ck_profiles_times_are_finite CHECK (date_of_birth >= '0001-01-01' AND date_of_birth < '9999-01-01' AND id_verified_at >= '0001-01-01' AND id_verified_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND guardian_accepted_at >= '0001-01-01' AND guardian_accepted_at < '9999-01-01' AND majority_announced_at >= '0001-01-01' AND majority_announced_at < '9999-01-01');

COMMENT ON COLUMN profiles.profiles.majority_announced_at IS 'When the person and the guardian were told that the person comes of age; null before.';

GRANT SELECT (majority_announced_at) ON profiles.profiles TO lango_anonymous;

GRANT SELECT (majority_announced_at) ON profiles.profiles TO lango_member;

GRANT SELECT (majority_announced_at) ON profiles.profiles TO lango_staff;

CREATE TABLE profiles.guardianship_requests (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    user_id UUID NOT NULL, 
    guardian_user_id UUID NOT NULL, 
    relationship_type VARCHAR(50) NOT NULL, 
    first_name VARCHAR(255) NOT NULL, 
    requested_by UUID NOT NULL, 
    status TEXT DEFAULT 'pending' NOT NULL, 
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    answered_at TIMESTAMP WITH TIME ZONE, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_guardianship_requests PRIMARY KEY (id), 
    CONSTRAINT ck_guardianship_requests_nobody_is_their_own_guardian CHECK (user_id <> guardian_user_id), 
    CONSTRAINT ck_guardianship_requests_status_is_known CHECK (status IN ('pending', 'accepted', 'declined', 'cancelled', 'expired')), 
    CONSTRAINT ck_guardianship_requests_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND answered_at >= '0001-01-01' AND answered_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

CREATE INDEX ix_guardianship_requests_due ON profiles.guardianship_requests (expires_at) WHERE status = 'pending';

CREATE INDEX ix_guardianship_requests_guardian_user_id ON profiles.guardianship_requests (guardian_user_id);

CREATE INDEX ix_guardianship_requests_requested_by ON profiles.guardianship_requests (requested_by);

CREATE INDEX ix_guardianship_requests_user_id ON profiles.guardianship_requests (user_id);

CREATE UNIQUE INDEX uq_guardianship_requests_pending ON profiles.guardianship_requests (user_id) WHERE status = 'pending';

COMMENT ON TABLE profiles.guardianship_requests IS 'A request to be the guardian of a minor, who is named by the first name alone until it is accepted.';

COMMENT ON COLUMN profiles.guardianship_requests.id IS 'The row''s key.';

COMMENT ON COLUMN profiles.guardianship_requests.user_id IS 'The minor.';

COMMENT ON COLUMN profiles.guardianship_requests.guardian_user_id IS 'Who is to act for the minor.';

COMMENT ON COLUMN profiles.guardianship_requests.relationship_type IS 'What the guardian is to the minor: `parent`, `guardian`, `sibling` or other.';

COMMENT ON COLUMN profiles.guardianship_requests.first_name IS 'The minor''s first name.';

COMMENT ON COLUMN profiles.guardianship_requests.requested_by IS 'Who sent it: the minor, the guardian until then, or staff.';

COMMENT ON COLUMN profiles.guardianship_requests.status IS 'Where it stands.';

COMMENT ON COLUMN profiles.guardianship_requests.expires_at IS 'Until when it can be answered.';

COMMENT ON COLUMN profiles.guardianship_requests.answered_at IS 'When it was accepted or declined; null unless it was.';

COMMENT ON COLUMN profiles.guardianship_requests.created_at IS 'When the row was written.';

COMMENT ON COLUMN profiles.guardianship_requests.updated_at IS 'When the row was last changed.';

ALTER TABLE profiles.guardianship_requests ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, user_id, guardian_user_id, relationship_type, first_name, requested_by, status, expires_at, answered_at, created_at, updated_at) ON profiles.guardianship_requests TO lango_anonymous;

GRANT SELECT (id, user_id, guardian_user_id, relationship_type, first_name, requested_by, status, expires_at, answered_at, created_at, updated_at) ON profiles.guardianship_requests TO lango_member;

GRANT SELECT (id, user_id, guardian_user_id, relationship_type, first_name, requested_by, status, expires_at, answered_at, created_at, updated_at) ON profiles.guardianship_requests TO lango_staff;

CREATE POLICY lango_member ON profiles.guardianship_requests FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]) OR guardian_user_id = ANY ((SELECT lango.my_people())::uuid[]))));

CREATE POLICY lango_staff ON profiles.guardianship_requests FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON profiles.guardianship_requests TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON profiles.guardianship_requests TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON profiles.guardianship_requests TO lango_rules, lango_worker;

CREATE TRIGGER touch BEFORE UPDATE ON profiles.guardianship_requests FOR EACH ROW EXECUTE FUNCTION lango.touch();

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON profiles.guardianship_requests FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>accepted', 'pending>cancelled', 'pending>declined', 'pending>expired');

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON profiles.guardianship_requests FOR EACH ROW EXECUTE FUNCTION lango.audit('guardianship_request', 'id', '', 'relationship_type,first_name', '');

CREATE TABLE profiles.identity_documents (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    user_id UUID NOT NULL, 
    type VARCHAR(20) NOT NULL, 
    country VARCHAR(3) NOT NULL, 
    number TEXT, 
    number_hash VARCHAR(255), 
    image TEXT, 
    image_type VARCHAR(50), 
    expires_on DATE, 
    status TEXT DEFAULT 'pending' NOT NULL, 
    decided_by UUID, 
    decided_at TIMESTAMP WITH TIME ZONE, 
    reason TEXT, 
    erased_at TIMESTAMP WITH TIME ZONE, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_identity_documents PRIMARY KEY (id), 
    CONSTRAINT ck_identity_documents_type_is_known CHECK (type IN ('passport', 'national_id', 'birth_certificate')), 
    CONSTRAINT ck_identity_documents_status_is_known CHECK (status IN ('pending', 'verified', 'rejected', 'replaced', 'expired')), 
    CONSTRAINT ck_identity_documents_times_are_finite CHECK (expires_on >= '0001-01-01' AND expires_on < '9999-01-01' AND decided_at >= '0001-01-01' AND decided_at < '9999-01-01' AND erased_at >= '0001-01-01' AND erased_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

CREATE INDEX ix_identity_documents_decided_by ON profiles.identity_documents (decided_by);

CREATE INDEX ix_identity_documents_expiring ON profiles.identity_documents (expires_on) WHERE status = 'verified';

CREATE INDEX ix_identity_documents_number_hash ON profiles.identity_documents (number_hash);

CREATE INDEX ix_identity_documents_to_erase ON profiles.identity_documents (decided_at) WHERE status = 'rejected' AND erased_at IS NULL;

CREATE INDEX ix_identity_documents_user_id ON profiles.identity_documents (user_id);

CREATE UNIQUE INDEX uq_identity_documents_pending ON profiles.identity_documents (user_id) WHERE status = 'pending';

COMMENT ON TABLE profiles.identity_documents IS 'A document by which a person proves who they are, and what staff found of it. The profile shows the last one.';

COMMENT ON COLUMN profiles.identity_documents.id IS 'The row''s key.';

COMMENT ON COLUMN profiles.identity_documents.user_id IS 'Whose document it is.';

COMMENT ON COLUMN profiles.identity_documents.type IS 'Which document it is.';

COMMENT ON COLUMN profiles.identity_documents.country IS 'The country that issued it, as in `SEN` (ISO 3166-1).';

COMMENT ON COLUMN profiles.identity_documents.number IS 'Its number, encrypted; null once it is erased.';

COMMENT ON COLUMN profiles.identity_documents.number_hash IS 'Keyed hash of type, country and number, by which two users of one document are found.';

COMMENT ON COLUMN profiles.identity_documents.image IS 'Its picture, encrypted; null without one, or once it is erased.';

COMMENT ON COLUMN profiles.identity_documents.image_type IS 'What kind of picture there is, as in `image/jpeg`; null without one.';

COMMENT ON COLUMN profiles.identity_documents.expires_on IS 'The last day on which the document is valid; null where it has none.';

COMMENT ON COLUMN profiles.identity_documents.status IS 'Where it stands.';

COMMENT ON COLUMN profiles.identity_documents.decided_by IS 'Who of the staff decided; null before.';

COMMENT ON COLUMN profiles.identity_documents.decided_at IS 'When staff decided; null before.';

COMMENT ON COLUMN profiles.identity_documents.reason IS 'Why it was rejected, for the person; null unless it was.';

COMMENT ON COLUMN profiles.identity_documents.erased_at IS 'When number and picture were erased, after it was rejected or replaced; null while they are kept.';

COMMENT ON COLUMN profiles.identity_documents.created_at IS 'When the row was written.';

COMMENT ON COLUMN profiles.identity_documents.updated_at IS 'When the row was last changed.';

ALTER TABLE profiles.identity_documents ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, user_id, type, country, image_type, expires_on, status, decided_by, decided_at, reason, erased_at, created_at, updated_at) ON profiles.identity_documents TO lango_anonymous;

GRANT SELECT (id, user_id, type, country, image_type, expires_on, status, decided_by, decided_at, reason, erased_at, created_at, updated_at) ON profiles.identity_documents TO lango_member;

GRANT SELECT (id, user_id, type, country, image_type, expires_on, status, decided_by, decided_at, reason, erased_at, created_at, updated_at) ON profiles.identity_documents TO lango_staff;

CREATE POLICY lango_member ON profiles.identity_documents FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));

CREATE POLICY lango_staff ON profiles.identity_documents FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON profiles.identity_documents TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON profiles.identity_documents TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON profiles.identity_documents TO lango_rules, lango_worker;

CREATE TRIGGER touch BEFORE UPDATE ON profiles.identity_documents FOR EACH ROW EXECUTE FUNCTION lango.touch();

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON profiles.identity_documents FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>rejected', 'pending>replaced', 'pending>verified', 'verified>expired', 'verified>replaced');

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON profiles.identity_documents FOR EACH ROW EXECUTE FUNCTION lango.audit('identity_document', 'id', 'number,number_hash,image', 'country,reason', '');

UPDATE profiles.user_addresses a SET is_default = false
WHERE a.is_default AND a.deleted_at IS NULL AND EXISTS (
    SELECT FROM profiles.user_addresses b
    WHERE b.user_id = a.user_id AND b.type = a.type AND b.is_default AND b.deleted_at IS NULL
      AND (b.created_at, b.id) > (a.created_at, a.id)
);

CREATE UNIQUE INDEX uq_user_addresses_default ON profiles.user_addresses (user_id, type) WHERE is_default AND deleted_at IS NULL;

ALTER TABLE profiles.guardianship_requests ADD CONSTRAINT fk_guardianship_requests_guardian_user_id FOREIGN KEY(guardian_user_id) REFERENCES identity.users (id);

ALTER TABLE profiles.guardianship_requests ADD CONSTRAINT fk_guardianship_requests_requested_by FOREIGN KEY(requested_by) REFERENCES identity.users (id);

ALTER TABLE profiles.guardianship_requests ADD CONSTRAINT fk_guardianship_requests_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

ALTER TABLE profiles.identity_documents ADD CONSTRAINT fk_identity_documents_decided_by FOREIGN KEY(decided_by) REFERENCES identity.users (id);

ALTER TABLE profiles.identity_documents ADD CONSTRAINT fk_identity_documents_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

CREATE OR REPLACE VIEW profiles.public_profiles WITH (security_barrier) AS
SELECT p.user_id, p.full_name, p.avatar_url, p.bio, p.locale
FROM profiles.profiles p JOIN identity.users u ON u.id = p.user_id
WHERE p.is_profile_public AND u.is_active AND u.deleted_at IS NULL
  AND NOT lango.is_minor(p.date_of_birth, p.timezone);
