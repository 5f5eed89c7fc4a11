-- Notifications, their templates and preferences.

CREATE SCHEMA notifications;

COMMENT ON SCHEMA notifications IS 'Messages to people: their templates, their delivery, what people wish to be told, and daily counts.';
GRANT USAGE ON SCHEMA notifications TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE notifications.notification_templates (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    template_key VARCHAR(100) NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    subject VARCHAR(500),
    body_text TEXT NOT NULL,
    body_html TEXT,
    channels VARCHAR(20)[] DEFAULT ARRAY['email']::varchar(20)[],
    locale VARCHAR(10) DEFAULT 'fr-SN',
    variables JSONB,
    is_active BOOLEAN DEFAULT true NOT NULL,
    version INTEGER DEFAULT 1,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_notification_templates PRIMARY KEY (id),
    CONSTRAINT uq_notification_templates_template_key UNIQUE (template_key),
    CONSTRAINT ck_notification_templates_channels_are_known CHECK (channels::text[] <@ ARRAY['email', 'sms', 'whatsapp']),
    CONSTRAINT ck_notification_templates_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE notifications.notification_templates IS 'The wording of one kind of notification, with places for its variables.';
COMMENT ON COLUMN notifications.notification_templates.id IS 'The row''s key.';
COMMENT ON COLUMN notifications.notification_templates.template_key IS 'What rules call it, as in `referral_accepted`.';
COMMENT ON COLUMN notifications.notification_templates.name IS 'What staff call it.';
COMMENT ON COLUMN notifications.notification_templates.description IS 'What it is for; null where the name says enough.';
COMMENT ON COLUMN notifications.notification_templates.subject IS 'The subject line of emails; null where it is not sent by email.';
COMMENT ON COLUMN notifications.notification_templates.body_text IS 'The wording as plain text.';
COMMENT ON COLUMN notifications.notification_templates.body_html IS 'The wording as HTML, for email; null where the plain text serves.';
COMMENT ON COLUMN notifications.notification_templates.channels IS 'How it may be sent.';
COMMENT ON COLUMN notifications.notification_templates.locale IS 'The language and country it is written for, as in `fr-SN`.';
COMMENT ON COLUMN notifications.notification_templates.variables IS 'Each variable with its type, as in `user_name`: `string`; null where it has none.';
COMMENT ON COLUMN notifications.notification_templates.is_active IS 'Whether notifications are written from it.';
COMMENT ON COLUMN notifications.notification_templates.version IS 'Counts its wordings, from 1.';
COMMENT ON COLUMN notifications.notification_templates.created_at IS 'When the row was written.';
COMMENT ON COLUMN notifications.notification_templates.updated_at IS 'When the row was last changed.';
ALTER TABLE notifications.notification_templates ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, template_key, name, description, subject, body_text, body_html, channels, locale, variables, is_active, version, created_at, updated_at) ON notifications.notification_templates TO lango_anonymous;
GRANT SELECT (id, template_key, name, description, subject, body_text, body_html, channels, locale, variables, is_active, version, created_at, updated_at) ON notifications.notification_templates TO lango_member;
GRANT SELECT (id, template_key, name, description, subject, body_text, body_html, channels, locale, variables, is_active, version, created_at, updated_at) ON notifications.notification_templates TO lango_staff;
CREATE POLICY lango_member ON notifications.notification_templates FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON notifications.notification_templates FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON notifications.notification_templates TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON notifications.notification_templates TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON notifications.notification_templates TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON notifications.notification_templates FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON notifications.notification_templates FOR EACH ROW EXECUTE FUNCTION lango.audit('notification_template', 'id', '', '', '');

CREATE TABLE notifications.notifications (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID,
    recipient_identifier VARCHAR(255) NOT NULL,
    template_id UUID NOT NULL,
    channel VARCHAR(20) NOT NULL,
    subject VARCHAR(500),
    body TEXT NOT NULL,
    template_data JSONB,
    status VARCHAR(20) DEFAULT 'pending',
    scheduled_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    failed_at TIMESTAMP WITH TIME ZONE,
    provider VARCHAR(50),
    provider_message_id VARCHAR(255),
    provider_response JSONB,
    retry_count INTEGER DEFAULT 0,
    max_retries INTEGER DEFAULT 3,
    next_retry_at TIMESTAMP WITH TIME ZONE,
    error_message TEXT,
    error_code VARCHAR(50),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_notifications PRIMARY KEY (id),
    CONSTRAINT ck_notifications_channel_is_known CHECK (channel IN ('email', 'sms', 'whatsapp')),
    CONSTRAINT ck_notifications_status_is_known CHECK (status IN ('pending', 'sent', 'delivered', 'failed', 'bounced')),
    CONSTRAINT ck_notifications_times_are_finite CHECK (scheduled_at >= '0001-01-01' AND scheduled_at < '9999-01-01' AND sent_at >= '0001-01-01' AND sent_at < '9999-01-01' AND delivered_at >= '0001-01-01' AND delivered_at < '9999-01-01' AND failed_at >= '0001-01-01' AND failed_at < '9999-01-01' AND next_retry_at >= '0001-01-01' AND next_retry_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_notifications_scheduled_at ON notifications.notifications (scheduled_at);
CREATE INDEX ix_notifications_status ON notifications.notifications (status);
CREATE INDEX ix_notifications_template_id ON notifications.notifications (template_id);
CREATE INDEX ix_notifications_user_id ON notifications.notifications (user_id) WHERE user_id IS NOT NULL;

COMMENT ON TABLE notifications.notifications IS 'A message to one person by one channel, and how far it came.';
COMMENT ON COLUMN notifications.notifications.id IS 'The row''s key.';
COMMENT ON COLUMN notifications.notifications.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN notifications.notifications.recipient_identifier IS 'The email address or phone number it goes to.';
COMMENT ON COLUMN notifications.notifications.template_id IS 'What it was written from.';
COMMENT ON COLUMN notifications.notifications.channel IS 'How it is sent.';
COMMENT ON COLUMN notifications.notifications.subject IS 'The subject line; null where it is no email.';
COMMENT ON COLUMN notifications.notifications.body IS 'The text as it is sent.';
COMMENT ON COLUMN notifications.notifications.template_data IS 'What was put in place of the template''s variables; null where it has none.';
COMMENT ON COLUMN notifications.notifications.status IS 'Where it stands.';
COMMENT ON COLUMN notifications.notifications.scheduled_at IS 'The earliest time it may be sent: later than its writing in quiet hours and digests.';
COMMENT ON COLUMN notifications.notifications.sent_at IS 'When the provider took it; null before.';
COMMENT ON COLUMN notifications.notifications.delivered_at IS 'When it arrived; null before, or where that is not told.';
COMMENT ON COLUMN notifications.notifications.failed_at IS 'When a try last failed; null where none did.';
COMMENT ON COLUMN notifications.notifications.provider IS 'Who carries it, as in `resend`, `twilio` or `whatsapp_business`; null until it is handed over.';
COMMENT ON COLUMN notifications.notifications.provider_message_id IS 'The provider''s key for it; null until it is taken.';
COMMENT ON COLUMN notifications.notifications.provider_response IS 'The provider''s last answer; null before.';
COMMENT ON COLUMN notifications.notifications.retry_count IS 'How often it was tried again.';
COMMENT ON COLUMN notifications.notifications.max_retries IS 'How often it may be tried again.';
COMMENT ON COLUMN notifications.notifications.next_retry_at IS 'When it is tried again; null where it is not to be.';
COMMENT ON COLUMN notifications.notifications.error_message IS 'Why the last try failed; null where none did.';
COMMENT ON COLUMN notifications.notifications.error_code IS 'The provider''s code for that failure; null where there is none.';
COMMENT ON COLUMN notifications.notifications.created_at IS 'When the row was written.';
COMMENT ON COLUMN notifications.notifications.updated_at IS 'When the row was last changed.';
ALTER TABLE notifications.notifications ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, recipient_identifier, template_id, channel, subject, body, template_data, status, scheduled_at, sent_at, delivered_at, failed_at, provider, provider_message_id, provider_response, retry_count, max_retries, next_retry_at, error_message, error_code, created_at, updated_at) ON notifications.notifications TO lango_anonymous;
GRANT SELECT (id, user_id, recipient_identifier, template_id, channel, subject, body, template_data, status, scheduled_at, sent_at, delivered_at, failed_at, provider, provider_message_id, provider_response, retry_count, max_retries, next_retry_at, error_message, error_code, created_at, updated_at) ON notifications.notifications TO lango_member;
GRANT SELECT (id, user_id, recipient_identifier, template_id, channel, subject, body, template_data, status, scheduled_at, sent_at, delivered_at, failed_at, provider, provider_message_id, provider_response, retry_count, max_retries, next_retry_at, error_message, error_code, created_at, updated_at) ON notifications.notifications TO lango_staff;
CREATE POLICY lango_member ON notifications.notifications FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON notifications.notifications FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON notifications.notifications TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON notifications.notifications TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON notifications.notifications TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON notifications.notifications FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON notifications.notifications FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'delivered>bounced', 'failed>pending', 'pending>failed', 'pending>sent', 'sent>bounced', 'sent>delivered', 'sent>failed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON notifications.notifications FOR EACH ROW EXECUTE FUNCTION lango.audit('notification', 'id', '', 'recipient_identifier,subject,body,template_data,provider_response', '');

CREATE TABLE notifications.notification_preferences (
    user_id UUID NOT NULL,
    email_enabled BOOLEAN DEFAULT true NOT NULL,
    sms_enabled BOOLEAN DEFAULT true NOT NULL,
    whatsapp_enabled BOOLEAN DEFAULT true NOT NULL,
    push_enabled BOOLEAN DEFAULT true NOT NULL,
    referral_notifications BOOLEAN DEFAULT true NOT NULL,
    pot_notifications BOOLEAN DEFAULT true NOT NULL,
    donation_notifications BOOLEAN DEFAULT true NOT NULL,
    marketing_notifications BOOLEAN DEFAULT false NOT NULL,
    digest_frequency VARCHAR(20) DEFAULT 'daily',
    quiet_hours_start TIME WITHOUT TIME ZONE DEFAULT '22:00',
    quiet_hours_end TIME WITHOUT TIME ZONE DEFAULT '08:00',
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_notification_preferences PRIMARY KEY (user_id),
    CONSTRAINT ck_notification_preferences_digest_frequency_is_known CHECK (digest_frequency IN ('immediate', 'daily', 'weekly')),
    CONSTRAINT ck_notification_preferences_times_are_finite CHECK (updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE notifications.notification_preferences IS 'What a user wants to be told, how and when; security notices come in any case.';
COMMENT ON COLUMN notifications.notification_preferences.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN notifications.notification_preferences.email_enabled IS 'Whether emails are welcome.';
COMMENT ON COLUMN notifications.notification_preferences.sms_enabled IS 'Whether SMS are welcome.';
COMMENT ON COLUMN notifications.notification_preferences.whatsapp_enabled IS 'Whether WhatsApp messages are welcome.';
COMMENT ON COLUMN notifications.notification_preferences.push_enabled IS 'Whether messages may be pushed to the user''s devices.';
COMMENT ON COLUMN notifications.notification_preferences.referral_notifications IS 'Whether to tell of invitations and points.';
COMMENT ON COLUMN notifications.notification_preferences.pot_notifications IS 'Whether to tell how pots fare.';
COMMENT ON COLUMN notifications.notification_preferences.donation_notifications IS 'Whether to tell of donations.';
COMMENT ON COLUMN notifications.notification_preferences.marketing_notifications IS 'Whether advertising is welcome; not unless the user says so.';
COMMENT ON COLUMN notifications.notification_preferences.digest_frequency IS 'How far messages are gathered before they are sent.';
COMMENT ON COLUMN notifications.notification_preferences.quiet_hours_start IS 'The hour from which nothing is sent, in the user''s time zone; null without quiet hours.';
COMMENT ON COLUMN notifications.notification_preferences.quiet_hours_end IS 'The hour from which messages are sent again, in the user''s time zone; null without quiet hours.';
COMMENT ON COLUMN notifications.notification_preferences.updated_at IS 'When the row was last changed.';
ALTER TABLE notifications.notification_preferences ENABLE ROW LEVEL SECURITY;
GRANT SELECT (user_id, email_enabled, sms_enabled, whatsapp_enabled, push_enabled, referral_notifications, pot_notifications, donation_notifications, marketing_notifications, digest_frequency, quiet_hours_start, quiet_hours_end, updated_at) ON notifications.notification_preferences TO lango_anonymous;
GRANT SELECT (user_id, email_enabled, sms_enabled, whatsapp_enabled, push_enabled, referral_notifications, pot_notifications, donation_notifications, marketing_notifications, digest_frequency, quiet_hours_start, quiet_hours_end, updated_at) ON notifications.notification_preferences TO lango_member;
GRANT SELECT (user_id, email_enabled, sms_enabled, whatsapp_enabled, push_enabled, referral_notifications, pot_notifications, donation_notifications, marketing_notifications, digest_frequency, quiet_hours_start, quiet_hours_end, updated_at) ON notifications.notification_preferences TO lango_staff;
CREATE POLICY lango_member ON notifications.notification_preferences FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON notifications.notification_preferences FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON notifications.notification_preferences TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON notifications.notification_preferences TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON notifications.notification_preferences TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON notifications.notification_preferences FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON notifications.notification_preferences FOR EACH ROW EXECUTE FUNCTION lango.audit('notification_preferences', 'user_id', '', '', '');

CREATE TABLE notifications.notification_analytics (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    date DATE NOT NULL,
    template_key VARCHAR(100) NOT NULL,
    channel VARCHAR(20) NOT NULL,
    sent_count INTEGER DEFAULT 0,
    delivered_count INTEGER DEFAULT 0,
    failed_count INTEGER DEFAULT 0,
    bounce_count INTEGER DEFAULT 0,
    opened_count INTEGER DEFAULT 0,
    clicked_count INTEGER DEFAULT 0,
    delivery_rate NUMERIC(5, 4),
    open_rate NUMERIC(5, 4),
    click_rate NUMERIC(5, 4),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_notification_analytics PRIMARY KEY (id),
    CONSTRAINT uq_notification_analytics_date_template_key_channel UNIQUE (date, template_key, channel),
    CONSTRAINT ck_notification_analytics_times_are_finite CHECK (date >= '0001-01-01' AND date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_notification_analytics_numbers_are_real CHECK (delivery_rate <> 'NaN' AND open_rate <> 'NaN' AND click_rate <> 'NaN')
);

COMMENT ON TABLE notifications.notification_analytics IS 'How one template did on one channel in one day.';
COMMENT ON COLUMN notifications.notification_analytics.id IS 'The row''s key.';
COMMENT ON COLUMN notifications.notification_analytics.date IS 'The day.';
COMMENT ON COLUMN notifications.notification_analytics.template_key IS 'Which template, as in `referral_accepted`.';
COMMENT ON COLUMN notifications.notification_analytics.channel IS '`email`, `sms` or `whatsapp`.';
COMMENT ON COLUMN notifications.notification_analytics.sent_count IS 'How many the provider took.';
COMMENT ON COLUMN notifications.notification_analytics.delivered_count IS 'How many arrived.';
COMMENT ON COLUMN notifications.notification_analytics.failed_count IS 'How many could not be sent.';
COMMENT ON COLUMN notifications.notification_analytics.bounce_count IS 'How many were sent back.';
COMMENT ON COLUMN notifications.notification_analytics.opened_count IS 'How many were opened, as far as the channel tells.';
COMMENT ON COLUMN notifications.notification_analytics.clicked_count IS 'In how many a link was followed, as far as the channel tells.';
COMMENT ON COLUMN notifications.notification_analytics.delivery_rate IS 'Share of those sent that arrived, from 0 to 1; null where none was sent.';
COMMENT ON COLUMN notifications.notification_analytics.open_rate IS 'Share of those that arrived that were opened, from 0 to 1; null where none arrived.';
COMMENT ON COLUMN notifications.notification_analytics.click_rate IS 'Share of those that arrived in which a link was followed, from 0 to 1; null where none arrived.';
COMMENT ON COLUMN notifications.notification_analytics.created_at IS 'When the row was written.';
ALTER TABLE notifications.notification_analytics ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, date, template_key, channel, sent_count, delivered_count, failed_count, bounce_count, opened_count, clicked_count, delivery_rate, open_rate, click_rate, created_at) ON notifications.notification_analytics TO lango_anonymous;
GRANT SELECT (id, date, template_key, channel, sent_count, delivered_count, failed_count, bounce_count, opened_count, clicked_count, delivery_rate, open_rate, click_rate, created_at) ON notifications.notification_analytics TO lango_member;
GRANT SELECT (id, date, template_key, channel, sent_count, delivered_count, failed_count, bounce_count, opened_count, clicked_count, delivery_rate, open_rate, click_rate, created_at) ON notifications.notification_analytics TO lango_staff;
CREATE POLICY lango_member ON notifications.notification_analytics FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON notifications.notification_analytics FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON notifications.notification_analytics TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON notifications.notification_analytics TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON notifications.notification_analytics TO lango_rules, lango_worker;

ALTER TABLE notifications.notifications ADD CONSTRAINT fk_notifications_template_id FOREIGN KEY(template_id) REFERENCES notifications.notification_templates (id);

ALTER TABLE notifications.notifications ADD CONSTRAINT fk_notifications_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE notifications.notification_preferences ADD CONSTRAINT fk_notification_preferences_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;
