CREATE TABLE platform.outbox_events_default PARTITION OF platform.outbox_events DEFAULT;
ALTER TABLE platform.outbox_events_default ENABLE ROW LEVEL SECURITY;
CREATE TABLE analytics.analytics_events_default PARTITION OF analytics.analytics_events DEFAULT;
ALTER TABLE analytics.analytics_events_default ENABLE ROW LEVEL SECURITY;
CREATE TABLE admin.audit_logs_default PARTITION OF admin.audit_logs DEFAULT;
ALTER TABLE admin.audit_logs_default ENABLE ROW LEVEL SECURITY;
CREATE TABLE usage.api_usage_default PARTITION OF usage.api_usage DEFAULT;
ALTER TABLE usage.api_usage_default ENABLE ROW LEVEL SECURITY;
