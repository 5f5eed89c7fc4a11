ALTER TABLE trading.crypto_escrows DROP CONSTRAINT ck_crypto_escrows_times_are_finite;

ALTER TABLE trading.crypto_escrows ADD CONSTRAINT ck_crypto_escrows_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND funded_at >= '0001-01-01' AND funded_at < '9999-01-01' AND released_at >= '0001-01-01' AND released_at < '9999-01-01' AND refunded_at >= '0001-01-01' AND refunded_at < '9999-01-01' AND disputed_at >= '0001-01-01' AND disputed_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01');

ALTER TABLE trading.crypto_wallets DROP CONSTRAINT ck_crypto_wallets_times_are_finite;

ALTER TABLE trading.crypto_wallets ADD CONSTRAINT ck_crypto_wallets_times_are_finite CHECK (last_synced_at >= '0001-01-01' AND last_synced_at < '9999-01-01' AND last_backup >= '0001-01-01' AND last_backup < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01');

COMMENT ON COLUMN trading.crypto_profiles.banned_until IS 'Until when the user may neither place nor take a trade; null where no ban was set.';

COMMENT ON COLUMN trading.crypto_wallets.withdrawal_limit_daily IS 'The most that may be withdrawn through it in a day, in `currency`; null for no limit.';

COMMENT ON COLUMN trading.crypto_wallets.withdrawal_limit_monthly IS 'The most that may be withdrawn through it in a month, in `currency`; null for no limit.';

ALTER TABLE trading.crypto_wallets DROP COLUMN payable_from;

ALTER TABLE trading.crypto_escrows DROP COLUMN cancelled_by, DROP COLUMN cancelled_at;
