DROP INDEX treasury.ix_transaction_fees_created_at;

ALTER TABLE treasury.transaction_fees DROP CONSTRAINT ck_transaction_fees_times_are_finite;

ALTER TABLE treasury.transaction_fees ADD CONSTRAINT ck_transaction_fees_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01');

ALTER TABLE treasury.transaction_fees DROP COLUMN reversed_at;
