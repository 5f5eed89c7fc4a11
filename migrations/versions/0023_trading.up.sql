ALTER TABLE trading.crypto_profiles ADD COLUMN volume_day DATE;

COMMENT ON COLUMN trading.crypto_profiles.volume_day IS 'The day, in the user''s time zone, of `current_daily_volume`, and in whose month `current_monthly_volume` is; null before the first trade.';

GRANT SELECT (volume_day) ON trading.crypto_profiles TO lango_anonymous, lango_member, lango_staff;

ALTER TABLE trading.crypto_profiles DROP CONSTRAINT ck_crypto_profiles_times_are_finite;

ALTER TABLE trading.crypto_profiles ADD CONSTRAINT ck_crypto_profiles_times_are_finite CHECK (kyc_verified_at >= '0001-01-01' AND kyc_verified_at < '9999-01-01' AND banned_until >= '0001-01-01' AND banned_until < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND volume_day >= '0001-01-01' AND volume_day < '9999-01-01');

-- Of several primary ones the latest is left.
UPDATE trading.crypto_wallets w SET is_primary = false
WHERE is_primary AND deleted_at IS NULL AND EXISTS (
    SELECT FROM trading.crypto_wallets l
    WHERE l.user_id = w.user_id AND l.is_primary AND l.deleted_at IS NULL AND (l.created_at, l.id) > (w.created_at, w.id));

UPDATE trading.crypto_payment_methods m SET is_primary = false
WHERE is_primary AND deleted_at IS NULL AND EXISTS (
    SELECT FROM trading.crypto_payment_methods l
    WHERE l.user_id = m.user_id AND l.is_primary AND l.deleted_at IS NULL AND (l.created_at, l.id) > (m.created_at, m.id));

CREATE UNIQUE INDEX uq_crypto_wallets_primary ON trading.crypto_wallets (user_id) WHERE is_primary AND deleted_at IS NULL;

CREATE UNIQUE INDEX uq_crypto_payment_methods_primary ON trading.crypto_payment_methods (user_id) WHERE is_primary AND deleted_at IS NULL;

CREATE INDEX ix_crypto_trades_due ON trading.crypto_trades (expires_at) WHERE status = 'open';

CREATE INDEX ix_crypto_escrows_due ON trading.crypto_escrows (expires_at) WHERE status IN ('pending','funded');

CREATE UNIQUE INDEX uq_ledger_transactions_crypto_deposit ON ledger.ledger_transactions (reference_id) WHERE kind = 'crypto_deposit';
