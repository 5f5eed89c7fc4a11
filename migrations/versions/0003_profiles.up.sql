-- Profiles, addresses, and what others see of a person.

CREATE SCHEMA profiles;

COMMENT ON SCHEMA profiles IS 'Who people are: names and birthdays, guardians, proofs of identity and addresses.';
GRANT USAGE ON SCHEMA profiles TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE profiles.profiles (
    user_id UUID NOT NULL,
    full_name VARCHAR(255) NOT NULL,
    date_of_birth DATE NOT NULL,
    locale VARCHAR(10) DEFAULT 'fr-SN',
    timezone VARCHAR(50) DEFAULT 'Africa/Dakar',
    avatar_url VARCHAR(500),
    bio TEXT,
    guardian_user_id UUID,
    relationship_type VARCHAR(50),
    id_number TEXT,
    id_type VARCHAR(20),
    id_country VARCHAR(3),
    id_hash VARCHAR(255),
    id_media_url TEXT,
    id_verified_at TIMESTAMP WITH TIME ZONE,
    id_verified_by UUID,
    is_profile_public BOOLEAN DEFAULT true NOT NULL,
    allow_contact_by_sponsors BOOLEAN DEFAULT true NOT NULL,
    notification_preferences JSONB DEFAULT '{"email": true, "sms": true, "whatsapp": true}',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    guardian_accepted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_profiles PRIMARY KEY (user_id),
    CONSTRAINT check_minor_has_guardian CHECK (CASE WHEN EXTRACT(YEAR FROM AGE(date_of_birth)) < 18 THEN guardian_user_id IS NOT NULL AND relationship_type IS NOT NULL ELSE true END),
    CONSTRAINT ck_profiles_id_type_is_known CHECK (id_type IN ('passport', 'national_id', 'birth_certificate')),
    CONSTRAINT ck_profiles_times_are_finite CHECK (date_of_birth >= '0001-01-01' AND date_of_birth < '9999-01-01' AND id_verified_at >= '0001-01-01' AND id_verified_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND guardian_accepted_at >= '0001-01-01' AND guardian_accepted_at < '9999-01-01')
);
CREATE INDEX ix_profiles_date_of_birth ON profiles.profiles (date_of_birth);
CREATE INDEX ix_profiles_guardian_user_id ON profiles.profiles (guardian_user_id) WHERE guardian_user_id IS NOT NULL;
CREATE INDEX ix_profiles_id_verified_by ON profiles.profiles (id_verified_by);

COMMENT ON TABLE profiles.profiles IS 'Who a user is: name, birthday, guardian, proof of identity and what others may see.';
COMMENT ON COLUMN profiles.profiles.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN profiles.profiles.full_name IS 'The name the person goes by.';
COMMENT ON COLUMN profiles.profiles.date_of_birth IS 'The day of birth: whoever is under 18 needs a guardian.';
COMMENT ON COLUMN profiles.profiles.locale IS 'The language and country the person reads in, as in `fr-SN`; null reads as that.';
COMMENT ON COLUMN profiles.profiles.timezone IS 'The IANA time zone in which the person''s days and quiet hours are counted, as in `Africa/Dakar`.';
COMMENT ON COLUMN profiles.profiles.avatar_url IS 'Where the picture is; null without one.';
COMMENT ON COLUMN profiles.profiles.bio IS 'What the person says of themselves; null where nothing.';
COMMENT ON COLUMN profiles.profiles.guardian_user_id IS 'Who acts for the person while under 18; null without a guardian.';
COMMENT ON COLUMN profiles.profiles.relationship_type IS 'What the guardian is to the person: `parent`, `guardian`, `sibling` or other; null without one.';
COMMENT ON COLUMN profiles.profiles.id_number IS 'Number of the identity document, encrypted; null until one is submitted.';
COMMENT ON COLUMN profiles.profiles.id_type IS 'Which document proves the identity; null until one is submitted.';
COMMENT ON COLUMN profiles.profiles.id_country IS 'The country that issued the document, as in `SEN` (ISO 3166-1); null until one is submitted.';
COMMENT ON COLUMN profiles.profiles.id_hash IS 'Hash of the document''s number, by which two users of one document are found; null until it is submitted.';
COMMENT ON COLUMN profiles.profiles.id_media_url IS 'Where the document''s picture is kept, encrypted; null without one.';
COMMENT ON COLUMN profiles.profiles.id_verified_at IS 'When staff found the document to be true; null before.';
COMMENT ON COLUMN profiles.profiles.id_verified_by IS 'Who on the staff verified the document; null before.';
COMMENT ON COLUMN profiles.profiles.is_profile_public IS 'Whether anyone may see name, picture, bio and locale; a minor''s are never shown.';
COMMENT ON COLUMN profiles.profiles.allow_contact_by_sponsors IS 'Whether sponsors may invite the person.';
COMMENT ON COLUMN profiles.profiles.notification_preferences IS 'Channels once wished for, by name; nothing reads it.';
COMMENT ON COLUMN profiles.profiles.created_at IS 'When the row was written.';
COMMENT ON COLUMN profiles.profiles.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN profiles.profiles.guardian_accepted_at IS 'When the guardian agreed; null before, and until then the guardian sees and does nothing.';
ALTER TABLE profiles.profiles ENABLE ROW LEVEL SECURITY;
GRANT SELECT (user_id, full_name, date_of_birth, locale, timezone, avatar_url, bio, guardian_user_id, relationship_type, id_type, id_country, id_verified_at, id_verified_by, is_profile_public, allow_contact_by_sponsors, notification_preferences, created_at, updated_at, guardian_accepted_at) ON profiles.profiles TO lango_anonymous;
GRANT SELECT (user_id, full_name, date_of_birth, locale, timezone, avatar_url, bio, guardian_user_id, relationship_type, id_type, id_country, id_verified_at, id_verified_by, is_profile_public, allow_contact_by_sponsors, notification_preferences, created_at, updated_at, guardian_accepted_at) ON profiles.profiles TO lango_member;
GRANT SELECT (user_id, full_name, date_of_birth, locale, timezone, avatar_url, bio, guardian_user_id, relationship_type, id_type, id_country, id_verified_at, id_verified_by, is_profile_public, allow_contact_by_sponsors, notification_preferences, created_at, updated_at, guardian_accepted_at) ON profiles.profiles TO lango_staff;
CREATE POLICY lango_member ON profiles.profiles FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON profiles.profiles FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON profiles.profiles TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON profiles.profiles TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON profiles.profiles TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON profiles.profiles FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON profiles.profiles FOR EACH ROW EXECUTE FUNCTION lango.audit('profile', 'user_id', 'id_number,id_hash,id_media_url', 'full_name,date_of_birth,avatar_url,bio,relationship_type,id_country', '');

CREATE TABLE profiles.user_addresses (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    type VARCHAR(20) DEFAULT 'primary',
    street_address TEXT,
    city VARCHAR(100),
    region VARCHAR(100),
    country VARCHAR(3) DEFAULT 'SEN',
    postal_code VARCHAR(10),
    is_default BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_user_addresses PRIMARY KEY (id),
    CONSTRAINT ck_user_addresses_type_is_known CHECK (type IN ('primary', 'billing', 'delivery')),
    CONSTRAINT ck_user_addresses_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_user_addresses_user_id ON profiles.user_addresses (user_id);

COMMENT ON TABLE profiles.user_addresses IS 'A postal address of a user; one of each type is the default.';
COMMENT ON COLUMN profiles.user_addresses.id IS 'The row''s key.';
COMMENT ON COLUMN profiles.user_addresses.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN profiles.user_addresses.type IS 'What it is used for.';
COMMENT ON COLUMN profiles.user_addresses.street_address IS 'Street, number and what else leads to the door; null where not given.';
COMMENT ON COLUMN profiles.user_addresses.city IS 'Town or city; null where not given.';
COMMENT ON COLUMN profiles.user_addresses.region IS 'In Senegal one of its regions, as in `Thiès`; null where not given.';
COMMENT ON COLUMN profiles.user_addresses.country IS 'ISO 3166-1 code of three letters, as in `SEN`.';
COMMENT ON COLUMN profiles.user_addresses.postal_code IS 'Null where not given, or where the place has none.';
COMMENT ON COLUMN profiles.user_addresses.is_default IS 'True for the one that is taken when none of its type is named.';
COMMENT ON COLUMN profiles.user_addresses.created_at IS 'When the row was written.';
COMMENT ON COLUMN profiles.user_addresses.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE profiles.user_addresses ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, type, street_address, city, region, country, postal_code, is_default, created_at, deleted_at) ON profiles.user_addresses TO lango_anonymous;
GRANT SELECT (id, user_id, type, street_address, city, region, country, postal_code, is_default, created_at, deleted_at) ON profiles.user_addresses TO lango_member;
GRANT SELECT (id, user_id, type, street_address, city, region, country, postal_code, is_default, created_at, deleted_at) ON profiles.user_addresses TO lango_staff;
CREATE POLICY lango_member ON profiles.user_addresses FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON profiles.user_addresses FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON profiles.user_addresses TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON profiles.user_addresses TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON profiles.user_addresses TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON profiles.user_addresses FOR EACH ROW EXECUTE FUNCTION lango.audit('user_address', 'id', '', 'street_address,city,region,country,postal_code', '');

ALTER TABLE profiles.profiles ADD CONSTRAINT fk_profiles_guardian_user_id FOREIGN KEY(guardian_user_id) REFERENCES identity.users (id);

ALTER TABLE profiles.profiles ADD CONSTRAINT fk_profiles_id_verified_by FOREIGN KEY(id_verified_by) REFERENCES identity.users (id);

ALTER TABLE profiles.profiles ADD CONSTRAINT fk_profiles_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

ALTER TABLE profiles.user_addresses ADD CONSTRAINT fk_user_addresses_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

CREATE VIEW profiles.public_profiles WITH (security_barrier) AS
SELECT p.user_id, p.full_name, p.avatar_url, p.bio, p.locale
FROM profiles.profiles p JOIN identity.users u ON u.id = p.user_id
WHERE p.is_profile_public AND u.is_active AND u.deleted_at IS NULL
  AND p.date_of_birth <= (CURRENT_DATE - INTERVAL '18 years');

COMMENT ON VIEW profiles.public_profiles IS 'What anyone may see of a person who has a public profile; never a minor.';
COMMENT ON COLUMN profiles.public_profiles.user_id IS 'The person.';
COMMENT ON COLUMN profiles.public_profiles.full_name IS 'The name the person goes by.';
COMMENT ON COLUMN profiles.public_profiles.avatar_url IS 'Where the picture is; null without one.';
COMMENT ON COLUMN profiles.public_profiles.bio IS 'What the person says of themselves.';
COMMENT ON COLUMN profiles.public_profiles.locale IS 'The language and country the person reads in, as in `fr-SN`.';
GRANT SELECT (user_id, full_name, avatar_url, bio, locale) ON profiles.public_profiles TO lango_anonymous, lango_member, lango_staff;

CREATE VIEW profiles.colleagues WITH (security_barrier) AS
SELECT p.user_id, p.full_name, p.avatar_url
FROM profiles.profiles p
WHERE p.user_id = ANY ((SELECT lango.my_colleagues())::uuid[]);

COMMENT ON VIEW profiles.colleagues IS 'What those on the same partner, DAO or card account see of each other.';
COMMENT ON COLUMN profiles.colleagues.user_id IS 'The colleague.';
COMMENT ON COLUMN profiles.colleagues.full_name IS 'The name the colleague goes by.';
COMMENT ON COLUMN profiles.colleagues.avatar_url IS 'Where the picture is; null without one.';
GRANT SELECT (user_id, full_name, avatar_url) ON profiles.colleagues TO lango_anonymous, lango_member, lango_staff;
