DROP INDEX profiles.uq_user_addresses_default;

CREATE OR REPLACE FUNCTION lango.my_people() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT CASE WHEN lango.user_id() IS NULL THEN '{}'::uuid[] ELSE lango.user_id() || ARRAY(
    SELECT p.user_id FROM profiles.profiles p
    WHERE p.guardian_user_id = lango.user_id() AND p.guardian_accepted_at IS NOT NULL
      AND p.date_of_birth > (CURRENT_DATE - INTERVAL '18 years')
) END$$;

ALTER TABLE profiles.profiles DROP CONSTRAINT check_minor_has_guardian;

ALTER TABLE profiles.profiles DROP CONSTRAINT ck_profiles_times_are_finite;

ALTER TABLE profiles.profiles ADD CONSTRAINT check_minor_has_guardian CHECK (CASE WHEN EXTRACT(YEAR FROM AGE(date_of_birth)) < 18 THEN guardian_user_id IS NOT NULL AND relationship_type IS NOT NULL ELSE true END);

ALTER TABLE profiles.profiles ADD CONSTRAINT ck_profiles_times_are_finite CHECK (date_of_birth >= '0001-01-01' AND date_of_birth < '9999-01-01' AND id_verified_at >= '0001-01-01' AND id_verified_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND guardian_accepted_at >= '0001-01-01' AND guardian_accepted_at < '9999-01-01');

CREATE OR REPLACE VIEW profiles.public_profiles WITH (security_barrier) AS
SELECT p.user_id, p.full_name, p.avatar_url, p.bio, p.locale
FROM profiles.profiles p JOIN identity.users u ON u.id = p.user_id
WHERE p.is_profile_public AND u.is_active AND u.deleted_at IS NULL
  AND p.date_of_birth <= (CURRENT_DATE - INTERVAL '18 years');

DROP TABLE profiles.guardianship_requests;

DROP TABLE profiles.identity_documents;

ALTER TABLE profiles.profiles DROP COLUMN majority_announced_at;

DROP FUNCTION lango.is_minor(date, text);
