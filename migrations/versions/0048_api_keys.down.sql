DROP FUNCTION lango.api_keys(uuid[], text[]);

DROP FUNCTION lango.month_after(timestamptz, integer);

DROP FUNCTION lango.open_subscription(uuid);

DROP FUNCTION lango.begin_usage_month(uuid);

DROP FUNCTION lango.charge_api_calls(uuid, integer, text, text[], text[]);

DROP FUNCTION lango.admit_api_call(text[], integer[], integer[], uuid, integer, text, text[], text[]);

DROP FUNCTION lango.refund_api_calls(uuid, integer, integer, timestamptz);

DROP INDEX usage.ix_user_subscriptions_usage_resets_at;

DROP INDEX usage.ix_api_usage_api_key_id;

ALTER TABLE usage.api_usage DROP CONSTRAINT fk_api_usage_api_key_id;

COMMENT ON COLUMN security.api_keys.key_prefix IS 'The first 8 characters of the key, to tell it from others.';

COMMENT ON COLUMN security.api_keys.permissions IS 'What it may be used for, a list of names.';

COMMENT ON COLUMN security.api_keys.rate_limit IS 'How many requests it may make in an hour.';

COMMENT ON COLUMN security.api_keys.last_used_at IS 'When it was last used; null before the first time.';

DROP TRIGGER audit ON security.api_keys;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON security.api_keys FOR EACH ROW EXECUTE FUNCTION lango.audit('api_key', 'id', 'key_hash', 'ip_whitelist,last_used_ip', '');

ALTER TABLE usage.user_subscriptions DROP CONSTRAINT ck_user_subscriptions_bonus_calls_are_not_negative;

ALTER TABLE usage.user_subscriptions DROP CONSTRAINT ck_user_subscriptions_resets_on_a_day;

ALTER TABLE usage.user_subscriptions DROP CONSTRAINT ck_user_subscriptions_times_are_finite;

ALTER TABLE usage.user_subscriptions ADD CONSTRAINT ck_user_subscriptions_times_are_finite CHECK (usage_resets_at >= '0001-01-01' AND usage_resets_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01');

COMMENT ON COLUMN usage.user_subscriptions.bonus_credits IS 'API calls beyond the plan''s, earned by referrals or given by staff.';

DROP TRIGGER audit ON usage.user_subscriptions;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON usage.user_subscriptions FOR EACH ROW EXECUTE FUNCTION lango.audit('user_subscription', 'user_id', '', '', '');

ALTER TABLE usage.user_subscriptions DROP COLUMN resets_on_day, DROP COLUMN usage_began_at, DROP COLUMN bonus_calls_this_month, DROP COLUMN bonus_credits_granted;

ALTER TABLE usage.api_usage DROP COLUMN api_key_id;
