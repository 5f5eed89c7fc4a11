DROP INDEX ledger.uq_ledger_transactions_crypto_deposit;

DROP INDEX trading.ix_crypto_escrows_due;

DROP INDEX trading.ix_crypto_trades_due;

DROP INDEX trading.uq_crypto_payment_methods_primary;

DROP INDEX trading.uq_crypto_wallets_primary;

ALTER TABLE trading.crypto_profiles DROP CONSTRAINT ck_crypto_profiles_times_are_finite;

ALTER TABLE trading.crypto_profiles ADD CONSTRAINT ck_crypto_profiles_times_are_finite CHECK (kyc_verified_at >= '0001-01-01' AND kyc_verified_at < '9999-01-01' AND banned_until >= '0001-01-01' AND banned_until < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01');

ALTER TABLE trading.crypto_profiles DROP COLUMN volume_day;
