ALTER TABLE trading.crypto_escrows ADD COLUMN cancelled_at TIMESTAMP WITH TIME ZONE, ADD COLUMN cancelled_by UUID;

ALTER TABLE trading.crypto_wallets ADD COLUMN payable_from TIMESTAMP WITH TIME ZONE;

COMMENT ON COLUMN trading.crypto_escrows.cancelled_at IS 'When the trade was called off, or its taker backed out, before it was funded; null unless so.';

COMMENT ON COLUMN trading.crypto_escrows.cancelled_by IS 'Who did: the one who placed the trade, or the one who took it; null unless so.';

COMMENT ON COLUMN trading.crypto_profiles.banned_until IS 'Until when the user may neither trade nor withdraw; null where no ban was set.';

COMMENT ON COLUMN trading.crypto_wallets.withdrawal_limit_daily IS 'The most that its user may withdraw in a day of this coin, in `currency`, through all their wallets together; null where it adds no limit.';

COMMENT ON COLUMN trading.crypto_wallets.withdrawal_limit_monthly IS 'The most that its user may withdraw in a month of this coin, in `currency`, through all their wallets together; null where it adds no limit.';

COMMENT ON COLUMN trading.crypto_wallets.payable_from IS 'From when coins can be sent to it: some hours after it was connected, the last time where it was several; null for at once.';

GRANT SELECT (cancelled_at, cancelled_by) ON trading.crypto_escrows TO lango_anonymous, lango_member, lango_staff;

GRANT SELECT (payable_from) ON trading.crypto_wallets TO lango_anonymous, lango_member, lango_staff;

ALTER TABLE trading.crypto_escrows DROP CONSTRAINT ck_crypto_escrows_times_are_finite;

ALTER TABLE trading.crypto_escrows ADD CONSTRAINT ck_crypto_escrows_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND funded_at >= '0001-01-01' AND funded_at < '9999-01-01' AND released_at >= '0001-01-01' AND released_at < '9999-01-01' AND refunded_at >= '0001-01-01' AND refunded_at < '9999-01-01' AND disputed_at >= '0001-01-01' AND disputed_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND cancelled_at >= '0001-01-01' AND cancelled_at < '9999-01-01');

ALTER TABLE trading.crypto_wallets DROP CONSTRAINT ck_crypto_wallets_times_are_finite;

ALTER TABLE trading.crypto_wallets ADD CONSTRAINT ck_crypto_wallets_times_are_finite CHECK (last_synced_at >= '0001-01-01' AND last_synced_at < '9999-01-01' AND last_backup >= '0001-01-01' AND last_backup < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01' AND payable_from >= '0001-01-01' AND payable_from < '9999-01-01');

CREATE INDEX ix_crypto_escrows_cancelled_by ON trading.crypto_escrows (cancelled_by);

ALTER TABLE trading.crypto_escrows ADD CONSTRAINT fk_crypto_escrows_cancelled_by FOREIGN KEY(cancelled_by) REFERENCES identity.users (id);
