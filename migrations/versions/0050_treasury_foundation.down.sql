DROP INDEX treasury.ix_transaction_fees_transaction_id;

ALTER TABLE treasury.transaction_fees DROP CONSTRAINT ck_transaction_fees_fee_is_positive;

ALTER TABLE treasury.transaction_fees DROP CONSTRAINT ck_transaction_fees_split_adds_up;

ALTER TABLE ledger.ledger_transactions DROP CONSTRAINT uq_ledger_transactions_position;

ALTER TABLE ledger.ledger_transactions DROP COLUMN position;
