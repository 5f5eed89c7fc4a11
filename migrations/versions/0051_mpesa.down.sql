DROP TRIGGER guard_transition ON treasury.mpesa_transactions;

DROP INDEX treasury.uq_mpesa_transactions_open_push;

-- The release before knows no payment that nobody paid in its time.
UPDATE treasury.mpesa_transactions SET status = 'failed' WHERE status = 'expired';

ALTER TABLE treasury.mpesa_transactions DROP CONSTRAINT ck_mpesa_transactions_status_is_known;

ALTER TABLE treasury.mpesa_transactions DROP CONSTRAINT ck_mpesa_transactions_times_are_finite;

ALTER TABLE treasury.mpesa_transactions DROP CONSTRAINT ck_mpesa_transactions_numbers_are_real;

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_status_is_known CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'reversed', 'cancelled', 'held'));

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_times_are_finite CHECK (transaction_date >= '0001-01-01' AND transaction_date < '9999-01-01' AND callback_at >= '0001-01-01' AND callback_at < '9999-01-01' AND last_retry_at >= '0001-01-01' AND last_retry_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01');

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_numbers_are_real CHECK (amount <> 'NaN' AND balance <> 'NaN');

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.mpesa_transactions FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'cancelled>completed', 'cancelled>held', 'completed>reversed', 'failed>completed', 'failed>held', 'held>completed', 'held>failed', 'held>reversed', 'pending>cancelled', 'pending>completed', 'pending>failed', 'pending>held', 'pending>processing', 'processing>cancelled', 'processing>completed', 'processing>failed', 'processing>held');

DROP TABLE treasury.mpesa_messages;

DROP TABLE treasury.mpesa_receipts;

DROP TABLE treasury.mpesa_accounts;

ALTER TABLE treasury.mpesa_transactions DROP COLUMN paid_amount, DROP COLUMN fee, DROP COLUMN expires_at, DROP COLUMN next_query_at, DROP COLUMN queries, DROP COLUMN reverses_id, DROP COLUMN purpose, DROP COLUMN decided_by, DROP COLUMN decided_at;
