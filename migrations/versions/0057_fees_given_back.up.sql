ALTER TABLE treasury.transaction_fees DROP CONSTRAINT ck_transaction_fees_times_are_finite;

ALTER TABLE treasury.transaction_fees ADD COLUMN reversed_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE treasury.transaction_fees ADD CONSTRAINT ck_transaction_fees_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND reversed_at >= '0001-01-01' AND reversed_at < '9999-01-01');

CREATE INDEX ix_transaction_fees_created_at ON treasury.transaction_fees (created_at);

COMMENT ON COLUMN treasury.transaction_fees.reversed_at IS 'When it was given back, as what it was charged on was undone; null while it is kept.';

GRANT SELECT (reversed_at) ON treasury.transaction_fees TO lango_anonymous;

GRANT SELECT (reversed_at) ON treasury.transaction_fees TO lango_member;

GRANT SELECT (reversed_at) ON treasury.transaction_fees TO lango_staff;
