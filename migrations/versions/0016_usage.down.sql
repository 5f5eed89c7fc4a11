-- Developers: plans, tokens and API usage.

DROP TABLE usage.subscription_limits, usage.user_subscriptions, usage.user_tokens, usage.api_usage, usage.user_referrals;

DROP SCHEMA usage;
