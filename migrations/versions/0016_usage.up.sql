-- Developers: plans, tokens and API usage.

CREATE SCHEMA usage;

COMMENT ON SCHEMA usage IS 'What developers may call and have called: plans, subscriptions, tokens of other services and referrals.';
GRANT USAGE ON SCHEMA usage TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE usage.subscription_limits (
    plan VARCHAR(50) NOT NULL,
    monthly_api_calls INTEGER NOT NULL,
    requests_per_minute INTEGER NOT NULL,
    features JSONB DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_subscription_limits PRIMARY KEY (plan),
    CONSTRAINT ck_subscription_limits_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE usage.subscription_limits IS 'A plan, and what it allows.';
COMMENT ON COLUMN usage.subscription_limits.plan IS 'The plan''s name, as in `free`.';
COMMENT ON COLUMN usage.subscription_limits.monthly_api_calls IS 'API calls in a month, without bonus credits; -1 for no limit.';
COMMENT ON COLUMN usage.subscription_limits.requests_per_minute IS 'Requests in any one minute.';
COMMENT ON COLUMN usage.subscription_limits.features IS 'What else the plan holds, by name; empty where nothing.';
COMMENT ON COLUMN usage.subscription_limits.is_active IS 'Whether the plan can be chosen.';
COMMENT ON COLUMN usage.subscription_limits.created_at IS 'When the row was written.';
COMMENT ON COLUMN usage.subscription_limits.updated_at IS 'When the row was last changed.';
ALTER TABLE usage.subscription_limits ENABLE ROW LEVEL SECURITY;
GRANT SELECT (plan, monthly_api_calls, requests_per_minute, features, is_active, created_at, updated_at) ON usage.subscription_limits TO lango_anonymous;
GRANT SELECT (plan, monthly_api_calls, requests_per_minute, features, is_active, created_at, updated_at) ON usage.subscription_limits TO lango_member;
GRANT SELECT (plan, monthly_api_calls, requests_per_minute, features, is_active, created_at, updated_at) ON usage.subscription_limits TO lango_staff;
CREATE POLICY lango_anonymous ON usage.subscription_limits FOR SELECT TO lango_anonymous USING (((true)));
CREATE POLICY lango_member ON usage.subscription_limits FOR SELECT TO lango_member USING (((true)));
CREATE POLICY lango_staff ON usage.subscription_limits FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON usage.subscription_limits TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON usage.subscription_limits TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON usage.subscription_limits TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON usage.subscription_limits FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON usage.subscription_limits FOR EACH ROW EXECUTE FUNCTION lango.audit('subscription_limit', 'plan', '', '', '');

CREATE TABLE usage.user_subscriptions (
    user_id UUID NOT NULL,
    plan VARCHAR(50) DEFAULT 'free' NOT NULL,
    referral_code VARCHAR(20) NOT NULL,
    total_referrals INTEGER DEFAULT 0 NOT NULL,
    bonus_credits INTEGER DEFAULT 0 NOT NULL,
    calls_this_month INTEGER DEFAULT 0 NOT NULL,
    usage_resets_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_user_subscriptions PRIMARY KEY (user_id),
    CONSTRAINT ck_user_subscriptions_credits_are_not_negative CHECK (bonus_credits >= 0),
    CONSTRAINT ck_user_subscriptions_referrals_are_not_negative CHECK (total_referrals >= 0),
    CONSTRAINT uq_user_subscriptions_referral_code UNIQUE (referral_code),
    CONSTRAINT ck_user_subscriptions_times_are_finite CHECK (usage_resets_at >= '0001-01-01' AND usage_resets_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_user_subscriptions_plan ON usage.user_subscriptions (plan);

COMMENT ON TABLE usage.user_subscriptions IS 'A developer''s plan, what was used of it this month, and the credits on top.';
COMMENT ON COLUMN usage.user_subscriptions.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN usage.user_subscriptions.plan IS 'The plan that sets the limits.';
COMMENT ON COLUMN usage.user_subscriptions.referral_code IS 'What other developers give to say who referred them.';
COMMENT ON COLUMN usage.user_subscriptions.total_referrals IS 'How many developers came by the code.';
COMMENT ON COLUMN usage.user_subscriptions.bonus_credits IS 'API calls beyond the plan''s, earned by referrals or given by staff.';
COMMENT ON COLUMN usage.user_subscriptions.calls_this_month IS 'API calls counted against the plan since the last reset.';
COMMENT ON COLUMN usage.user_subscriptions.usage_resets_at IS 'When `calls_this_month` begins at 0 again.';
COMMENT ON COLUMN usage.user_subscriptions.created_at IS 'When the row was written.';
COMMENT ON COLUMN usage.user_subscriptions.updated_at IS 'When the row was last changed.';
ALTER TABLE usage.user_subscriptions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (user_id, plan, referral_code, total_referrals, bonus_credits, calls_this_month, usage_resets_at, created_at, updated_at) ON usage.user_subscriptions TO lango_anonymous;
GRANT SELECT (user_id, plan, referral_code, total_referrals, bonus_credits, calls_this_month, usage_resets_at, created_at, updated_at) ON usage.user_subscriptions TO lango_member;
GRANT SELECT (user_id, plan, referral_code, total_referrals, bonus_credits, calls_this_month, usage_resets_at, created_at, updated_at) ON usage.user_subscriptions TO lango_staff;
CREATE POLICY lango_member ON usage.user_subscriptions FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON usage.user_subscriptions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON usage.user_subscriptions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON usage.user_subscriptions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON usage.user_subscriptions TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON usage.user_subscriptions FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON usage.user_subscriptions FOR EACH ROW EXECUTE FUNCTION lango.audit('user_subscription', 'user_id', '', '', '');

CREATE TABLE usage.user_tokens (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    provider VARCHAR(50) NOT NULL,
    token_encrypted TEXT NOT NULL,
    last_four VARCHAR(4),
    is_valid BOOLEAN DEFAULT true NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_user_tokens PRIMARY KEY (id),
    CONSTRAINT uq_user_tokens_user_id_provider UNIQUE (user_id, provider),
    CONSTRAINT ck_user_tokens_provider_is_known CHECK (provider IN ('github', 'openai', 'anthropic', 'gemini')),
    CONSTRAINT ck_user_tokens_times_are_finite CHECK (last_used_at >= '0001-01-01' AND last_used_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);

COMMENT ON TABLE usage.user_tokens IS 'A developer''s token for another service; one for each service.';
COMMENT ON COLUMN usage.user_tokens.id IS 'The row''s key.';
COMMENT ON COLUMN usage.user_tokens.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN usage.user_tokens.provider IS 'The service it opens.';
COMMENT ON COLUMN usage.user_tokens.token_encrypted IS 'The token, encrypted; nobody is shown it.';
COMMENT ON COLUMN usage.user_tokens.last_four IS 'The token''s last four characters, to tell it by; null where they are not kept.';
COMMENT ON COLUMN usage.user_tokens.is_valid IS 'Whether the service still takes it, as far as is known.';
COMMENT ON COLUMN usage.user_tokens.last_used_at IS 'When it was last used; null before the first time.';
COMMENT ON COLUMN usage.user_tokens.created_at IS 'When the row was written.';
COMMENT ON COLUMN usage.user_tokens.updated_at IS 'When the row was last changed.';
ALTER TABLE usage.user_tokens ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, provider, last_four, is_valid, last_used_at, created_at, updated_at) ON usage.user_tokens TO lango_anonymous;
GRANT SELECT (id, user_id, provider, last_four, is_valid, last_used_at, created_at, updated_at) ON usage.user_tokens TO lango_member;
GRANT SELECT (id, user_id, provider, last_four, is_valid, last_used_at, created_at, updated_at) ON usage.user_tokens TO lango_staff;
CREATE POLICY lango_member ON usage.user_tokens FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON usage.user_tokens FOR SELECT TO lango_staff USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_rules ON usage.user_tokens TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON usage.user_tokens TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON usage.user_tokens TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON usage.user_tokens FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON usage.user_tokens FOR EACH ROW EXECUTE FUNCTION lango.audit('user_token', 'id', 'token_encrypted', '', '');

CREATE TABLE usage.api_usage (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    operation VARCHAR(255) NOT NULL,
    provider VARCHAR(50),
    status_code INTEGER,
    response_time_ms INTEGER,
    request_bytes INTEGER,
    response_bytes INTEGER,
    cost INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_api_usage PRIMARY KEY (id, created_at),
    CONSTRAINT ck_api_usage_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
)
 PARTITION BY RANGE (created_at);

CREATE TABLE usage.api_usage_default PARTITION OF usage.api_usage DEFAULT;
ALTER TABLE usage.api_usage_default ENABLE ROW LEVEL SECURITY;
CREATE INDEX ix_api_usage_user_id_created_at ON usage.api_usage (user_id, created_at);

COMMENT ON TABLE usage.api_usage IS 'A request made with an API key, and what it took.';
COMMENT ON COLUMN usage.api_usage.id IS 'The row''s key.';
COMMENT ON COLUMN usage.api_usage.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN usage.api_usage.operation IS 'The name of the GraphQL operation, or the endpoint.';
COMMENT ON COLUMN usage.api_usage.provider IS 'The outside service that was called for it; null without one.';
COMMENT ON COLUMN usage.api_usage.status_code IS 'HTTP status of the answer; null where there was none.';
COMMENT ON COLUMN usage.api_usage.response_time_ms IS 'How long the answer took, in milliseconds; null where there was none.';
COMMENT ON COLUMN usage.api_usage.request_bytes IS 'The request''s length in bytes; null where it is not known.';
COMMENT ON COLUMN usage.api_usage.response_bytes IS 'The answer''s length in bytes; null where it is not known.';
COMMENT ON COLUMN usage.api_usage.cost IS 'How many API calls it counts as.';
COMMENT ON COLUMN usage.api_usage.created_at IS 'When the row was written.';
ALTER TABLE usage.api_usage ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, operation, provider, status_code, response_time_ms, request_bytes, response_bytes, cost, created_at) ON usage.api_usage TO lango_anonymous;
GRANT SELECT (id, user_id, operation, provider, status_code, response_time_ms, request_bytes, response_bytes, cost, created_at) ON usage.api_usage TO lango_member;
GRANT SELECT (id, user_id, operation, provider, status_code, response_time_ms, request_bytes, response_bytes, cost, created_at) ON usage.api_usage TO lango_staff;
CREATE POLICY lango_member ON usage.api_usage FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON usage.api_usage FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON usage.api_usage TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON usage.api_usage TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON usage.api_usage TO lango_rules, lango_worker;

CREATE TABLE usage.user_referrals (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    referrer_user_id UUID NOT NULL,
    referred_user_id UUID NOT NULL,
    referral_code VARCHAR(20) NOT NULL,
    status VARCHAR(20) DEFAULT 'pending' NOT NULL,
    bonus_credits_awarded INTEGER DEFAULT 0 NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_user_referrals PRIMARY KEY (id),
    CONSTRAINT ck_user_referrals_nobody_refers_themselves CHECK (referrer_user_id <> referred_user_id),
    CONSTRAINT uq_user_referrals_referred_user_id UNIQUE (referred_user_id),
    CONSTRAINT ck_user_referrals_status_is_known CHECK (status IN ('pending', 'completed')),
    CONSTRAINT ck_user_referrals_times_are_finite CHECK (completed_at >= '0001-01-01' AND completed_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_user_referrals_referrer_user_id ON usage.user_referrals (referrer_user_id);

COMMENT ON TABLE usage.user_referrals IS 'A developer who came by another''s code, and the credits both get for it.';
COMMENT ON COLUMN usage.user_referrals.id IS 'The row''s key.';
COMMENT ON COLUMN usage.user_referrals.referrer_user_id IS 'Whose code it was.';
COMMENT ON COLUMN usage.user_referrals.referred_user_id IS 'Who came by it; nobody twice.';
COMMENT ON COLUMN usage.user_referrals.referral_code IS 'The code that was given.';
COMMENT ON COLUMN usage.user_referrals.status IS 'Where it stands.';
COMMENT ON COLUMN usage.user_referrals.bonus_credits_awarded IS 'API calls that each of the two got; 0 until it is completed.';
COMMENT ON COLUMN usage.user_referrals.completed_at IS 'When both got their credits; null before.';
COMMENT ON COLUMN usage.user_referrals.created_at IS 'When the row was written.';
ALTER TABLE usage.user_referrals ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, referrer_user_id, referred_user_id, referral_code, status, bonus_credits_awarded, completed_at, created_at) ON usage.user_referrals TO lango_anonymous;
GRANT SELECT (id, referrer_user_id, referred_user_id, referral_code, status, bonus_credits_awarded, completed_at, created_at) ON usage.user_referrals TO lango_member;
GRANT SELECT (id, referrer_user_id, referred_user_id, referral_code, status, bonus_credits_awarded, completed_at, created_at) ON usage.user_referrals TO lango_staff;
CREATE POLICY lango_member ON usage.user_referrals FOR SELECT TO lango_member USING (((referrer_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR referred_user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON usage.user_referrals FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON usage.user_referrals TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON usage.user_referrals TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON usage.user_referrals TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON usage.user_referrals FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>completed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON usage.user_referrals FOR EACH ROW EXECUTE FUNCTION lango.audit('user_referral', 'id', '', '', '');

ALTER TABLE usage.user_subscriptions ADD CONSTRAINT fk_user_subscriptions_plan FOREIGN KEY(plan) REFERENCES usage.subscription_limits (plan);

ALTER TABLE usage.user_subscriptions ADD CONSTRAINT fk_user_subscriptions_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

ALTER TABLE usage.user_tokens ADD CONSTRAINT fk_user_tokens_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id) ON DELETE CASCADE;

ALTER TABLE usage.api_usage ADD CONSTRAINT fk_api_usage_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE usage.user_referrals ADD CONSTRAINT fk_user_referrals_referred_user_id FOREIGN KEY(referred_user_id) REFERENCES identity.users (id);

ALTER TABLE usage.user_referrals ADD CONSTRAINT fk_user_referrals_referrer_user_id FOREIGN KEY(referrer_user_id) REFERENCES identity.users (id);
