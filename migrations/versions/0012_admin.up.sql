-- Feature flags, configuration, the audit log and the health of services.

CREATE SCHEMA admin;

COMMENT ON SCHEMA admin IS 'Feature flags, configuration, the audit log, the health of services, and sessions of administrators.';
GRANT USAGE ON SCHEMA admin TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE admin.feature_flags (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    flag_key VARCHAR(100) NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    is_enabled BOOLEAN DEFAULT false NOT NULL,
    flag_type VARCHAR(20) DEFAULT 'boolean',
    flag_value JSONB,
    rollout_percentage INTEGER DEFAULT 0,
    target_user_groups TEXT[],
    target_regions TEXT[],
    environment VARCHAR(20) DEFAULT 'production',
    created_by_user_id UUID,
    last_modified_by_user_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_feature_flags PRIMARY KEY (id),
    CONSTRAINT ck_feature_flags_rollout_is_a_percentage CHECK (rollout_percentage BETWEEN 0 AND 100),
    CONSTRAINT uq_feature_flags_flag_key UNIQUE (flag_key),
    CONSTRAINT ck_feature_flags_flag_type_is_known CHECK (flag_type IN ('boolean', 'string', 'number', 'json')),
    CONSTRAINT ck_feature_flags_environment_is_known CHECK (environment IN ('development', 'staging', 'production')),
    CONSTRAINT ck_feature_flags_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_feature_flags_created_by_user_id ON admin.feature_flags (created_by_user_id);
CREATE INDEX ix_feature_flags_last_modified_by_user_id ON admin.feature_flags (last_modified_by_user_id);

COMMENT ON TABLE admin.feature_flags IS 'A switch that gives some callers a feature and others not.';
COMMENT ON COLUMN admin.feature_flags.id IS 'The row''s key.';
COMMENT ON COLUMN admin.feature_flags.flag_key IS 'What programs ask for it by.';
COMMENT ON COLUMN admin.feature_flags.name IS 'What staff call it.';
COMMENT ON COLUMN admin.feature_flags.description IS 'What it switches; null without a text.';
COMMENT ON COLUMN admin.feature_flags.is_enabled IS 'Whether it is on for anyone at all.';
COMMENT ON COLUMN admin.feature_flags.flag_type IS 'What kind of value it gives.';
COMMENT ON COLUMN admin.feature_flags.flag_value IS 'What those get for whom it is on; null where on is all there is to say.';
COMMENT ON COLUMN admin.feature_flags.rollout_percentage IS 'How many of those it is meant for get it, in percent, 0-100; a caller always gets the same.';
COMMENT ON COLUMN admin.feature_flags.target_user_groups IS 'The groups of users it is meant for, such as `beta_users`; null for all.';
COMMENT ON COLUMN admin.feature_flags.target_regions IS 'The regions it is meant for, such as `Dakar` or `Thiès`; null for all.';
COMMENT ON COLUMN admin.feature_flags.environment IS 'The kind of installation it is for.';
COMMENT ON COLUMN admin.feature_flags.created_by_user_id IS 'Who made it; null where the system did.';
COMMENT ON COLUMN admin.feature_flags.last_modified_by_user_id IS 'Who last changed it; null where nobody has.';
COMMENT ON COLUMN admin.feature_flags.created_at IS 'When the row was written.';
COMMENT ON COLUMN admin.feature_flags.updated_at IS 'When the row was last changed.';
ALTER TABLE admin.feature_flags ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, flag_key, name, description, is_enabled, flag_type, flag_value, rollout_percentage, target_user_groups, target_regions, environment, created_by_user_id, last_modified_by_user_id, created_at, updated_at) ON admin.feature_flags TO lango_anonymous;
GRANT SELECT (id, flag_key, name, description, is_enabled, flag_type, flag_value, rollout_percentage, target_user_groups, target_regions, environment, created_by_user_id, last_modified_by_user_id, created_at, updated_at) ON admin.feature_flags TO lango_member;
GRANT SELECT (id, flag_key, name, description, is_enabled, flag_type, flag_value, rollout_percentage, target_user_groups, target_regions, environment, created_by_user_id, last_modified_by_user_id, created_at, updated_at) ON admin.feature_flags TO lango_staff;
CREATE POLICY lango_member ON admin.feature_flags FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON admin.feature_flags FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON admin.feature_flags TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON admin.feature_flags TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON admin.feature_flags TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON admin.feature_flags FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON admin.feature_flags FOR EACH ROW EXECUTE FUNCTION lango.audit('feature_flag', 'id', '', '', '');

CREATE TABLE admin.system_config (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    config_key VARCHAR(100) NOT NULL,
    config_value JSONB NOT NULL,
    description TEXT,
    data_type VARCHAR(20) NOT NULL,
    is_sensitive BOOLEAN DEFAULT false NOT NULL,
    validation_rules JSONB,
    environment VARCHAR(20) DEFAULT 'production',
    last_modified_by_user_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_system_config PRIMARY KEY (id),
    CONSTRAINT uq_system_config_config_key UNIQUE (config_key),
    CONSTRAINT ck_system_config_data_type_is_known CHECK (data_type IN ('string', 'number', 'boolean', 'object', 'array')),
    CONSTRAINT ck_system_config_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_system_config_last_modified_by_user_id ON admin.system_config (last_modified_by_user_id);

COMMENT ON TABLE admin.system_config IS 'A value that staff may change while the system runs.';
COMMENT ON COLUMN admin.system_config.id IS 'The row''s key.';
COMMENT ON COLUMN admin.system_config.config_key IS 'What programs read it by, such as `referrals.daily_limit`.';
COMMENT ON COLUMN admin.system_config.config_value IS 'The value as JSON, encrypted where it is sensitive.';
COMMENT ON COLUMN admin.system_config.description IS 'What it decides; null without a text.';
COMMENT ON COLUMN admin.system_config.data_type IS 'What kind of value it is.';
COMMENT ON COLUMN admin.system_config.is_sensitive IS 'Whether it is a secret, such as a password: then only a super admin sees it.';
COMMENT ON COLUMN admin.system_config.validation_rules IS 'The JSON Schema that a new value must match; null where any value will do.';
COMMENT ON COLUMN admin.system_config.environment IS 'The kind of installation it is for, such as `production`.';
COMMENT ON COLUMN admin.system_config.last_modified_by_user_id IS 'Who last changed it; null where nobody has.';
COMMENT ON COLUMN admin.system_config.created_at IS 'When the row was written.';
COMMENT ON COLUMN admin.system_config.updated_at IS 'When the row was last changed.';
ALTER TABLE admin.system_config ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, config_key, config_value, description, data_type, is_sensitive, validation_rules, environment, last_modified_by_user_id, created_at, updated_at) ON admin.system_config TO lango_anonymous;
GRANT SELECT (id, config_key, config_value, description, data_type, is_sensitive, validation_rules, environment, last_modified_by_user_id, created_at, updated_at) ON admin.system_config TO lango_member;
GRANT SELECT (id, config_key, config_value, description, data_type, is_sensitive, validation_rules, environment, last_modified_by_user_id, created_at, updated_at) ON admin.system_config TO lango_staff;
CREATE POLICY lango_member ON admin.system_config FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON admin.system_config FOR SELECT TO lango_staff USING (NOT is_sensitive OR (SELECT lango.has_role('super_admin')));
CREATE POLICY lango_rules ON admin.system_config TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON admin.system_config TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON admin.system_config TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON admin.system_config FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON admin.system_config FOR EACH ROW EXECUTE FUNCTION lango.audit('system_config', 'id', 'config_value', '', '');

CREATE TABLE admin.audit_logs (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    actor_user_id UUID,
    actor_type VARCHAR(20) NOT NULL,
    actor_ip INET,
    action VARCHAR(100) NOT NULL,
    resource_type VARCHAR(50) NOT NULL,
    resource_id UUID,
    old_values JSONB,
    new_values JSONB,
    reason TEXT,
    metadata JSONB,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    request_id VARCHAR(100),
    user_agent TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    account_id UUID,
    CONSTRAINT pk_audit_logs PRIMARY KEY (id, created_at),
    CONSTRAINT ck_audit_logs_actor_type_is_known CHECK (actor_type IN ('user', 'system', 'api')),
    CONSTRAINT ck_audit_logs_times_are_finite CHECK (timestamp >= '0001-01-01' AND timestamp < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
)
 PARTITION BY RANGE (created_at);

CREATE TABLE admin.audit_logs_default PARTITION OF admin.audit_logs DEFAULT;
ALTER TABLE admin.audit_logs_default ENABLE ROW LEVEL SECURITY;
CREATE INDEX ix_audit_logs_account_id ON admin.audit_logs (account_id);
CREATE INDEX ix_audit_logs_action ON admin.audit_logs (action);
CREATE INDEX ix_audit_logs_actor_user_id ON admin.audit_logs (actor_user_id) WHERE actor_user_id IS NOT NULL;
CREATE INDEX ix_audit_logs_timestamp ON admin.audit_logs (timestamp);

COMMENT ON TABLE admin.audit_logs IS 'A change to the data, or staff looking at a person''s, and who did it; never changed or deleted.';
COMMENT ON COLUMN admin.audit_logs.id IS 'The row''s key.';
COMMENT ON COLUMN admin.audit_logs.actor_user_id IS 'Who did it; null where nobody was signed in.';
COMMENT ON COLUMN admin.audit_logs.actor_type IS 'What kind of actor it was.';
COMMENT ON COLUMN admin.audit_logs.actor_ip IS 'The address the request came from; null outside of a request.';
COMMENT ON COLUMN admin.audit_logs.action IS 'What was done, such as `pot_updated` or `user_suspended`.';
COMMENT ON COLUMN admin.audit_logs.resource_type IS 'What it was done to, such as `user`, `pot` or `donation`.';
COMMENT ON COLUMN admin.audit_logs.resource_id IS 'The key of what it was done to; null where that is no UUID, and then `metadata` has it under `pk`.';
COMMENT ON COLUMN admin.audit_logs.old_values IS 'What it was before, without secrets, and personal data by name only; null for something new.';
COMMENT ON COLUMN admin.audit_logs.new_values IS 'What it became, without secrets, and personal data by name only; null for something deleted.';
COMMENT ON COLUMN admin.audit_logs.reason IS 'Why it was done; null where no reason was given.';
COMMENT ON COLUMN admin.audit_logs.metadata IS 'What else is known of it; null where nothing is.';
COMMENT ON COLUMN admin.audit_logs.timestamp IS 'When it was done.';
COMMENT ON COLUMN admin.audit_logs.request_id IS 'The id of the request that did it, as errors tell it; null outside of a request.';
COMMENT ON COLUMN admin.audit_logs.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN admin.audit_logs.created_at IS 'When the row was written.';
COMMENT ON COLUMN admin.audit_logs.account_id IS 'The card account it has to do with; null where it has to do with none.';
ALTER TABLE admin.audit_logs ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, actor_user_id, actor_type, actor_ip, action, resource_type, resource_id, old_values, new_values, reason, metadata, timestamp, request_id, user_agent, created_at, account_id) ON admin.audit_logs TO lango_anonymous;
GRANT SELECT (id, actor_user_id, actor_type, actor_ip, action, resource_type, resource_id, old_values, new_values, reason, metadata, timestamp, request_id, user_agent, created_at, account_id) ON admin.audit_logs TO lango_member;
GRANT SELECT (id, actor_user_id, actor_type, actor_ip, action, resource_type, resource_id, old_values, new_values, reason, metadata, timestamp, request_id, user_agent, created_at, account_id) ON admin.audit_logs TO lango_staff;
CREATE POLICY lango_member ON admin.audit_logs FOR SELECT TO lango_member USING (((account_id = ANY ((SELECT lango.my_managed_card_accounts())::uuid[]))));
CREATE POLICY lango_staff ON admin.audit_logs FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON admin.audit_logs TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON admin.audit_logs TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON admin.audit_logs TO lango_rules, lango_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON admin.audit_logs FOR EACH ROW EXECUTE FUNCTION lango.refuse_change();

CREATE TABLE admin.system_health_checks (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    service_name VARCHAR(100) NOT NULL,
    check_name VARCHAR(100) NOT NULL,
    status VARCHAR(20) NOT NULL,
    response_time_ms INTEGER,
    check_data JSONB,
    error_message TEXT,
    checked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_system_health_checks PRIMARY KEY (id),
    CONSTRAINT ck_system_health_checks_status_is_known CHECK (status IN ('healthy', 'degraded', 'unhealthy')),
    CONSTRAINT ck_system_health_checks_times_are_finite CHECK (checked_at >= '0001-01-01' AND checked_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);

COMMENT ON TABLE admin.system_health_checks IS 'What one look at a service found.';
COMMENT ON COLUMN admin.system_health_checks.id IS 'The row''s key.';
COMMENT ON COLUMN admin.system_health_checks.service_name IS 'The service, such as the database or a provider.';
COMMENT ON COLUMN admin.system_health_checks.check_name IS 'What was looked at.';
COMMENT ON COLUMN admin.system_health_checks.status IS 'How the service does.';
COMMENT ON COLUMN admin.system_health_checks.response_time_ms IS 'How long the service took to answer, in milliseconds; null where it did not.';
COMMENT ON COLUMN admin.system_health_checks.check_data IS 'What else was found, as the service has it; null where nothing was.';
COMMENT ON COLUMN admin.system_health_checks.error_message IS 'What went wrong; null where nothing did.';
COMMENT ON COLUMN admin.system_health_checks.checked_at IS 'When it was looked at.';
COMMENT ON COLUMN admin.system_health_checks.created_at IS 'When the row was written.';
ALTER TABLE admin.system_health_checks ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, service_name, check_name, status, response_time_ms, check_data, error_message, checked_at, created_at) ON admin.system_health_checks TO lango_anonymous;
GRANT SELECT (id, service_name, check_name, status, response_time_ms, check_data, error_message, checked_at, created_at) ON admin.system_health_checks TO lango_member;
GRANT SELECT (id, service_name, check_name, status, response_time_ms, check_data, error_message, checked_at, created_at) ON admin.system_health_checks TO lango_staff;
CREATE POLICY lango_member ON admin.system_health_checks FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON admin.system_health_checks FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON admin.system_health_checks TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON admin.system_health_checks TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON admin.system_health_checks TO lango_rules, lango_worker;

CREATE TABLE admin.admin_sessions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    session_token_hash VARCHAR(255) NOT NULL,
    ip_address INET NOT NULL,
    user_agent TEXT,
    admin_level VARCHAR(20) NOT NULL,
    permissions_granted TEXT[],
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_activity_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    terminated_at TIMESTAMP WITH TIME ZONE,
    termination_reason VARCHAR(50),
    is_suspicious BOOLEAN DEFAULT false NOT NULL,
    security_flags JSONB,
    CONSTRAINT pk_admin_sessions PRIMARY KEY (id),
    CONSTRAINT ck_admin_sessions_admin_level_is_known CHECK (admin_level IN ('regular', 'super', 'partner', 'sponsor')),
    CONSTRAINT ck_admin_sessions_termination_reason_is_known CHECK (termination_reason IN ('logout', 'timeout', 'revoked')),
    CONSTRAINT ck_admin_sessions_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND last_activity_at >= '0001-01-01' AND last_activity_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND terminated_at >= '0001-01-01' AND terminated_at < '9999-01-01')
);
CREATE INDEX ix_admin_sessions_user_id ON admin.admin_sessions (user_id);

COMMENT ON TABLE admin.admin_sessions IS 'A time in which an administrator works, opened on purpose and watched.';
COMMENT ON COLUMN admin.admin_sessions.id IS 'The row''s key.';
COMMENT ON COLUMN admin.admin_sessions.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN admin.admin_sessions.session_token_hash IS 'Hash of the token the session is recognised by.';
COMMENT ON COLUMN admin.admin_sessions.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN admin.admin_sessions.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN admin.admin_sessions.admin_level IS 'How far it reaches.';
COMMENT ON COLUMN admin.admin_sessions.permissions_granted IS 'What in particular it is allowed; null for all that its level is.';
COMMENT ON COLUMN admin.admin_sessions.created_at IS 'When the row was written.';
COMMENT ON COLUMN admin.admin_sessions.last_activity_at IS 'When it was last used.';
COMMENT ON COLUMN admin.admin_sessions.expires_at IS 'When it ends by itself.';
COMMENT ON COLUMN admin.admin_sessions.terminated_at IS 'When it was ended early; null where it was not.';
COMMENT ON COLUMN admin.admin_sessions.termination_reason IS 'Why it was ended early; null where it was not.';
COMMENT ON COLUMN admin.admin_sessions.is_suspicious IS 'Whether something about it looks wrong.';
COMMENT ON COLUMN admin.admin_sessions.security_flags IS 'What looks wrong about it; null where nothing does.';
ALTER TABLE admin.admin_sessions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, ip_address, user_agent, admin_level, permissions_granted, created_at, last_activity_at, expires_at, terminated_at, termination_reason, is_suspicious, security_flags) ON admin.admin_sessions TO lango_anonymous;
GRANT SELECT (id, user_id, ip_address, user_agent, admin_level, permissions_granted, created_at, last_activity_at, expires_at, terminated_at, termination_reason, is_suspicious, security_flags) ON admin.admin_sessions TO lango_member;
GRANT SELECT (id, user_id, ip_address, user_agent, admin_level, permissions_granted, created_at, last_activity_at, expires_at, terminated_at, termination_reason, is_suspicious, security_flags) ON admin.admin_sessions TO lango_staff;
CREATE POLICY lango_member ON admin.admin_sessions FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((SELECT lango.has_role('super_admin')))));
CREATE POLICY lango_staff ON admin.admin_sessions FOR SELECT TO lango_staff USING (((user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((SELECT lango.has_role('super_admin')))));
CREATE POLICY lango_rules ON admin.admin_sessions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON admin.admin_sessions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON admin.admin_sessions TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON admin.admin_sessions FOR EACH ROW EXECUTE FUNCTION lango.audit('admin_session', 'id', 'session_token_hash', 'ip_address,user_agent', '');

ALTER TABLE admin.feature_flags ADD CONSTRAINT fk_feature_flags_created_by_user_id FOREIGN KEY(created_by_user_id) REFERENCES identity.users (id);

ALTER TABLE admin.feature_flags ADD CONSTRAINT fk_feature_flags_last_modified_by_user_id FOREIGN KEY(last_modified_by_user_id) REFERENCES identity.users (id);

ALTER TABLE admin.system_config ADD CONSTRAINT fk_system_config_last_modified_by_user_id FOREIGN KEY(last_modified_by_user_id) REFERENCES identity.users (id);

ALTER TABLE admin.audit_logs ADD CONSTRAINT fk_audit_logs_account_id FOREIGN KEY(account_id) REFERENCES cards.accounts (id);

ALTER TABLE admin.audit_logs ADD CONSTRAINT fk_audit_logs_actor_user_id FOREIGN KEY(actor_user_id) REFERENCES identity.users (id);

ALTER TABLE admin.admin_sessions ADD CONSTRAINT fk_admin_sessions_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);
