-- Consents and data requests.

CREATE SCHEMA privacy;

COMMENT ON SCHEMA privacy IS 'What users agree to, what they ask about their data, and the keys their secrets are encrypted with.';
GRANT USAGE ON SCHEMA privacy TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE privacy.consents (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    purpose VARCHAR(50) NOT NULL,
    granted BOOLEAN NOT NULL,
    source VARCHAR(50),
    ip_address INET,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_consents PRIMARY KEY (id),
    CONSTRAINT ck_consents_purpose_is_known CHECK (purpose IN ('marketing_email', 'marketing_sms', 'marketing_whatsapp', 'analytics', 'data_sharing')),
    CONSTRAINT ck_consents_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_consents_user_id ON privacy.consents (user_id);

COMMENT ON TABLE privacy.consents IS 'A user''s yes or no to one purpose; the newest for a purpose holds.';
COMMENT ON COLUMN privacy.consents.id IS 'The row''s key.';
COMMENT ON COLUMN privacy.consents.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN privacy.consents.purpose IS 'What it is about.';
COMMENT ON COLUMN privacy.consents.granted IS 'True for yes; false for no, or for a yes taken back.';
COMMENT ON COLUMN privacy.consents.source IS 'Where the user said so; null where it is not known.';
COMMENT ON COLUMN privacy.consents.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN privacy.consents.created_at IS 'When the row was written.';
ALTER TABLE privacy.consents ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, purpose, granted, source, ip_address, created_at) ON privacy.consents TO lango_anonymous;
GRANT SELECT (id, user_id, purpose, granted, source, ip_address, created_at) ON privacy.consents TO lango_member;
GRANT SELECT (id, user_id, purpose, granted, source, ip_address, created_at) ON privacy.consents TO lango_staff;
CREATE POLICY lango_member ON privacy.consents FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON privacy.consents FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON privacy.consents TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON privacy.consents TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON privacy.consents TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON privacy.consents FOR EACH ROW EXECUTE FUNCTION lango.audit('consent', 'id', '', 'ip_address', '');

CREATE TABLE privacy.data_requests (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    kind VARCHAR(20) NOT NULL,
    status VARCHAR(20) DEFAULT 'pending' NOT NULL,
    result JSONB,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_data_requests PRIMARY KEY (id),
    CONSTRAINT ck_data_requests_kind_is_known CHECK (kind IN ('export', 'erasure')),
    CONSTRAINT ck_data_requests_status_is_known CHECK (status IN ('pending', 'processing', 'completed', 'rejected')),
    CONSTRAINT ck_data_requests_times_are_finite CHECK (requested_at >= '0001-01-01' AND requested_at < '9999-01-01' AND due_at >= '0001-01-01' AND due_at < '9999-01-01' AND completed_at >= '0001-01-01' AND completed_at < '9999-01-01')
);
CREATE INDEX ix_data_requests_user_id ON privacy.data_requests (user_id);

COMMENT ON TABLE privacy.data_requests IS 'A user''s wish for a copy of their data, or to be forgotten.';
COMMENT ON COLUMN privacy.data_requests.id IS 'The row''s key.';
COMMENT ON COLUMN privacy.data_requests.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN privacy.data_requests.kind IS 'What is asked.';
COMMENT ON COLUMN privacy.data_requests.status IS 'Where it stands.';
COMMENT ON COLUMN privacy.data_requests.result IS 'What came of it: the copy, or the reason for a refusal; null before.';
COMMENT ON COLUMN privacy.data_requests.requested_at IS 'When the user asked.';
COMMENT ON COLUMN privacy.data_requests.due_at IS 'By when it is to be answered.';
COMMENT ON COLUMN privacy.data_requests.completed_at IS 'When it was answered; null before.';
ALTER TABLE privacy.data_requests ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, kind, status, result, requested_at, due_at, completed_at) ON privacy.data_requests TO lango_anonymous;
GRANT SELECT (id, user_id, kind, status, result, requested_at, due_at, completed_at) ON privacy.data_requests TO lango_member;
GRANT SELECT (id, user_id, kind, status, result, requested_at, due_at, completed_at) ON privacy.data_requests TO lango_staff;
CREATE POLICY lango_member ON privacy.data_requests FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON privacy.data_requests FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON privacy.data_requests TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON privacy.data_requests TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON privacy.data_requests TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON privacy.data_requests FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>processing', 'pending>rejected', 'processing>completed', 'processing>pending', 'processing>rejected');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON privacy.data_requests FOR EACH ROW EXECUTE FUNCTION lango.audit('data_request', 'id', '', 'result', '');

CREATE TABLE privacy.user_keys (
    user_id UUID NOT NULL,
    wrapped_key BYTEA NOT NULL,
    key_version INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    destroyed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_user_keys PRIMARY KEY (user_id),
    CONSTRAINT ck_user_keys_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND destroyed_at >= '0001-01-01' AND destroyed_at < '9999-01-01')
);

COMMENT ON TABLE privacy.user_keys IS 'The key a user''s secrets are encrypted with; once it is destroyed nobody can read them.';
COMMENT ON COLUMN privacy.user_keys.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN privacy.user_keys.wrapped_key IS 'The user''s data key, wrapped by the master key.';
COMMENT ON COLUMN privacy.user_keys.key_version IS 'The version of the master key that wraps it.';
COMMENT ON COLUMN privacy.user_keys.created_at IS 'When the row was written.';
COMMENT ON COLUMN privacy.user_keys.destroyed_at IS 'When it was destroyed, and with it all it had encrypted; null while it serves.';
ALTER TABLE privacy.user_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON privacy.user_keys TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON privacy.user_keys TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON privacy.user_keys TO lango_rules, lango_worker;

ALTER TABLE privacy.consents ADD CONSTRAINT fk_consents_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

ALTER TABLE privacy.data_requests ADD CONSTRAINT fk_data_requests_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE privacy.user_keys ADD CONSTRAINT fk_user_keys_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;
