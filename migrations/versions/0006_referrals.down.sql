-- Referrals, points and what they are converted to.

DROP TABLE referrals.referrals, referrals.points_ledger, referrals.points_conversions, referrals.sponsor_daily_limits, referrals.sponsor_contact_batches;

DROP SCHEMA referrals;
