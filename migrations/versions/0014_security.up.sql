-- How people sign in, their devices, keys and what was sent to them.

CREATE SCHEMA security;

COMMENT ON SCHEMA security IS 'How accounts are kept safe: sign-ins, second factors, devices, keys, tokens, recovery and the messages sent.';
GRANT USAGE ON SCHEMA security TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE security.email_delivery_log (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID,
    to_email TEXT NOT NULL,
    subject TEXT NOT NULL,
    template TEXT,
    status TEXT NOT NULL,
    provider TEXT,
    provider_message_id TEXT,
    error_message TEXT,
    metadata JSONB,
    sent_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    opened_at TIMESTAMP WITH TIME ZONE,
    clicked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_email_delivery_log PRIMARY KEY (id),
    CONSTRAINT ck_email_delivery_log_status_is_known CHECK (status IN ('pending', 'sent', 'delivered', 'failed', 'bounced')),
    CONSTRAINT ck_email_delivery_log_times_are_finite CHECK (sent_at >= '0001-01-01' AND sent_at < '9999-01-01' AND delivered_at >= '0001-01-01' AND delivered_at < '9999-01-01' AND opened_at >= '0001-01-01' AND opened_at < '9999-01-01' AND clicked_at >= '0001-01-01' AND clicked_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_email_delivery_log_user_id ON security.email_delivery_log (user_id);

COMMENT ON TABLE security.email_delivery_log IS 'An email that was to be sent, and how far it came.';
COMMENT ON COLUMN security.email_delivery_log.id IS 'The row''s key.';
COMMENT ON COLUMN security.email_delivery_log.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.email_delivery_log.to_email IS 'The address it goes to.';
COMMENT ON COLUMN security.email_delivery_log.subject IS 'The subject line.';
COMMENT ON COLUMN security.email_delivery_log.template IS 'What it was written from, as in `otp`, `password_reset` or `welcome`; null for a text of its own.';
COMMENT ON COLUMN security.email_delivery_log.status IS 'Where it stands.';
COMMENT ON COLUMN security.email_delivery_log.provider IS 'Who carries it, as in `sendgrid` or `ses`; null until it is handed over.';
COMMENT ON COLUMN security.email_delivery_log.provider_message_id IS 'The provider''s key for it; null until it is taken.';
COMMENT ON COLUMN security.email_delivery_log.error_message IS 'Why it failed; null where it did not.';
COMMENT ON COLUMN security.email_delivery_log.metadata IS 'What else is known of the delivery, as JSON; null without more.';
COMMENT ON COLUMN security.email_delivery_log.sent_at IS 'When the provider took it; null before.';
COMMENT ON COLUMN security.email_delivery_log.delivered_at IS 'When it arrived; null before, or where that is not told.';
COMMENT ON COLUMN security.email_delivery_log.opened_at IS 'When it was first opened; null before, or where that is not told.';
COMMENT ON COLUMN security.email_delivery_log.clicked_at IS 'When a link in it was first followed; null before, or where that is not told.';
COMMENT ON COLUMN security.email_delivery_log.created_at IS 'When the row was written.';
ALTER TABLE security.email_delivery_log ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, to_email, subject, template, status, provider, provider_message_id, error_message, metadata, sent_at, delivered_at, opened_at, clicked_at, created_at) ON security.email_delivery_log TO lango_anonymous;
GRANT SELECT (id, user_id, to_email, subject, template, status, provider, provider_message_id, error_message, metadata, sent_at, delivered_at, opened_at, clicked_at, created_at) ON security.email_delivery_log TO lango_member;
GRANT SELECT (id, user_id, to_email, subject, template, status, provider, provider_message_id, error_message, metadata, sent_at, delivered_at, opened_at, clicked_at, created_at) ON security.email_delivery_log TO lango_staff;
CREATE POLICY lango_member ON security.email_delivery_log FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.email_delivery_log FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.email_delivery_log TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.email_delivery_log TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.email_delivery_log TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON security.email_delivery_log FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'delivered>bounced', 'pending>failed', 'pending>sent', 'sent>bounced', 'sent>delivered', 'sent>failed');

CREATE TABLE security.sms_delivery_log (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID,
    to_phone TEXT NOT NULL,
    message TEXT NOT NULL,
    template TEXT,
    status TEXT NOT NULL,
    provider TEXT,
    provider_message_id TEXT,
    cost NUMERIC(10, 4),
    error_message TEXT,
    metadata JSONB,
    sent_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_sms_delivery_log PRIMARY KEY (id),
    CONSTRAINT ck_sms_delivery_log_status_is_known CHECK (status IN ('pending', 'sent', 'delivered', 'failed')),
    CONSTRAINT ck_sms_delivery_log_times_are_finite CHECK (sent_at >= '0001-01-01' AND sent_at < '9999-01-01' AND delivered_at >= '0001-01-01' AND delivered_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_sms_delivery_log_numbers_are_real CHECK (cost <> 'NaN')
);
CREATE INDEX ix_sms_delivery_log_user_id ON security.sms_delivery_log (user_id);

COMMENT ON TABLE security.sms_delivery_log IS 'An SMS that was to be sent, and how far it came.';
COMMENT ON COLUMN security.sms_delivery_log.id IS 'The row''s key.';
COMMENT ON COLUMN security.sms_delivery_log.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.sms_delivery_log.to_phone IS 'The number it goes to.';
COMMENT ON COLUMN security.sms_delivery_log.message IS 'The text, without the code where it carries one.';
COMMENT ON COLUMN security.sms_delivery_log.template IS 'What it was written from, as in `otp`, `notification` or `alert`; null for a text of its own.';
COMMENT ON COLUMN security.sms_delivery_log.status IS 'Where it stands.';
COMMENT ON COLUMN security.sms_delivery_log.provider IS 'Who carries it, as in `africas_talking` or `twilio`; null until it is handed over.';
COMMENT ON COLUMN security.sms_delivery_log.provider_message_id IS 'The provider''s key for it; null until it is taken.';
COMMENT ON COLUMN security.sms_delivery_log.cost IS 'What the provider charged, in its local currency; null until that is told.';
COMMENT ON COLUMN security.sms_delivery_log.error_message IS 'Why it failed; null where it did not.';
COMMENT ON COLUMN security.sms_delivery_log.metadata IS 'What else is known of the delivery, as JSON; null without more.';
COMMENT ON COLUMN security.sms_delivery_log.sent_at IS 'When the provider took it; null before.';
COMMENT ON COLUMN security.sms_delivery_log.delivered_at IS 'When it arrived; null before, or where that is not told.';
COMMENT ON COLUMN security.sms_delivery_log.created_at IS 'When the row was written.';
ALTER TABLE security.sms_delivery_log ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, to_phone, message, template, status, provider, provider_message_id, cost, error_message, metadata, sent_at, delivered_at, created_at) ON security.sms_delivery_log TO lango_anonymous;
GRANT SELECT (id, user_id, to_phone, message, template, status, provider, provider_message_id, cost, error_message, metadata, sent_at, delivered_at, created_at) ON security.sms_delivery_log TO lango_member;
GRANT SELECT (id, user_id, to_phone, message, template, status, provider, provider_message_id, cost, error_message, metadata, sent_at, delivered_at, created_at) ON security.sms_delivery_log TO lango_staff;
CREATE POLICY lango_member ON security.sms_delivery_log FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.sms_delivery_log FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.sms_delivery_log TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.sms_delivery_log TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.sms_delivery_log TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON security.sms_delivery_log FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>failed', 'pending>sent', 'sent>delivered', 'sent>failed');

CREATE TABLE security.security_events (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID,
    event_type TEXT NOT NULL,
    severity TEXT NOT NULL,
    ip_address INET,
    user_agent TEXT,
    location JSONB,
    details JSONB,
    resolved BOOLEAN DEFAULT false NOT NULL,
    resolved_by UUID,
    resolved_at TIMESTAMP WITH TIME ZONE,
    notes TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_security_events PRIMARY KEY (id),
    CONSTRAINT ck_security_events_severity_is_known CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    CONSTRAINT ck_security_events_times_are_finite CHECK (resolved_at >= '0001-01-01' AND resolved_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_security_events_resolved_by ON security.security_events (resolved_by);
CREATE INDEX ix_security_events_user_id ON security.security_events (user_id);

COMMENT ON TABLE security.security_events IS 'Something that bears on an account''s safety, and what staff made of it.';
COMMENT ON COLUMN security.security_events.id IS 'The row''s key.';
COMMENT ON COLUMN security.security_events.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.security_events.event_type IS 'What happened, as in `login_failed`, `password_changed` or `suspicious_activity`.';
COMMENT ON COLUMN security.security_events.severity IS 'How soon it wants to be looked at.';
COMMENT ON COLUMN security.security_events.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN security.security_events.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN security.security_events.location IS '`country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown.';
COMMENT ON COLUMN security.security_events.details IS 'More of what happened, its keys depending on `event_type`; null where there is no more.';
COMMENT ON COLUMN security.security_events.resolved IS 'Whether staff have dealt with it.';
COMMENT ON COLUMN security.security_events.resolved_by IS 'Who on the staff dealt with it; null before.';
COMMENT ON COLUMN security.security_events.resolved_at IS 'When it was dealt with; null before.';
COMMENT ON COLUMN security.security_events.notes IS 'What staff noted in dealing with it; null without a note.';
COMMENT ON COLUMN security.security_events.created_at IS 'When the row was written.';
ALTER TABLE security.security_events ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, event_type, severity, ip_address, user_agent, location, details, resolved, resolved_by, resolved_at, notes, created_at) ON security.security_events TO lango_anonymous;
GRANT SELECT (id, user_id, event_type, severity, ip_address, user_agent, location, details, resolved, resolved_by, resolved_at, notes, created_at) ON security.security_events TO lango_member;
GRANT SELECT (id, user_id, event_type, severity, ip_address, user_agent, location, details, resolved, resolved_by, resolved_at, notes, created_at) ON security.security_events TO lango_staff;
CREATE POLICY lango_member ON security.security_events FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.security_events FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.security_events TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.security_events TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.security_events TO lango_rules, lango_worker;

CREATE TABLE security.user_devices (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    device_name TEXT,
    device_fingerprint TEXT NOT NULL,
    device_type TEXT,
    browser TEXT,
    os TEXT,
    trusted BOOLEAN DEFAULT false NOT NULL,
    last_ip_address INET,
    last_location JSONB,
    last_used_at TIMESTAMP WITH TIME ZONE,
    trusted_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_user_devices PRIMARY KEY (id),
    CONSTRAINT uq_user_devices_user_id_device_fingerprint UNIQUE (user_id, device_fingerprint),
    CONSTRAINT ck_user_devices_device_type_is_known CHECK (device_type IN ('mobile', 'desktop', 'tablet')),
    CONSTRAINT ck_user_devices_times_are_finite CHECK (last_used_at >= '0001-01-01' AND last_used_at < '9999-01-01' AND trusted_at >= '0001-01-01' AND trusted_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE security.user_devices IS 'A device on which a user has signed in.';
COMMENT ON COLUMN security.user_devices.id IS 'The row''s key.';
COMMENT ON COLUMN security.user_devices.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.user_devices.device_name IS 'What to call it, as in `Chrome on Windows` or `iPhone 13`; null where it is not known.';
COMMENT ON COLUMN security.user_devices.device_fingerprint IS 'What the device is recognised by, as its client computes it.';
COMMENT ON COLUMN security.user_devices.device_type IS 'What kind of machine it is; null where it is not known.';
COMMENT ON COLUMN security.user_devices.browser IS 'The browser''s name; null where it is not known.';
COMMENT ON COLUMN security.user_devices.os IS 'The operating system''s name; null where it is not known.';
COMMENT ON COLUMN security.user_devices.trusted IS 'Whether the user has vouched for it.';
COMMENT ON COLUMN security.user_devices.last_ip_address IS 'The address it last called from; null before.';
COMMENT ON COLUMN security.user_devices.last_location IS 'Where that was: `country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown.';
COMMENT ON COLUMN security.user_devices.last_used_at IS 'When it was last signed in on; null before.';
COMMENT ON COLUMN security.user_devices.trusted_at IS 'When the user vouched for it; null if never.';
COMMENT ON COLUMN security.user_devices.created_at IS 'When the row was written.';
COMMENT ON COLUMN security.user_devices.updated_at IS 'When the row was last changed.';
ALTER TABLE security.user_devices ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, device_name, device_fingerprint, device_type, browser, os, trusted, last_ip_address, last_location, last_used_at, trusted_at, created_at, updated_at) ON security.user_devices TO lango_anonymous;
GRANT SELECT (id, user_id, device_name, device_fingerprint, device_type, browser, os, trusted, last_ip_address, last_location, last_used_at, trusted_at, created_at, updated_at) ON security.user_devices TO lango_member;
GRANT SELECT (id, user_id, device_name, device_fingerprint, device_type, browser, os, trusted, last_ip_address, last_location, last_used_at, trusted_at, created_at, updated_at) ON security.user_devices TO lango_staff;
CREATE POLICY lango_member ON security.user_devices FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.user_devices FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.user_devices TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.user_devices TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.user_devices TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON security.user_devices FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.user_devices FOR EACH ROW EXECUTE FUNCTION lango.audit('user_device', 'id', '', 'device_name,device_fingerprint,last_ip_address,last_location', '');

CREATE TABLE security.refresh_tokens (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    token_hash TEXT NOT NULL,
    device_id UUID,
    ip_address INET NOT NULL,
    user_agent TEXT,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_reason TEXT,
    replaced_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    family_id UUID NOT NULL,
    session_id UUID,
    CONSTRAINT pk_refresh_tokens PRIMARY KEY (id),
    CONSTRAINT uq_refresh_tokens_token_hash UNIQUE (token_hash),
    CONSTRAINT ck_refresh_tokens_revoked_reason_is_known CHECK (revoked_reason IN ('logout', 'security', 'expired', 'rotated', 'reuse_detected')),
    CONSTRAINT ck_refresh_tokens_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND revoked_at >= '0001-01-01' AND revoked_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_refresh_tokens_device_id ON security.refresh_tokens (device_id);
CREATE INDEX ix_refresh_tokens_session_id ON security.refresh_tokens (session_id);
CREATE INDEX ix_refresh_tokens_user_id ON security.refresh_tokens (user_id);

COMMENT ON TABLE security.refresh_tokens IS 'A token that renews a session once, and is then replaced by the next of its family.';
COMMENT ON COLUMN security.refresh_tokens.id IS 'The row''s key.';
COMMENT ON COLUMN security.refresh_tokens.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.refresh_tokens.token_hash IS 'Hash of the token: the token itself is not kept.';
COMMENT ON COLUMN security.refresh_tokens.device_id IS 'The device it was given to; null where it is not known.';
COMMENT ON COLUMN security.refresh_tokens.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN security.refresh_tokens.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN security.refresh_tokens.expires_at IS 'When it can no longer be used.';
COMMENT ON COLUMN security.refresh_tokens.revoked_at IS 'When it ceased to serve; null before.';
COMMENT ON COLUMN security.refresh_tokens.revoked_reason IS 'Why it serves no more; null while it does.';
COMMENT ON COLUMN security.refresh_tokens.replaced_by IS 'The token it was exchanged for; null unless it was rotated.';
COMMENT ON COLUMN security.refresh_tokens.created_at IS 'When the row was written.';
COMMENT ON COLUMN security.refresh_tokens.family_id IS 'Shared by all tokens of one sign-in: reuse of an old one revokes them all.';
COMMENT ON COLUMN security.refresh_tokens.session_id IS 'The login it renews; null where that is not known.';
ALTER TABLE security.refresh_tokens ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, device_id, ip_address, user_agent, expires_at, revoked_at, revoked_reason, replaced_by, created_at, family_id, session_id) ON security.refresh_tokens TO lango_anonymous;
GRANT SELECT (id, user_id, device_id, ip_address, user_agent, expires_at, revoked_at, revoked_reason, replaced_by, created_at, family_id, session_id) ON security.refresh_tokens TO lango_member;
GRANT SELECT (id, user_id, device_id, ip_address, user_agent, expires_at, revoked_at, revoked_reason, replaced_by, created_at, family_id, session_id) ON security.refresh_tokens TO lango_staff;
CREATE POLICY lango_member ON security.refresh_tokens FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.refresh_tokens FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.refresh_tokens TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.refresh_tokens TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.refresh_tokens TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.refresh_tokens FOR EACH ROW EXECUTE FUNCTION lango.audit('refresh_token', 'id', 'token_hash', 'ip_address,user_agent', '');

CREATE TABLE security.session_audits (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    session_id UUID,
    user_id UUID NOT NULL,
    action TEXT NOT NULL,
    ip_address INET,
    user_agent TEXT,
    location JSONB,
    device_id UUID,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_session_audits PRIMARY KEY (id),
    CONSTRAINT ck_session_audits_action_is_known CHECK (action IN ('session_created', 'session_renewed', 'session_terminated')),
    CONSTRAINT ck_session_audits_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_session_audits_device_id ON security.session_audits (device_id);
CREATE INDEX ix_session_audits_session_id ON security.session_audits (session_id);
CREATE INDEX ix_session_audits_user_id ON security.session_audits (user_id);

COMMENT ON TABLE security.session_audits IS 'The beginning, a renewal or the end of a session.';
COMMENT ON COLUMN security.session_audits.id IS 'The row''s key.';
COMMENT ON COLUMN security.session_audits.session_id IS 'The session it happened to; null where that is not known.';
COMMENT ON COLUMN security.session_audits.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.session_audits.action IS 'What happened.';
COMMENT ON COLUMN security.session_audits.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN security.session_audits.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN security.session_audits.location IS '`country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown.';
COMMENT ON COLUMN security.session_audits.device_id IS 'The device it happened on; null where it is not known.';
COMMENT ON COLUMN security.session_audits.metadata IS 'What else is known of it, as JSON; null without more.';
COMMENT ON COLUMN security.session_audits.created_at IS 'When the row was written.';
ALTER TABLE security.session_audits ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, session_id, user_id, action, ip_address, user_agent, location, device_id, metadata, created_at) ON security.session_audits TO lango_anonymous;
GRANT SELECT (id, session_id, user_id, action, ip_address, user_agent, location, device_id, metadata, created_at) ON security.session_audits TO lango_member;
GRANT SELECT (id, session_id, user_id, action, ip_address, user_agent, location, device_id, metadata, created_at) ON security.session_audits TO lango_staff;
CREATE POLICY lango_member ON security.session_audits FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.session_audits FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.session_audits TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.session_audits TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON security.session_audits TO lango_rules, lango_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON security.session_audits FOR EACH ROW EXECUTE FUNCTION lango.refuse_change();

CREATE TABLE security.api_keys (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    key_prefix TEXT NOT NULL,
    permissions JSONB DEFAULT '[]',
    rate_limit INTEGER DEFAULT 1000,
    ip_whitelist JSONB DEFAULT '[]',
    enabled BOOLEAN DEFAULT true NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    last_used_ip INET,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_times_are_finite CHECK (last_used_at >= '0001-01-01' AND last_used_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND revoked_at >= '0001-01-01' AND revoked_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_api_keys_user_id ON security.api_keys (user_id);
CREATE UNIQUE INDEX uq_api_keys_key_hash ON security.api_keys (key_hash) WHERE deleted_at IS NULL;

COMMENT ON TABLE security.api_keys IS 'A key with which a user''s program calls in their name, within the key''s limits.';
COMMENT ON COLUMN security.api_keys.id IS 'The row''s key.';
COMMENT ON COLUMN security.api_keys.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.api_keys.name IS 'What its owner calls it.';
COMMENT ON COLUMN security.api_keys.key_hash IS 'Hash of the key: the key is shown once, and not kept.';
COMMENT ON COLUMN security.api_keys.key_prefix IS 'The first 8 characters of the key, to tell it from others.';
COMMENT ON COLUMN security.api_keys.permissions IS 'What it may be used for, a list of names.';
COMMENT ON COLUMN security.api_keys.rate_limit IS 'How many requests it may make in an hour.';
COMMENT ON COLUMN security.api_keys.ip_whitelist IS 'The addresses it may be used from, a list; empty where any will do.';
COMMENT ON COLUMN security.api_keys.enabled IS 'Whether it is accepted now; false puts it to rest without revoking it.';
COMMENT ON COLUMN security.api_keys.last_used_at IS 'When it was last used; null before the first time.';
COMMENT ON COLUMN security.api_keys.last_used_ip IS 'The address it was last used from; null before the first time.';
COMMENT ON COLUMN security.api_keys.expires_at IS 'When it ends by itself; null if never.';
COMMENT ON COLUMN security.api_keys.revoked_at IS 'When it was taken back for good; null while it serves.';
COMMENT ON COLUMN security.api_keys.revoked_reason IS 'Why it was taken back; null while it serves, or where no reason was given.';
COMMENT ON COLUMN security.api_keys.created_at IS 'When the row was written.';
COMMENT ON COLUMN security.api_keys.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN security.api_keys.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE security.api_keys ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, name, key_prefix, permissions, rate_limit, ip_whitelist, enabled, last_used_at, last_used_ip, expires_at, revoked_at, revoked_reason, created_at, updated_at, deleted_at) ON security.api_keys TO lango_anonymous;
GRANT SELECT (id, user_id, name, key_prefix, permissions, rate_limit, ip_whitelist, enabled, last_used_at, last_used_ip, expires_at, revoked_at, revoked_reason, created_at, updated_at, deleted_at) ON security.api_keys TO lango_member;
GRANT SELECT (id, user_id, name, key_prefix, permissions, rate_limit, ip_whitelist, enabled, last_used_at, last_used_ip, expires_at, revoked_at, revoked_reason, created_at, updated_at, deleted_at) ON security.api_keys TO lango_staff;
CREATE POLICY lango_member ON security.api_keys FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.api_keys FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.api_keys TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.api_keys TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.api_keys TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON security.api_keys FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.api_keys FOR EACH ROW EXECUTE FUNCTION lango.audit('api_key', 'id', 'key_hash', 'ip_whitelist,last_used_ip', '');

CREATE TABLE security.login_attempts (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    identifier TEXT NOT NULL,
    user_id UUID,
    ip_address INET NOT NULL,
    user_agent TEXT,
    attempt_result TEXT NOT NULL,
    failure_reason TEXT,
    location JSONB,
    device_fingerprint TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_login_attempts PRIMARY KEY (id),
    CONSTRAINT ck_login_attempts_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_login_attempts_user_id ON security.login_attempts (user_id);

COMMENT ON TABLE security.login_attempts IS 'An attempt to sign in, also one that failed or named nobody.';
COMMENT ON COLUMN security.login_attempts.id IS 'The row''s key.';
COMMENT ON COLUMN security.login_attempts.identifier IS 'The phone or email that was given, whether or not it is anybody''s.';
COMMENT ON COLUMN security.login_attempts.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.login_attempts.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN security.login_attempts.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN security.login_attempts.attempt_result IS '`success`, `failed_password`, `failed_not_found`, `account_locked` or other.';
COMMENT ON COLUMN security.login_attempts.failure_reason IS 'More on why it failed; null on success.';
COMMENT ON COLUMN security.login_attempts.location IS '`country`, `city`, `lat` and `lon`, guessed from the IP address; null where unknown.';
COMMENT ON COLUMN security.login_attempts.device_fingerprint IS 'What the device is recognised by; null where the client sent none.';
COMMENT ON COLUMN security.login_attempts.created_at IS 'When the row was written.';
ALTER TABLE security.login_attempts ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, identifier, user_id, ip_address, user_agent, attempt_result, failure_reason, location, device_fingerprint, created_at) ON security.login_attempts TO lango_anonymous;
GRANT SELECT (id, identifier, user_id, ip_address, user_agent, attempt_result, failure_reason, location, device_fingerprint, created_at) ON security.login_attempts TO lango_member;
GRANT SELECT (id, identifier, user_id, ip_address, user_agent, attempt_result, failure_reason, location, device_fingerprint, created_at) ON security.login_attempts TO lango_staff;
CREATE POLICY lango_member ON security.login_attempts FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.login_attempts FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.login_attempts TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.login_attempts TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.login_attempts TO lango_rules, lango_worker;

CREATE TABLE security.password_history (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    password_hash TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_password_history PRIMARY KEY (id),
    CONSTRAINT ck_password_history_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_password_history_user_id ON security.password_history (user_id);

COMMENT ON TABLE security.password_history IS 'A password that a user chose; none of the last 10 may be chosen again.';
COMMENT ON COLUMN security.password_history.id IS 'The row''s key.';
COMMENT ON COLUMN security.password_history.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.password_history.password_hash IS 'argon2id hash of that password.';
COMMENT ON COLUMN security.password_history.created_at IS 'When the row was written.';
ALTER TABLE security.password_history ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, created_at) ON security.password_history TO lango_anonymous;
GRANT SELECT (id, user_id, created_at) ON security.password_history TO lango_member;
GRANT SELECT (id, user_id, created_at) ON security.password_history TO lango_staff;
CREATE POLICY lango_member ON security.password_history FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON security.password_history FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.password_history TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.password_history TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.password_history TO lango_rules, lango_worker;

CREATE TABLE security.two_factor_auth (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    method TEXT NOT NULL,
    enabled BOOLEAN DEFAULT false NOT NULL,
    secret TEXT,
    backup_codes JSONB,
    phone_number TEXT,
    email TEXT,
    last_used_at TIMESTAMP WITH TIME ZONE,
    enabled_at TIMESTAMP WITH TIME ZONE,
    disabled_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_counter BIGINT,
    CONSTRAINT pk_two_factor_auth PRIMARY KEY (id),
    CONSTRAINT uq_two_factor_auth_user_id UNIQUE (user_id),
    CONSTRAINT ck_two_factor_auth_method_is_known CHECK (method IN ('totp', 'sms', 'email')),
    CONSTRAINT ck_two_factor_auth_times_are_finite CHECK (last_used_at >= '0001-01-01' AND last_used_at < '9999-01-01' AND enabled_at >= '0001-01-01' AND enabled_at < '9999-01-01' AND disabled_at >= '0001-01-01' AND disabled_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE security.two_factor_auth IS 'A user''s second factor, asked for at sign-in while it is enabled.';
COMMENT ON COLUMN security.two_factor_auth.id IS 'The row''s key.';
COMMENT ON COLUMN security.two_factor_auth.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.two_factor_auth.method IS 'What is shown.';
COMMENT ON COLUMN security.two_factor_auth.enabled IS 'Whether sign-in asks for it.';
COMMENT ON COLUMN security.two_factor_auth.secret IS 'What the authenticator app computes its codes from, encrypted; null where `method` is not `totp`.';
COMMENT ON COLUMN security.two_factor_auth.backup_codes IS 'Hashes of the codes that stand in for the second factor, each once; null until they are given.';
COMMENT ON COLUMN security.two_factor_auth.phone_number IS 'Where codes go by SMS; null where `method` is not `sms`.';
COMMENT ON COLUMN security.two_factor_auth.email IS 'Where codes go by email; null where `method` is not `email`.';
COMMENT ON COLUMN security.two_factor_auth.last_used_at IS 'When it was last shown; null before the first time.';
COMMENT ON COLUMN security.two_factor_auth.enabled_at IS 'When it was last switched on; null before.';
COMMENT ON COLUMN security.two_factor_auth.disabled_at IS 'When it was last switched off; null if never.';
COMMENT ON COLUMN security.two_factor_auth.created_at IS 'When the row was written.';
COMMENT ON COLUMN security.two_factor_auth.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN security.two_factor_auth.last_counter IS 'The last 30-second step whose code was accepted, so that a code works once; null before.';
ALTER TABLE security.two_factor_auth ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, method, enabled, phone_number, email, last_used_at, enabled_at, disabled_at, created_at, updated_at, last_counter) ON security.two_factor_auth TO lango_anonymous;
GRANT SELECT (id, user_id, method, enabled, phone_number, email, last_used_at, enabled_at, disabled_at, created_at, updated_at, last_counter) ON security.two_factor_auth TO lango_member;
GRANT SELECT (id, user_id, method, enabled, phone_number, email, last_used_at, enabled_at, disabled_at, created_at, updated_at, last_counter) ON security.two_factor_auth TO lango_staff;
CREATE POLICY lango_member ON security.two_factor_auth FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.two_factor_auth FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.two_factor_auth TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.two_factor_auth TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.two_factor_auth TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON security.two_factor_auth FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.two_factor_auth FOR EACH ROW EXECUTE FUNCTION lango.audit('two_factor_auth', 'id', 'secret,backup_codes', 'phone_number,email', '');

CREATE TABLE security.oauth_connections (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    provider TEXT NOT NULL,
    provider_user_id TEXT NOT NULL,
    provider_email TEXT,
    provider_username TEXT,
    access_token TEXT,
    refresh_token TEXT,
    token_expires_at TIMESTAMP WITH TIME ZONE,
    scope TEXT,
    profile_data JSONB,
    last_synced_at TIMESTAMP WITH TIME ZONE,
    connected_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    disconnected_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_oauth_connections PRIMARY KEY (id),
    CONSTRAINT uq_oauth_connections_provider_provider_user_id UNIQUE (provider, provider_user_id),
    CONSTRAINT ck_oauth_connections_provider_is_known CHECK (provider IN ('google', 'telegram', 'github')),
    CONSTRAINT ck_oauth_connections_times_are_finite CHECK (token_expires_at >= '0001-01-01' AND token_expires_at < '9999-01-01' AND last_synced_at >= '0001-01-01' AND last_synced_at < '9999-01-01' AND connected_at >= '0001-01-01' AND connected_at < '9999-01-01' AND disconnected_at >= '0001-01-01' AND disconnected_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_oauth_connections_user_id ON security.oauth_connections (user_id);

COMMENT ON TABLE security.oauth_connections IS 'An account elsewhere that a user may sign in with.';
COMMENT ON COLUMN security.oauth_connections.id IS 'The row''s key.';
COMMENT ON COLUMN security.oauth_connections.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.oauth_connections.provider IS 'Where that account is kept.';
COMMENT ON COLUMN security.oauth_connections.provider_user_id IS 'The account''s key at the provider.';
COMMENT ON COLUMN security.oauth_connections.provider_email IS 'The email the provider knows; null where it tells none.';
COMMENT ON COLUMN security.oauth_connections.provider_username IS 'The name the account goes by there; null where the provider tells none.';
COMMENT ON COLUMN security.oauth_connections.access_token IS 'Opens the provider''s interface in the user''s name, encrypted; null where none is kept.';
COMMENT ON COLUMN security.oauth_connections.refresh_token IS 'Renews the access token, encrypted; null where none is kept.';
COMMENT ON COLUMN security.oauth_connections.token_expires_at IS 'When the access token ends; null where that is not known.';
COMMENT ON COLUMN security.oauth_connections.scope IS 'What the user allowed, in the provider''s words; null where it tells nothing.';
COMMENT ON COLUMN security.oauth_connections.profile_data IS 'What else the provider told about the user; null where it told nothing.';
COMMENT ON COLUMN security.oauth_connections.last_synced_at IS 'When the provider was last asked about the user; null before the first time.';
COMMENT ON COLUMN security.oauth_connections.connected_at IS 'When the user connected it.';
COMMENT ON COLUMN security.oauth_connections.disconnected_at IS 'When the user disconnected it; null while it serves.';
COMMENT ON COLUMN security.oauth_connections.created_at IS 'When the row was written.';
COMMENT ON COLUMN security.oauth_connections.updated_at IS 'When the row was last changed.';
ALTER TABLE security.oauth_connections ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, provider, provider_user_id, provider_email, provider_username, token_expires_at, scope, profile_data, last_synced_at, connected_at, disconnected_at, created_at, updated_at) ON security.oauth_connections TO lango_anonymous;
GRANT SELECT (id, user_id, provider, provider_user_id, provider_email, provider_username, token_expires_at, scope, profile_data, last_synced_at, connected_at, disconnected_at, created_at, updated_at) ON security.oauth_connections TO lango_member;
GRANT SELECT (id, user_id, provider, provider_user_id, provider_email, provider_username, token_expires_at, scope, profile_data, last_synced_at, connected_at, disconnected_at, created_at, updated_at) ON security.oauth_connections TO lango_staff;
CREATE POLICY lango_member ON security.oauth_connections FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON security.oauth_connections FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.oauth_connections TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.oauth_connections TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.oauth_connections TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON security.oauth_connections FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.oauth_connections FOR EACH ROW EXECUTE FUNCTION lango.audit('oauth_connection', 'id', 'access_token,refresh_token', 'provider_user_id,provider_email,provider_username,profile_data', '');

CREATE TABLE security.account_recovery (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    recovery_type TEXT NOT NULL,
    token TEXT NOT NULL,
    method TEXT NOT NULL,
    ip_address INET NOT NULL,
    user_agent TEXT,
    status TEXT DEFAULT 'pending' NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_account_recovery PRIMARY KEY (id),
    CONSTRAINT uq_account_recovery_token UNIQUE (token),
    CONSTRAINT ck_account_recovery_recovery_type_is_known CHECK (recovery_type IN ('password_reset', 'account_unlock', 'two_factor_reset')),
    CONSTRAINT ck_account_recovery_method_is_known CHECK (method IN ('email', 'sms', 'security_questions')),
    CONSTRAINT ck_account_recovery_status_is_known CHECK (status IN ('pending', 'used', 'expired', 'cancelled')),
    CONSTRAINT ck_account_recovery_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND used_at >= '0001-01-01' AND used_at < '9999-01-01' AND cancelled_at >= '0001-01-01' AND cancelled_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_account_recovery_user_id ON security.account_recovery (user_id);

COMMENT ON TABLE security.account_recovery IS 'A way back into an account, asked for by somebody who may be its owner.';
COMMENT ON COLUMN security.account_recovery.id IS 'The row''s key.';
COMMENT ON COLUMN security.account_recovery.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN security.account_recovery.recovery_type IS 'What it gives back.';
COMMENT ON COLUMN security.account_recovery.token IS 'Hash of the token: the token itself is not kept.';
COMMENT ON COLUMN security.account_recovery.method IS 'How the owner is told from others.';
COMMENT ON COLUMN security.account_recovery.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN security.account_recovery.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN security.account_recovery.status IS 'Where it stands.';
COMMENT ON COLUMN security.account_recovery.expires_at IS 'When the token can no longer be used.';
COMMENT ON COLUMN security.account_recovery.used_at IS 'When the token was used; null before.';
COMMENT ON COLUMN security.account_recovery.cancelled_at IS 'When it was withdrawn; null unless it was.';
COMMENT ON COLUMN security.account_recovery.created_at IS 'When the row was written.';
ALTER TABLE security.account_recovery ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, recovery_type, method, ip_address, user_agent, status, expires_at, used_at, cancelled_at, created_at) ON security.account_recovery TO lango_anonymous;
GRANT SELECT (id, user_id, recovery_type, method, ip_address, user_agent, status, expires_at, used_at, cancelled_at, created_at) ON security.account_recovery TO lango_member;
GRANT SELECT (id, user_id, recovery_type, method, ip_address, user_agent, status, expires_at, used_at, cancelled_at, created_at) ON security.account_recovery TO lango_staff;
CREATE POLICY lango_member ON security.account_recovery FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON security.account_recovery FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON security.account_recovery TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON security.account_recovery TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON security.account_recovery TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON security.account_recovery FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>cancelled', 'pending>expired', 'pending>used');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.account_recovery FOR EACH ROW EXECUTE FUNCTION lango.audit('account_recovery', 'id', 'token', 'ip_address,user_agent', '');

ALTER TABLE security.email_delivery_log ADD CONSTRAINT fk_email_delivery_log_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.sms_delivery_log ADD CONSTRAINT fk_sms_delivery_log_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.security_events ADD CONSTRAINT fk_security_events_resolved_by FOREIGN KEY(resolved_by) REFERENCES identity.users (id);

ALTER TABLE security.security_events ADD CONSTRAINT fk_security_events_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.user_devices ADD CONSTRAINT fk_user_devices_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.refresh_tokens ADD CONSTRAINT fk_refresh_tokens_device_id FOREIGN KEY(device_id) REFERENCES security.user_devices (id);

ALTER TABLE security.refresh_tokens ADD CONSTRAINT fk_refresh_tokens_session_id FOREIGN KEY(session_id) REFERENCES identity.user_sessions (id);

ALTER TABLE security.refresh_tokens ADD CONSTRAINT fk_refresh_tokens_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.session_audits ADD CONSTRAINT fk_session_audits_device_id FOREIGN KEY(device_id) REFERENCES security.user_devices (id);

ALTER TABLE security.session_audits ADD CONSTRAINT fk_session_audits_session_id FOREIGN KEY(session_id) REFERENCES identity.user_sessions (id);

ALTER TABLE security.session_audits ADD CONSTRAINT fk_session_audits_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.api_keys ADD CONSTRAINT fk_api_keys_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.login_attempts ADD CONSTRAINT fk_login_attempts_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.password_history ADD CONSTRAINT fk_password_history_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.two_factor_auth ADD CONSTRAINT fk_two_factor_auth_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.oauth_connections ADD CONSTRAINT fk_oauth_connections_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE security.account_recovery ADD CONSTRAINT fk_account_recovery_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);
