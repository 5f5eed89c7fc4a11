-- Events, metrics, funnels and A/B tests.

CREATE SCHEMA analytics;

COMMENT ON SCHEMA analytics IS 'What people do on the platform: events, the figures drawn from them, and A/B tests.';
GRANT USAGE ON SCHEMA analytics TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE analytics.analytics_events (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    event_name VARCHAR(100) NOT NULL,
    event_category VARCHAR(50) NOT NULL,
    user_id UUID,
    session_id VARCHAR(100),
    anonymous_id VARCHAR(100),
    properties JSONB,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ip_address INET,
    user_agent TEXT,
    referrer VARCHAR(500),
    page_url VARCHAR(500),
    platform VARCHAR(20),
    device_type VARCHAR(20),
    os VARCHAR(50),
    browser VARCHAR(50),
    country VARCHAR(3),
    region VARCHAR(100),
    city VARCHAR(100),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_analytics_events PRIMARY KEY (id, created_at),
    CONSTRAINT ck_analytics_events_platform_is_known CHECK (platform IN ('web', 'mobile_app', 'api')),
    CONSTRAINT ck_analytics_events_device_type_is_known CHECK (device_type IN ('desktop', 'mobile', 'tablet')),
    CONSTRAINT ck_analytics_events_times_are_finite CHECK (timestamp >= '0001-01-01' AND timestamp < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
)
 PARTITION BY RANGE (created_at);

CREATE TABLE analytics.analytics_events_default PARTITION OF analytics.analytics_events DEFAULT;
ALTER TABLE analytics.analytics_events_default ENABLE ROW LEVEL SECURITY;
CREATE INDEX ix_analytics_events_event_name ON analytics.analytics_events (event_name);
CREATE INDEX ix_analytics_events_timestamp ON analytics.analytics_events (timestamp);
CREATE INDEX ix_analytics_events_user_id ON analytics.analytics_events (user_id) WHERE user_id IS NOT NULL;

COMMENT ON TABLE analytics.analytics_events IS 'Something a person did, signed in or not, as the client told it.';
COMMENT ON COLUMN analytics.analytics_events.id IS 'The row''s key.';
COMMENT ON COLUMN analytics.analytics_events.event_name IS 'What happened, such as `pot_created` or `donation_made`.';
COMMENT ON COLUMN analytics.analytics_events.event_category IS 'What it has to do with, such as `pot`, `referral` or `donation`.';
COMMENT ON COLUMN analytics.analytics_events.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN analytics.analytics_events.session_id IS 'What joins the events of one visit, by the client''s choice; null where it sends none.';
COMMENT ON COLUMN analytics.analytics_events.anonymous_id IS 'What joins the events of one visitor who is not signed in; null where the client sends none.';
COMMENT ON COLUMN analytics.analytics_events.properties IS 'What else is known of it, by the event''s own names; null where nothing is.';
COMMENT ON COLUMN analytics.analytics_events.timestamp IS 'When it happened.';
COMMENT ON COLUMN analytics.analytics_events.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN analytics.analytics_events.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN analytics.analytics_events.referrer IS 'The page the person came from; null where unknown.';
COMMENT ON COLUMN analytics.analytics_events.page_url IS 'The page it happened on; null off the web.';
COMMENT ON COLUMN analytics.analytics_events.platform IS 'Where it came from; null where unknown.';
COMMENT ON COLUMN analytics.analytics_events.device_type IS 'What the person used; null where unknown.';
COMMENT ON COLUMN analytics.analytics_events.os IS 'The device''s operating system; null where unknown.';
COMMENT ON COLUMN analytics.analytics_events.browser IS 'The browser''s name; null off the web or where unknown.';
COMMENT ON COLUMN analytics.analytics_events.country IS 'The country it happened in, as an ISO 3166 code; null where unknown.';
COMMENT ON COLUMN analytics.analytics_events.region IS 'The region of that country; null where unknown.';
COMMENT ON COLUMN analytics.analytics_events.city IS 'The city in that region; null where unknown.';
COMMENT ON COLUMN analytics.analytics_events.created_at IS 'When the row was written.';
ALTER TABLE analytics.analytics_events ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, event_name, event_category, user_id, session_id, anonymous_id, properties, timestamp, ip_address, user_agent, referrer, page_url, platform, device_type, os, browser, country, region, city, created_at) ON analytics.analytics_events TO lango_anonymous;
GRANT SELECT (id, event_name, event_category, user_id, session_id, anonymous_id, properties, timestamp, ip_address, user_agent, referrer, page_url, platform, device_type, os, browser, country, region, city, created_at) ON analytics.analytics_events TO lango_member;
GRANT SELECT (id, event_name, event_category, user_id, session_id, anonymous_id, properties, timestamp, ip_address, user_agent, referrer, page_url, platform, device_type, os, browser, country, region, city, created_at) ON analytics.analytics_events TO lango_staff;
CREATE POLICY lango_member ON analytics.analytics_events FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON analytics.analytics_events FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON analytics.analytics_events TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON analytics.analytics_events TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.analytics_events TO lango_rules, lango_worker;

CREATE TABLE analytics.business_metrics (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    metric_date DATE NOT NULL,
    metric_type VARCHAR(50) NOT NULL,
    metric_value NUMERIC(15, 4) NOT NULL,
    metric_count INTEGER,
    dimensions JSONB,
    previous_period_value NUMERIC(15, 4),
    period_over_period_change NUMERIC(8, 4),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_business_metrics PRIMARY KEY (id),
    CONSTRAINT uq_business_metrics_metric_date_metric_type_dimensions UNIQUE (metric_date, metric_type, dimensions),
    CONSTRAINT ck_business_metrics_times_are_finite CHECK (metric_date >= '0001-01-01' AND metric_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_business_metrics_numbers_are_real CHECK (metric_value <> 'NaN' AND previous_period_value <> 'NaN' AND period_over_period_change <> 'NaN')
);

COMMENT ON TABLE analytics.business_metrics IS 'One figure of the business for one day, for all or for one segment.';
COMMENT ON COLUMN analytics.business_metrics.id IS 'The row''s key.';
COMMENT ON COLUMN analytics.business_metrics.metric_date IS 'The day it is for.';
COMMENT ON COLUMN analytics.business_metrics.metric_type IS 'What is measured, such as `daily_active_users` or `revenue`.';
COMMENT ON COLUMN analytics.business_metrics.metric_value IS 'The figure, in the unit of its type: people, or CFA francs for `revenue`.';
COMMENT ON COLUMN analytics.business_metrics.metric_count IS 'How many events it was drawn from; null where they are not counted.';
COMMENT ON COLUMN analytics.business_metrics.dimensions IS 'The segment it is for, such as a `region` and an `age_group`; null for everyone.';
COMMENT ON COLUMN analytics.business_metrics.previous_period_value IS 'The same figure one period earlier, in the same unit; null without one.';
COMMENT ON COLUMN analytics.business_metrics.period_over_period_change IS 'The change since then as a fraction: 0.2500 is a quarter more; null without one.';
COMMENT ON COLUMN analytics.business_metrics.created_at IS 'When the row was written.';
ALTER TABLE analytics.business_metrics ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, metric_date, metric_type, metric_value, metric_count, dimensions, previous_period_value, period_over_period_change, created_at) ON analytics.business_metrics TO lango_anonymous;
GRANT SELECT (id, metric_date, metric_type, metric_value, metric_count, dimensions, previous_period_value, period_over_period_change, created_at) ON analytics.business_metrics TO lango_member;
GRANT SELECT (id, metric_date, metric_type, metric_value, metric_count, dimensions, previous_period_value, period_over_period_change, created_at) ON analytics.business_metrics TO lango_staff;
CREATE POLICY lango_member ON analytics.business_metrics FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON analytics.business_metrics FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON analytics.business_metrics TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON analytics.business_metrics TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.business_metrics TO lango_rules, lango_worker;

CREATE TABLE analytics.funnel_analytics (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    funnel_name VARCHAR(100) NOT NULL,
    step_number INTEGER NOT NULL,
    step_name VARCHAR(100) NOT NULL,
    period_start DATE NOT NULL,
    period_end DATE NOT NULL,
    users_entered INTEGER DEFAULT 0,
    users_completed INTEGER DEFAULT 0,
    completion_rate NUMERIC(5, 4),
    segment_filters JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_funnel_analytics PRIMARY KEY (id),
    CONSTRAINT uq_funnel_analytics_funnel_name_step_number_period_star_5d34 UNIQUE (funnel_name, step_number, period_start, period_end, segment_filters),
    CONSTRAINT ck_funnel_analytics_times_are_finite CHECK (period_start >= '0001-01-01' AND period_start < '9999-01-01' AND period_end >= '0001-01-01' AND period_end < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_funnel_analytics_numbers_are_real CHECK (completion_rate <> 'NaN')
);

COMMENT ON TABLE analytics.funnel_analytics IS 'How many people got through one step of a funnel in a period.';
COMMENT ON COLUMN analytics.funnel_analytics.id IS 'The row''s key.';
COMMENT ON COLUMN analytics.funnel_analytics.funnel_name IS 'The way they go, such as `sponsorship_conversion` or `pot_creation`.';
COMMENT ON COLUMN analytics.funnel_analytics.step_number IS 'The place of the step on that way, from 1.';
COMMENT ON COLUMN analytics.funnel_analytics.step_name IS 'What people do at the step.';
COMMENT ON COLUMN analytics.funnel_analytics.period_start IS 'The first day of the period.';
COMMENT ON COLUMN analytics.funnel_analytics.period_end IS 'The last day of the period.';
COMMENT ON COLUMN analytics.funnel_analytics.users_entered IS 'How many people came to the step.';
COMMENT ON COLUMN analytics.funnel_analytics.users_completed IS 'How many of them got through it.';
COMMENT ON COLUMN analytics.funnel_analytics.completion_rate IS 'The part of them that got through, from 0 to 1; null where nobody came.';
COMMENT ON COLUMN analytics.funnel_analytics.segment_filters IS 'The segment that is counted, such as an `age_group` and a `region`; null for everyone.';
COMMENT ON COLUMN analytics.funnel_analytics.created_at IS 'When the row was written.';
ALTER TABLE analytics.funnel_analytics ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, funnel_name, step_number, step_name, period_start, period_end, users_entered, users_completed, completion_rate, segment_filters, created_at) ON analytics.funnel_analytics TO lango_anonymous;
GRANT SELECT (id, funnel_name, step_number, step_name, period_start, period_end, users_entered, users_completed, completion_rate, segment_filters, created_at) ON analytics.funnel_analytics TO lango_member;
GRANT SELECT (id, funnel_name, step_number, step_name, period_start, period_end, users_entered, users_completed, completion_rate, segment_filters, created_at) ON analytics.funnel_analytics TO lango_staff;
CREATE POLICY lango_member ON analytics.funnel_analytics FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON analytics.funnel_analytics FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON analytics.funnel_analytics TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON analytics.funnel_analytics TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.funnel_analytics TO lango_rules, lango_worker;

CREATE TABLE analytics.ab_tests (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    test_name VARCHAR(100) NOT NULL,
    description TEXT,
    variants JSONB NOT NULL,
    traffic_allocation JSONB NOT NULL,
    primary_metric VARCHAR(100) NOT NULL,
    secondary_metrics TEXT[],
    start_date DATE NOT NULL,
    end_date DATE,
    status VARCHAR(20) DEFAULT 'draft',
    results JSONB,
    winner_variant VARCHAR(50),
    confidence_level NUMERIC(5, 4),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_ab_tests PRIMARY KEY (id),
    CONSTRAINT uq_ab_tests_test_name UNIQUE (test_name),
    CONSTRAINT ck_ab_tests_status_is_known CHECK (status IN ('draft', 'running', 'paused', 'completed')),
    CONSTRAINT ck_ab_tests_times_are_finite CHECK (start_date >= '0001-01-01' AND start_date < '9999-01-01' AND end_date >= '0001-01-01' AND end_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_ab_tests_numbers_are_real CHECK (confidence_level <> 'NaN')
);

COMMENT ON TABLE analytics.ab_tests IS 'A trial of several variants on different people, to see which does best.';
COMMENT ON COLUMN analytics.ab_tests.id IS 'The row''s key.';
COMMENT ON COLUMN analytics.ab_tests.test_name IS 'What code asks for it by.';
COMMENT ON COLUMN analytics.ab_tests.description IS 'What is tried and why; null without a text.';
COMMENT ON COLUMN analytics.ab_tests.variants IS 'What each variant sets, by the variant''s name.';
COMMENT ON COLUMN analytics.ab_tests.traffic_allocation IS 'The part of the people each variant gets, from 0 to 1, by the variant''s name; together 1.';
COMMENT ON COLUMN analytics.ab_tests.primary_metric IS 'The figure that decides it.';
COMMENT ON COLUMN analytics.ab_tests.secondary_metrics IS 'Figures that are watched besides; null without any.';
COMMENT ON COLUMN analytics.ab_tests.start_date IS 'The first day it may run.';
COMMENT ON COLUMN analytics.ab_tests.end_date IS 'The last day it runs; null while that is open.';
COMMENT ON COLUMN analytics.ab_tests.status IS 'Where it stands.';
COMMENT ON COLUMN analytics.ab_tests.results IS 'The statistics: each variant''s figures, and the z-test between them; null before any.';
COMMENT ON COLUMN analytics.ab_tests.winner_variant IS 'The variant that did best; null while undecided.';
COMMENT ON COLUMN analytics.ab_tests.confidence_level IS 'How sure that is, from 0 to 1: 0.9500 is 95 percent; null while undecided.';
COMMENT ON COLUMN analytics.ab_tests.created_at IS 'When the row was written.';
COMMENT ON COLUMN analytics.ab_tests.updated_at IS 'When the row was last changed.';
ALTER TABLE analytics.ab_tests ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, test_name, description, variants, traffic_allocation, primary_metric, secondary_metrics, start_date, end_date, status, results, winner_variant, confidence_level, created_at, updated_at) ON analytics.ab_tests TO lango_anonymous;
GRANT SELECT (id, test_name, description, variants, traffic_allocation, primary_metric, secondary_metrics, start_date, end_date, status, results, winner_variant, confidence_level, created_at, updated_at) ON analytics.ab_tests TO lango_member;
GRANT SELECT (id, test_name, description, variants, traffic_allocation, primary_metric, secondary_metrics, start_date, end_date, status, results, winner_variant, confidence_level, created_at, updated_at) ON analytics.ab_tests TO lango_staff;
CREATE POLICY lango_member ON analytics.ab_tests FOR SELECT TO lango_member USING ((false));
CREATE POLICY lango_staff ON analytics.ab_tests FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON analytics.ab_tests TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON analytics.ab_tests TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.ab_tests TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON analytics.ab_tests FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON analytics.ab_tests FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'draft>running', 'paused>completed', 'paused>running', 'running>completed', 'running>paused');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON analytics.ab_tests FOR EACH ROW EXECUTE FUNCTION lango.audit('ab_test', 'id', '', '', '');

CREATE TABLE analytics.ab_test_assignments (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    test_id UUID NOT NULL,
    user_id UUID,
    anonymous_id VARCHAR(100),
    variant VARCHAR(50) NOT NULL,
    assigned_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ip_address INET,
    user_agent TEXT,
    CONSTRAINT pk_ab_test_assignments PRIMARY KEY (id),
    CONSTRAINT uq_ab_test_assignments_test_id_user_id UNIQUE (test_id, user_id),
    CONSTRAINT uq_ab_test_assignments_test_id_anonymous_id UNIQUE (test_id, anonymous_id),
    CONSTRAINT ck_ab_test_assignments_times_are_finite CHECK (assigned_at >= '0001-01-01' AND assigned_at < '9999-01-01')
);
CREATE INDEX ix_ab_test_assignments_user_id ON analytics.ab_test_assignments (user_id);

COMMENT ON TABLE analytics.ab_test_assignments IS 'The variant of a test that a person always gets.';
COMMENT ON COLUMN analytics.ab_test_assignments.id IS 'The row''s key.';
COMMENT ON COLUMN analytics.ab_test_assignments.test_id IS 'The test it is for.';
COMMENT ON COLUMN analytics.ab_test_assignments.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN analytics.ab_test_assignments.anonymous_id IS 'The visitor who has it without being signed in; null where `user_id` says who.';
COMMENT ON COLUMN analytics.ab_test_assignments.variant IS 'The variant''s name.';
COMMENT ON COLUMN analytics.ab_test_assignments.assigned_at IS 'When it was decided.';
COMMENT ON COLUMN analytics.ab_test_assignments.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN analytics.ab_test_assignments.user_agent IS 'The client program, as it names itself.';
ALTER TABLE analytics.ab_test_assignments ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, test_id, user_id, anonymous_id, variant, assigned_at, ip_address, user_agent) ON analytics.ab_test_assignments TO lango_anonymous;
GRANT SELECT (id, test_id, user_id, anonymous_id, variant, assigned_at, ip_address, user_agent) ON analytics.ab_test_assignments TO lango_member;
GRANT SELECT (id, test_id, user_id, anonymous_id, variant, assigned_at, ip_address, user_agent) ON analytics.ab_test_assignments TO lango_staff;
CREATE POLICY lango_member ON analytics.ab_test_assignments FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON analytics.ab_test_assignments FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON analytics.ab_test_assignments TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON analytics.ab_test_assignments TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.ab_test_assignments TO lango_rules, lango_worker;

ALTER TABLE analytics.analytics_events ADD CONSTRAINT fk_analytics_events_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE analytics.ab_test_assignments ADD CONSTRAINT fk_ab_test_assignments_test_id FOREIGN KEY(test_id) REFERENCES analytics.ab_tests (id);

ALTER TABLE analytics.ab_test_assignments ADD CONSTRAINT fk_ab_test_assignments_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

CREATE VIEW analytics.running_tests WITH (security_barrier) AS
SELECT t.id, t.test_name, t.variants
FROM analytics.ab_tests t
WHERE t.status = 'running';

COMMENT ON VIEW analytics.running_tests IS 'What anyone may see of an A/B test while it runs.';
COMMENT ON COLUMN analytics.running_tests.id IS 'The row''s key.';
COMMENT ON COLUMN analytics.running_tests.test_name IS 'The test''s name, as code asks for it.';
COMMENT ON COLUMN analytics.running_tests.variants IS 'What each variant sets, by the variant''s name.';
GRANT SELECT (id, test_name, variants) ON analytics.running_tests TO lango_anonymous, lango_member, lango_staff;
