DROP INDEX identity.ix_user_sessions_device_id;

DROP INDEX identity.ix_one_time_codes_identifier_created_at;

DROP INDEX identity.ix_one_time_codes_session_id;

ALTER TABLE identity.one_time_codes DROP CONSTRAINT fk_one_time_codes_session_id;

DROP INDEX security.ix_refresh_tokens_expires_at;

DROP INDEX security.ix_refresh_tokens_family_id;

DROP INDEX security.ix_login_attempts_created_at;

ALTER TABLE identity.user_sessions DROP CONSTRAINT fk_user_sessions_device_id;

ALTER TABLE identity.users DROP CONSTRAINT ck_users_times_are_finite;

ALTER TABLE identity.users ADD CONSTRAINT ck_users_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND last_login_at >= '0001-01-01' AND last_login_at < '9999-01-01' AND locked_until >= '0001-01-01' AND locked_until < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01');

ALTER TABLE identity.user_sessions DROP CONSTRAINT ck_user_sessions_assurance_level_is_known;

ALTER TABLE identity.user_sessions DROP CONSTRAINT ck_user_sessions_end_reason_is_known;

ALTER TABLE identity.user_sessions DROP CONSTRAINT ck_user_sessions_times_are_finite;

ALTER TABLE identity.user_sessions ADD CONSTRAINT ck_user_sessions_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01');

DELETE FROM identity.one_time_codes WHERE purpose IN ('sign_up', 'reauthentication', 'undo_contact');

ALTER TABLE identity.one_time_codes DROP CONSTRAINT ck_one_time_codes_purpose_is_known;

ALTER TABLE identity.one_time_codes DROP CONSTRAINT ck_one_time_codes_channel_is_known;

ALTER TABLE identity.one_time_codes ADD CONSTRAINT ck_one_time_codes_purpose_is_known CHECK (purpose IN ('sign_in', 'verify_contact', 'two_factor_challenge', 'transaction'));

COMMENT ON COLUMN identity.one_time_codes.used_at IS 'When it was used; null before. It serves once.';

ALTER TABLE security.user_devices DROP CONSTRAINT uq_user_devices_trust_token_hash;

ALTER TABLE security.user_devices DROP CONSTRAINT ck_user_devices_times_are_finite;

ALTER TABLE security.user_devices ADD CONSTRAINT ck_user_devices_times_are_finite CHECK (last_used_at >= '0001-01-01' AND last_used_at < '9999-01-01' AND trusted_at >= '0001-01-01' AND trusted_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01');

DROP TRIGGER audit ON security.user_devices;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.user_devices FOR EACH ROW EXECUTE FUNCTION lango.audit('user_device', 'id', '', 'device_name,device_fingerprint,last_ip_address,last_location', '');

ALTER TABLE identity.users DROP COLUMN phone_verified_at, DROP COLUMN email_verified_at;

ALTER TABLE identity.user_sessions DROP COLUMN device_id, DROP COLUMN assurance_level, DROP COLUMN methods, DROP COLUMN authenticated_at, DROP COLUMN last_used_at, DROP COLUMN ended_at, DROP COLUMN end_reason;

ALTER TABLE identity.one_time_codes DROP COLUMN channel, DROP COLUMN session_id, DROP COLUMN details;

ALTER TABLE security.user_devices DROP COLUMN trusted_until, DROP COLUMN trust_token_hash, DROP COLUMN login_attempts, DROP COLUMN locked_until;
