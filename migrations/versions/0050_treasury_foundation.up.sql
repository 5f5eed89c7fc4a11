ALTER TABLE treasury.transaction_fees ADD CONSTRAINT ck_transaction_fees_fee_is_positive CHECK (fee_amount > 0);

ALTER TABLE treasury.transaction_fees ADD CONSTRAINT ck_transaction_fees_split_adds_up CHECK (fee_amount = platform_revenue + dao_revenue + protocol_revenue);

CREATE INDEX ix_transaction_fees_transaction_id ON treasury.transaction_fees (transaction_id);

ALTER TABLE ledger.ledger_transactions ADD COLUMN position BIGINT GENERATED ALWAYS AS IDENTITY;

ALTER TABLE ledger.ledger_transactions ADD CONSTRAINT uq_ledger_transactions_position UNIQUE (position);

COMMENT ON COLUMN ledger.ledger_transactions.position IS 'Its place in the ledger: of two movements on an account whose balance is kept, the later has the higher.';

GRANT SELECT (position) ON ledger.ledger_transactions TO lango_anonymous;

GRANT SELECT (position) ON ledger.ledger_transactions TO lango_member;

GRANT SELECT (position) ON ledger.ledger_transactions TO lango_staff;
