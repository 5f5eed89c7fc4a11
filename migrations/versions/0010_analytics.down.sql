-- Events, metrics, funnels and A/B tests.

DROP VIEW analytics.running_tests;

DROP TABLE analytics.analytics_events, analytics.business_metrics, analytics.funnel_analytics, analytics.ab_tests, analytics.ab_test_assignments;

DROP SCHEMA analytics;
