-- Donations, refunds, and what others see of them.

DROP VIEW donations.contributions;

DROP TABLE donations.donations, donations.wave_webhook_events, donations.refunds, donations.donation_analytics;

DROP SCHEMA donations;
