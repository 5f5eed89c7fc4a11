ALTER TABLE identity.users DROP CONSTRAINT ck_users_times_are_finite;

ALTER TABLE identity.users ADD COLUMN phone_verified_at TIMESTAMP WITH TIME ZONE, ADD COLUMN email_verified_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE identity.users ADD CONSTRAINT ck_users_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND last_login_at >= '0001-01-01' AND last_login_at < '9999-01-01' AND locked_until >= '0001-01-01' AND locked_until < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01' AND phone_verified_at >= '0001-01-01' AND phone_verified_at < '9999-01-01' AND email_verified_at >= '0001-01-01' AND email_verified_at < '9999-01-01');

COMMENT ON COLUMN identity.users.phone_verified_at IS 'When the user proved to receive messages at `phone`; null before.';

COMMENT ON COLUMN identity.users.email_verified_at IS 'When the user proved to receive messages at `email`; null before.';

GRANT SELECT (phone_verified_at, email_verified_at) ON identity.users TO lango_anonymous;

GRANT SELECT (phone_verified_at, email_verified_at) ON identity.users TO lango_member;

GRANT SELECT (phone_verified_at, email_verified_at) ON identity.users TO lango_staff;

ALTER TABLE identity.user_sessions DROP CONSTRAINT ck_user_sessions_times_are_finite;

ALTER TABLE identity.user_sessions ADD COLUMN device_id UUID, ADD COLUMN assurance_level INTEGER DEFAULT 1 NOT NULL, ADD COLUMN methods TEXT[], ADD COLUMN authenticated_at TIMESTAMP WITH TIME ZONE, ADD COLUMN last_used_at TIMESTAMP WITH TIME ZONE, ADD COLUMN ended_at TIMESTAMP WITH TIME ZONE, ADD COLUMN end_reason VARCHAR(20);

ALTER TABLE identity.user_sessions ADD CONSTRAINT ck_user_sessions_assurance_level_is_known CHECK (assurance_level BETWEEN 1 AND 2);

ALTER TABLE identity.user_sessions ADD CONSTRAINT ck_user_sessions_end_reason_is_known CHECK (end_reason IN ('signed_out', 'revoked', 'idle', 'expired', 'too_many', 'credentials_changed', 'token_reused', 'account_closed'));

ALTER TABLE identity.user_sessions ADD CONSTRAINT ck_user_sessions_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND authenticated_at >= '0001-01-01' AND authenticated_at < '9999-01-01' AND last_used_at >= '0001-01-01' AND last_used_at < '9999-01-01' AND ended_at >= '0001-01-01' AND ended_at < '9999-01-01');

CREATE INDEX ix_user_sessions_device_id ON identity.user_sessions (device_id);

COMMENT ON COLUMN identity.user_sessions.device_id IS 'The device it was begun on; null where that is not known.';

COMMENT ON COLUMN identity.user_sessions.assurance_level IS 'How surely it is the user: 1 for one proof, 2 for a second factor too (`aal` in its tokens).';

COMMENT ON COLUMN identity.user_sessions.methods IS 'The proofs that were given: `pwd`, `otp`, `oidc`, `totp` or `backup` (`amr` in its tokens); null where that is not known.';

COMMENT ON COLUMN identity.user_sessions.authenticated_at IS 'When the user last gave a proof in it (`auth_time` in its tokens); null where that is not known.';

COMMENT ON COLUMN identity.user_sessions.last_used_at IS 'When it was last renewed; null before the first time.';

COMMENT ON COLUMN identity.user_sessions.ended_at IS 'When it was ended before its time; null unless it was.';

COMMENT ON COLUMN identity.user_sessions.end_reason IS 'Why it was ended; null unless it was.';

GRANT SELECT (device_id, assurance_level, methods, authenticated_at, last_used_at, ended_at, end_reason) ON identity.user_sessions TO lango_anonymous;

GRANT SELECT (device_id, assurance_level, methods, authenticated_at, last_used_at, ended_at, end_reason) ON identity.user_sessions TO lango_member;

GRANT SELECT (device_id, assurance_level, methods, authenticated_at, last_used_at, ended_at, end_reason) ON identity.user_sessions TO lango_staff;

ALTER TABLE identity.one_time_codes DROP CONSTRAINT ck_one_time_codes_purpose_is_known;

ALTER TABLE identity.one_time_codes ADD COLUMN channel VARCHAR(20), ADD COLUMN session_id UUID, ADD COLUMN details JSONB;

ALTER TABLE identity.one_time_codes ADD CONSTRAINT ck_one_time_codes_purpose_is_known CHECK (purpose IN ('sign_in', 'sign_up', 'verify_contact', 'two_factor_challenge', 'transaction', 'reauthentication', 'undo_contact'));

ALTER TABLE identity.one_time_codes ADD CONSTRAINT ck_one_time_codes_channel_is_known CHECK (channel IN ('sms', 'email'));

CREATE INDEX ix_one_time_codes_identifier_created_at ON identity.one_time_codes (identifier, created_at);

CREATE INDEX ix_one_time_codes_session_id ON identity.one_time_codes (session_id);

COMMENT ON COLUMN identity.one_time_codes.used_at IS 'When it was used, or replaced by a later one; null before. It serves once.';

COMMENT ON COLUMN identity.one_time_codes.channel IS 'The way it was sent; null where nothing was.';

COMMENT ON COLUMN identity.one_time_codes.session_id IS 'The session that it was requested in; null where there was none.';

COMMENT ON COLUMN identity.one_time_codes.details IS 'What waits for the code, as JSON: a password''s hash, a contact, how far a sign-in has come.';

ALTER TABLE identity.one_time_codes ADD CONSTRAINT fk_one_time_codes_session_id FOREIGN KEY(session_id) REFERENCES identity.user_sessions (id);

ALTER TABLE security.user_devices DROP CONSTRAINT ck_user_devices_times_are_finite;

ALTER TABLE security.user_devices ADD COLUMN trusted_until TIMESTAMP WITH TIME ZONE, ADD COLUMN trust_token_hash TEXT, ADD COLUMN login_attempts INTEGER DEFAULT 0 NOT NULL, ADD COLUMN locked_until TIMESTAMP WITH TIME ZONE;

ALTER TABLE security.user_devices ADD CONSTRAINT uq_user_devices_trust_token_hash UNIQUE (trust_token_hash);

ALTER TABLE security.user_devices ADD CONSTRAINT ck_user_devices_times_are_finite CHECK (last_used_at >= '0001-01-01' AND last_used_at < '9999-01-01' AND trusted_at >= '0001-01-01' AND trusted_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND trusted_until >= '0001-01-01' AND trusted_until < '9999-01-01' AND locked_until >= '0001-01-01' AND locked_until < '9999-01-01');

COMMENT ON COLUMN security.user_devices.trusted_until IS 'Until when it is trusted, unless the password is changed before; null where it never was.';

COMMENT ON COLUMN security.user_devices.trust_token_hash IS 'Hash of the token by which a trusted device is known; null where it is not trusted.';

COMMENT ON COLUMN security.user_devices.login_attempts IS 'How many sign-ins have failed on it while it was trusted, since the last that succeeded: they do not count for the account.';

COMMENT ON COLUMN security.user_devices.locked_until IS 'Until when sign-in is refused on it after too many failures; null or past while it is not.';

GRANT SELECT (trusted_until, login_attempts, locked_until) ON security.user_devices TO lango_anonymous;

GRANT SELECT (trusted_until, login_attempts, locked_until) ON security.user_devices TO lango_member;

GRANT SELECT (trusted_until, login_attempts, locked_until) ON security.user_devices TO lango_staff;

DROP TRIGGER audit ON security.user_devices;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.user_devices FOR EACH ROW EXECUTE FUNCTION lango.audit('user_device', 'id', 'trust_token_hash', 'device_name,device_fingerprint,last_ip_address,last_location', '');

CREATE INDEX ix_refresh_tokens_expires_at ON security.refresh_tokens (expires_at);

CREATE INDEX ix_refresh_tokens_family_id ON security.refresh_tokens (family_id);

CREATE INDEX ix_login_attempts_created_at ON security.login_attempts (created_at);

ALTER TABLE identity.user_sessions ADD CONSTRAINT fk_user_sessions_device_id FOREIGN KEY(device_id) REFERENCES security.user_devices (id);
