-- Users and their sessions.

CREATE SCHEMA identity;

COMMENT ON SCHEMA identity IS 'Users, their sessions, and the codes they prove themselves with.';
GRANT USAGE ON SCHEMA identity TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE identity.users (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    phone VARCHAR(20),
    email VARCHAR(255),
    auth_provider VARCHAR(50) DEFAULT 'phone' NOT NULL,
    roles TEXT[] DEFAULT ARRAY['user']::text[],
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_login_at TIMESTAMP WITH TIME ZONE,
    password_hash VARCHAR(255),
    login_attempts INTEGER DEFAULT 0 NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT check_contact_method CHECK (phone IS NOT NULL OR email IS NOT NULL),
    CONSTRAINT ck_users_auth_provider_is_known CHECK (auth_provider IN ('phone', 'google', 'facebook')),
    CONSTRAINT ck_users_roles_are_known CHECK (roles::text[] <@ ARRAY['user', 'admin', 'super_admin', 'partner']),
    CONSTRAINT ck_users_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND last_login_at >= '0001-01-01' AND last_login_at < '9999-01-01' AND locked_until >= '0001-01-01' AND locked_until < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_users_roles ON identity.users USING gin (roles);
CREATE UNIQUE INDEX uq_users_email ON identity.users (email) WHERE deleted_at IS NULL AND email IS NOT NULL;
CREATE UNIQUE INDEX uq_users_phone ON identity.users (phone) WHERE deleted_at IS NULL AND phone IS NOT NULL;

COMMENT ON TABLE identity.users IS 'A person with an account, reached by phone, email or both.';
COMMENT ON COLUMN identity.users.id IS 'The row''s key.';
COMMENT ON COLUMN identity.users.phone IS 'In international form (E.164), as in `+221771234567`; null where there is only an email.';
COMMENT ON COLUMN identity.users.email IS 'In lower case; null where there is only a phone.';
COMMENT ON COLUMN identity.users.auth_provider IS 'How the account was opened.';
COMMENT ON COLUMN identity.users.roles IS 'What the user may act as: a role in a token counts only if it is listed here, and null lists none.';
COMMENT ON COLUMN identity.users.is_active IS 'False while staff have suspended the account.';
COMMENT ON COLUMN identity.users.created_at IS 'When the row was written.';
COMMENT ON COLUMN identity.users.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN identity.users.last_login_at IS 'When the user last signed in; null before the first time.';
COMMENT ON COLUMN identity.users.password_hash IS 'argon2id hash of the password; null for those who sign in without one.';
COMMENT ON COLUMN identity.users.login_attempts IS 'How many sign-ins have failed since the last that succeeded.';
COMMENT ON COLUMN identity.users.locked_until IS 'Until when sign-in is refused after too many failures; null or past while it is not.';
COMMENT ON COLUMN identity.users.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE identity.users ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, phone, email, auth_provider, roles, is_active, created_at, updated_at, last_login_at, login_attempts, locked_until, deleted_at) ON identity.users TO lango_anonymous;
GRANT SELECT (id, phone, email, auth_provider, roles, is_active, created_at, updated_at, last_login_at, login_attempts, locked_until, deleted_at) ON identity.users TO lango_member;
GRANT SELECT (id, phone, email, auth_provider, roles, is_active, created_at, updated_at, last_login_at, login_attempts, locked_until, deleted_at) ON identity.users TO lango_staff;
CREATE POLICY lango_member ON identity.users FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON identity.users FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON identity.users TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON identity.users TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.users TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON identity.users FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON identity.users FOR EACH ROW EXECUTE FUNCTION lango.audit('user', 'id', 'password_hash', 'phone,email', '');

CREATE TABLE identity.user_sessions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    token_hash VARCHAR(255) NOT NULL,
    device_info JSONB,
    ip_address INET,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    is_revoked BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_user_sessions PRIMARY KEY (id),
    CONSTRAINT ck_user_sessions_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_user_sessions_token_hash ON identity.user_sessions (token_hash);
CREATE INDEX ix_user_sessions_user_id ON identity.user_sessions (user_id);

COMMENT ON TABLE identity.user_sessions IS 'A login on one device, until it expires or is revoked.';
COMMENT ON COLUMN identity.user_sessions.id IS 'The row''s key.';
COMMENT ON COLUMN identity.user_sessions.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN identity.user_sessions.token_hash IS 'Hash of the session''s token: the token itself is not kept.';
COMMENT ON COLUMN identity.user_sessions.device_info IS 'What the client told of its device, as JSON; null where it told nothing.';
COMMENT ON COLUMN identity.user_sessions.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN identity.user_sessions.expires_at IS 'When the login ends by itself.';
COMMENT ON COLUMN identity.user_sessions.created_at IS 'When the row was written.';
COMMENT ON COLUMN identity.user_sessions.is_revoked IS 'True once it was ended before its time; it is refused from then on.';
ALTER TABLE identity.user_sessions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, device_info, ip_address, expires_at, created_at, is_revoked) ON identity.user_sessions TO lango_anonymous;
GRANT SELECT (id, user_id, device_info, ip_address, expires_at, created_at, is_revoked) ON identity.user_sessions TO lango_member;
GRANT SELECT (id, user_id, device_info, ip_address, expires_at, created_at, is_revoked) ON identity.user_sessions TO lango_staff;
CREATE POLICY lango_member ON identity.user_sessions FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON identity.user_sessions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON identity.user_sessions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON identity.user_sessions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.user_sessions TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON identity.user_sessions FOR EACH ROW EXECUTE FUNCTION lango.audit('user_session', 'id', 'token_hash', 'device_info,ip_address', '');

CREATE TABLE identity.password_reset_tokens (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    token_hash VARCHAR(255) NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_password_reset_tokens PRIMARY KEY (id),
    CONSTRAINT ck_password_reset_tokens_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND used_at >= '0001-01-01' AND used_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_password_reset_tokens_user_id ON identity.password_reset_tokens (user_id);

COMMENT ON TABLE identity.password_reset_tokens IS 'A token to set a new password; unused, since `account_recovery` holds them.';
COMMENT ON COLUMN identity.password_reset_tokens.id IS 'The row''s key.';
COMMENT ON COLUMN identity.password_reset_tokens.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN identity.password_reset_tokens.token_hash IS 'Hash of the token: the token itself is not kept.';
COMMENT ON COLUMN identity.password_reset_tokens.expires_at IS 'When it can no longer be used.';
COMMENT ON COLUMN identity.password_reset_tokens.used_at IS 'When it was used; null before.';
COMMENT ON COLUMN identity.password_reset_tokens.created_at IS 'When the row was written.';
ALTER TABLE identity.password_reset_tokens ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, expires_at, used_at, created_at) ON identity.password_reset_tokens TO lango_anonymous;
GRANT SELECT (id, user_id, expires_at, used_at, created_at) ON identity.password_reset_tokens TO lango_member;
GRANT SELECT (id, user_id, expires_at, used_at, created_at) ON identity.password_reset_tokens TO lango_staff;
CREATE POLICY lango_member ON identity.password_reset_tokens FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON identity.password_reset_tokens FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON identity.password_reset_tokens TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON identity.password_reset_tokens TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.password_reset_tokens TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON identity.password_reset_tokens FOR EACH ROW EXECUTE FUNCTION lango.audit('password_reset_token', 'id', 'token_hash', '', '');

CREATE TABLE identity.one_time_codes (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID,
    identifier VARCHAR(255) NOT NULL,
    purpose VARCHAR(20) NOT NULL,
    code_hash VARCHAR(255) NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_one_time_codes PRIMARY KEY (id),
    CONSTRAINT ck_one_time_codes_purpose_is_known CHECK (purpose IN ('sign_in', 'verify_contact', 'two_factor_challenge', 'transaction')),
    CONSTRAINT ck_one_time_codes_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND used_at >= '0001-01-01' AND used_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_one_time_codes_user_id ON identity.one_time_codes (user_id);

COMMENT ON TABLE identity.one_time_codes IS 'A code sent by SMS or email, or a sign-in that waits for its second factor.';
COMMENT ON COLUMN identity.one_time_codes.id IS 'The row''s key.';
COMMENT ON COLUMN identity.one_time_codes.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN identity.one_time_codes.identifier IS 'The phone or email it was sent to.';
COMMENT ON COLUMN identity.one_time_codes.purpose IS 'What it is good for.';
COMMENT ON COLUMN identity.one_time_codes.code_hash IS 'Hash of the code: what was sent is not kept.';
COMMENT ON COLUMN identity.one_time_codes.tries IS 'How often it was tried; after 5 it is refused.';
COMMENT ON COLUMN identity.one_time_codes.expires_at IS 'When it can no longer be used.';
COMMENT ON COLUMN identity.one_time_codes.used_at IS 'When it was used; null before. It serves once.';
COMMENT ON COLUMN identity.one_time_codes.created_at IS 'When the row was written.';
ALTER TABLE identity.one_time_codes ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON identity.one_time_codes TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON identity.one_time_codes TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.one_time_codes TO lango_rules, lango_worker;

ALTER TABLE identity.user_sessions ADD CONSTRAINT fk_user_sessions_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

ALTER TABLE identity.password_reset_tokens ADD CONSTRAINT fk_password_reset_tokens_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

ALTER TABLE identity.one_time_codes ADD CONSTRAINT fk_one_time_codes_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);
