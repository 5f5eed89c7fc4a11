ALTER TABLE treasury.mpesa_transactions DROP CONSTRAINT ck_mpesa_transactions_status_is_known;

ALTER TABLE treasury.mpesa_transactions DROP CONSTRAINT ck_mpesa_transactions_times_are_finite;

ALTER TABLE treasury.mpesa_transactions DROP CONSTRAINT ck_mpesa_transactions_numbers_are_real;

ALTER TABLE treasury.mpesa_transactions ADD COLUMN paid_amount NUMERIC(12, 2), ADD COLUMN fee NUMERIC(10, 2) DEFAULT 0 NOT NULL, ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE, ADD COLUMN next_query_at TIMESTAMP WITH TIME ZONE, ADD COLUMN queries INTEGER DEFAULT 0 NOT NULL, ADD COLUMN reverses_id UUID, ADD COLUMN purpose TEXT, ADD COLUMN decided_by UUID, ADD COLUMN decided_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_fee_is_not_negative CHECK (fee >= 0);

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_status_is_known CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'reversed', 'cancelled', 'held', 'expired'));

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_purpose_is_known CHECK (purpose IN ('deposit', 'contribution', 'withdrawal', 'referral_payout'));

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_times_are_finite CHECK (transaction_date >= '0001-01-01' AND transaction_date < '9999-01-01' AND callback_at >= '0001-01-01' AND callback_at < '9999-01-01' AND last_retry_at >= '0001-01-01' AND last_retry_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND next_query_at >= '0001-01-01' AND next_query_at < '9999-01-01' AND decided_at >= '0001-01-01' AND decided_at < '9999-01-01');

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT ck_mpesa_transactions_numbers_are_real CHECK (amount <> 'NaN' AND balance <> 'NaN' AND paid_amount <> 'NaN' AND fee <> 'NaN');

CREATE INDEX ix_mpesa_transactions_decided_by ON treasury.mpesa_transactions (decided_by);

CREATE INDEX ix_mpesa_transactions_next_query_at ON treasury.mpesa_transactions (next_query_at) WHERE next_query_at IS NOT NULL AND status IN ('pending', 'processing');

CREATE INDEX ix_mpesa_transactions_reverses_id ON treasury.mpesa_transactions (reverses_id);

CREATE UNIQUE INDEX uq_mpesa_transactions_account_reference ON treasury.mpesa_transactions (account_reference) WHERE transaction_type = 'stk_push' AND purpose IS NOT NULL;

CREATE UNIQUE INDEX uq_mpesa_transactions_open_push ON treasury.mpesa_transactions (user_id, phone_number) WHERE transaction_type = 'stk_push' AND status IN ('pending', 'processing');

CREATE UNIQUE INDEX uq_mpesa_transactions_reversal ON treasury.mpesa_transactions (reverses_id) WHERE reverses_id IS NOT NULL AND status IS DISTINCT FROM 'failed';

COMMENT ON COLUMN treasury.mpesa_transactions.paid_amount IS 'How much was paid, in Kenyan shillings, which may be another amount than was asked for; null before.';

COMMENT ON COLUMN treasury.mpesa_transactions.fee IS 'The platform''s fee in Kenyan shillings, as it was when the payment began: taken out of a deposit, on top of a withdrawal.';

COMMENT ON COLUMN treasury.mpesa_transactions.expires_at IS 'Until when the outcome of a push is waited for; null for others.';

COMMENT ON COLUMN treasury.mpesa_transactions.next_query_at IS 'When M-Pesa is next queried about it; null where nothing is waited for.';

COMMENT ON COLUMN treasury.mpesa_transactions.queries IS 'How often M-Pesa was queried about it.';

COMMENT ON COLUMN treasury.mpesa_transactions.reverses_id IS 'The payment that a reversal gives back; null for others.';

COMMENT ON COLUMN treasury.mpesa_transactions.purpose IS 'What it is for; null for reversals and balance queries.';

COMMENT ON COLUMN treasury.mpesa_transactions.decided_by IS 'The staff member who decided what becomes of it; null where nobody had to.';

COMMENT ON COLUMN treasury.mpesa_transactions.decided_at IS 'When staff decided; null before, and where nobody had to.';

GRANT SELECT (paid_amount, fee, expires_at, next_query_at, queries, reverses_id, purpose, decided_by, decided_at) ON treasury.mpesa_transactions TO lango_anonymous;

GRANT SELECT (paid_amount, fee, expires_at, next_query_at, queries, reverses_id, purpose, decided_by, decided_at) ON treasury.mpesa_transactions TO lango_member;

GRANT SELECT (paid_amount, fee, expires_at, next_query_at, queries, reverses_id, purpose, decided_by, decided_at) ON treasury.mpesa_transactions TO lango_staff;

DROP TRIGGER guard_transition ON treasury.mpesa_transactions;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.mpesa_transactions FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'cancelled>completed', 'cancelled>held', 'completed>reversed', 'expired>completed', 'expired>held', 'failed>completed', 'failed>held', 'held>completed', 'held>failed', 'held>reversed', 'pending>cancelled', 'pending>completed', 'pending>expired', 'pending>failed', 'pending>held', 'pending>processing', 'processing>cancelled', 'processing>completed', 'processing>expired', 'processing>failed', 'processing>held');

CREATE TABLE treasury.mpesa_messages (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    kind TEXT NOT NULL, 
    message_key VARCHAR(64) NOT NULL, 
    raw_payload JSONB NOT NULL, 
    addressed_id UUID, 
    receipt_number VARCHAR(40), 
    mpesa_transaction_id UUID, 
    address INET, 
    processed_at TIMESTAMP WITH TIME ZONE, 
    processing_error TEXT, 
    retry_count INTEGER DEFAULT 0 NOT NULL, 
    next_query_at TIMESTAMP WITH TIME ZONE, 
    queries INTEGER DEFAULT 0 NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_mpesa_messages PRIMARY KEY (id), 
    CONSTRAINT uq_mpesa_messages_message_key UNIQUE (message_key), 
    CONSTRAINT ck_mpesa_messages_kind_is_known CHECK (kind IN ('push', 'confirmation', 'b2c', 'b2c_timeout', 'reversal', 'reversal_timeout', 'status', 'status_timeout', 'staff')), 
    CONSTRAINT ck_mpesa_messages_times_are_finite CHECK (processed_at >= '0001-01-01' AND processed_at < '9999-01-01' AND next_query_at >= '0001-01-01' AND next_query_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);

CREATE INDEX ix_mpesa_messages_mpesa_transaction_id ON treasury.mpesa_messages (mpesa_transaction_id);

CREATE INDEX ix_mpesa_messages_next_query_at ON treasury.mpesa_messages (next_query_at) WHERE next_query_at IS NOT NULL AND processed_at IS NULL;

CREATE INDEX ix_mpesa_messages_receipt_number ON treasury.mpesa_messages (receipt_number) WHERE receipt_number IS NOT NULL;

CREATE INDEX ix_mpesa_messages_unprocessed ON treasury.mpesa_messages (created_at) WHERE processed_at IS NULL;

COMMENT ON TABLE treasury.mpesa_messages IS 'What M-Pesa posted, or staff know of a payment, kept as it came.';

COMMENT ON COLUMN treasury.mpesa_messages.id IS 'The row''s key.';

COMMENT ON COLUMN treasury.mpesa_messages.kind IS 'What it reports on.';

COMMENT ON COLUMN treasury.mpesa_messages.message_key IS 'SHA-256 of kind, address and body, by which a redelivery is seen as one.';

COMMENT ON COLUMN treasury.mpesa_messages.raw_payload IS 'What was sent, whole.';

COMMENT ON COLUMN treasury.mpesa_messages.addressed_id IS 'The payment that the address it was posted to names, whether there is one or not; null without.';

COMMENT ON COLUMN treasury.mpesa_messages.receipt_number IS 'The receipt that it reports; null where it reports none.';

COMMENT ON COLUMN treasury.mpesa_messages.mpesa_transaction_id IS 'The payment it is about; null where it is about none that is known.';

COMMENT ON COLUMN treasury.mpesa_messages.address IS 'The address it came from; null where it is not known.';

COMMENT ON COLUMN treasury.mpesa_messages.processed_at IS 'When it was acted on; null before.';

COMMENT ON COLUMN treasury.mpesa_messages.processing_error IS 'Why it could not be acted on; null where that did not happen.';

COMMENT ON COLUMN treasury.mpesa_messages.retry_count IS 'How often it was tried again.';

COMMENT ON COLUMN treasury.mpesa_messages.next_query_at IS 'When M-Pesa is next queried whether what it reports is true; null where nothing is waited for.';

COMMENT ON COLUMN treasury.mpesa_messages.queries IS 'How often M-Pesa was queried about it.';

COMMENT ON COLUMN treasury.mpesa_messages.created_at IS 'When the row was written.';

ALTER TABLE treasury.mpesa_messages ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, kind, message_key, raw_payload, addressed_id, receipt_number, mpesa_transaction_id, address, processed_at, processing_error, retry_count, next_query_at, queries, created_at) ON treasury.mpesa_messages TO lango_anonymous;

GRANT SELECT (id, kind, message_key, raw_payload, addressed_id, receipt_number, mpesa_transaction_id, address, processed_at, processing_error, retry_count, next_query_at, queries, created_at) ON treasury.mpesa_messages TO lango_member;

GRANT SELECT (id, kind, message_key, raw_payload, addressed_id, receipt_number, mpesa_transaction_id, address, processed_at, processing_error, retry_count, next_query_at, queries, created_at) ON treasury.mpesa_messages TO lango_staff;

CREATE POLICY lango_member ON treasury.mpesa_messages FOR SELECT TO lango_member USING ((false));

CREATE POLICY lango_staff ON treasury.mpesa_messages FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON treasury.mpesa_messages TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON treasury.mpesa_messages TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.mpesa_messages TO lango_rules, lango_worker;

CREATE TABLE treasury.mpesa_receipts (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    receipt_number VARCHAR(40) NOT NULL, 
    amount NUMERIC(12, 2) NOT NULL, 
    paid_at TIMESTAMP WITH TIME ZONE, 
    arrived_as TEXT NOT NULL, 
    bill_reference TEXT, 
    mpesa_transaction_id UUID, 
    status TEXT NOT NULL, 
    held_reason TEXT, 
    decided_by UUID, 
    decided_at TIMESTAMP WITH TIME ZONE, 
    decision_reason TEXT, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_mpesa_receipts PRIMARY KEY (id), 
    CONSTRAINT ck_mpesa_receipts_amount_is_positive CHECK (amount > 0), 
    CONSTRAINT ck_mpesa_receipts_what_is_credited_is_somebodys CHECK (status <> 'credited' OR mpesa_transaction_id IS NOT NULL), 
    CONSTRAINT uq_mpesa_receipts_receipt_number UNIQUE (receipt_number), 
    CONSTRAINT ck_mpesa_receipts_arrived_as_is_known CHECK (arrived_as IN ('stk', 'c2b', 'query', 'statement', 'staff')), 
    CONSTRAINT ck_mpesa_receipts_status_is_known CHECK (status IN ('credited', 'held', 'returned')), 
    CONSTRAINT ck_mpesa_receipts_times_are_finite CHECK (paid_at >= '0001-01-01' AND paid_at < '9999-01-01' AND decided_at >= '0001-01-01' AND decided_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'), 
    CONSTRAINT ck_mpesa_receipts_numbers_are_real CHECK (amount <> 'NaN')
);

CREATE INDEX ix_mpesa_receipts_decided_by ON treasury.mpesa_receipts (decided_by);

CREATE INDEX ix_mpesa_receipts_held ON treasury.mpesa_receipts (created_at) WHERE status = 'held';

CREATE INDEX ix_mpesa_receipts_mpesa_transaction_id ON treasury.mpesa_receipts (mpesa_transaction_id);

COMMENT ON TABLE treasury.mpesa_receipts IS 'Money that came by M-Pesa. Its number credits once, however often and by whatever way it is reported.';

COMMENT ON COLUMN treasury.mpesa_receipts.id IS 'The row''s key.';

COMMENT ON COLUMN treasury.mpesa_receipts.receipt_number IS 'The number both sides can look up, such as `QGN7MZ61SU`.';

COMMENT ON COLUMN treasury.mpesa_receipts.amount IS 'How much came, in Kenyan shillings, before the platform''s fee.';

COMMENT ON COLUMN treasury.mpesa_receipts.paid_at IS 'When M-Pesa says it was paid; null where it does not say.';

COMMENT ON COLUMN treasury.mpesa_receipts.arrived_as IS 'By what it came to be known first.';

COMMENT ON COLUMN treasury.mpesa_receipts.bill_reference IS 'The account that the payer typed; null where the payer typed none.';

COMMENT ON COLUMN treasury.mpesa_receipts.mpesa_transaction_id IS 'The payment it belongs to; null while it is nobody''s.';

COMMENT ON COLUMN treasury.mpesa_receipts.status IS 'Where the money is.';

COMMENT ON COLUMN treasury.mpesa_receipts.held_reason IS 'Why it was held; null where it never was.';

COMMENT ON COLUMN treasury.mpesa_receipts.decided_by IS 'The staff member who decided what becomes of it; null where nobody had to.';

COMMENT ON COLUMN treasury.mpesa_receipts.decided_at IS 'When staff decided; null before, and where nobody had to.';

COMMENT ON COLUMN treasury.mpesa_receipts.decision_reason IS 'Why staff decided so; null before, and where nobody had to.';

COMMENT ON COLUMN treasury.mpesa_receipts.created_at IS 'When the row was written.';

COMMENT ON COLUMN treasury.mpesa_receipts.updated_at IS 'When the row was last changed.';

ALTER TABLE treasury.mpesa_receipts ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, receipt_number, amount, paid_at, arrived_as, bill_reference, mpesa_transaction_id, status, held_reason, decided_by, decided_at, decision_reason, created_at, updated_at) ON treasury.mpesa_receipts TO lango_anonymous;

GRANT SELECT (id, receipt_number, amount, paid_at, arrived_as, bill_reference, mpesa_transaction_id, status, held_reason, decided_by, decided_at, decision_reason, created_at, updated_at) ON treasury.mpesa_receipts TO lango_member;

GRANT SELECT (id, receipt_number, amount, paid_at, arrived_as, bill_reference, mpesa_transaction_id, status, held_reason, decided_by, decided_at, decision_reason, created_at, updated_at) ON treasury.mpesa_receipts TO lango_staff;

CREATE POLICY lango_member ON treasury.mpesa_receipts FOR SELECT TO lango_member USING ((false));

CREATE POLICY lango_staff ON treasury.mpesa_receipts FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON treasury.mpesa_receipts TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON treasury.mpesa_receipts TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.mpesa_receipts TO lango_rules, lango_worker;

CREATE TRIGGER touch BEFORE UPDATE ON treasury.mpesa_receipts FOR EACH ROW EXECUTE FUNCTION lango.touch();

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.mpesa_receipts FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'credited>returned', 'held>credited', 'held>returned');

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.mpesa_receipts FOR EACH ROW EXECUTE FUNCTION lango.audit('mpesa_receipt', 'id', '', 'bill_reference', '');

CREATE TABLE treasury.mpesa_accounts (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    user_id UUID NOT NULL, 
    dao_id UUID, 
    account_number VARCHAR(10) NOT NULL, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_mpesa_accounts PRIMARY KEY (id), 
    CONSTRAINT uq_mpesa_accounts_user_id_dao_id UNIQUE NULLS NOT DISTINCT (user_id, dao_id), 
    CONSTRAINT uq_mpesa_accounts_account_number UNIQUE (account_number), 
    CONSTRAINT ck_mpesa_accounts_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);

CREATE INDEX ix_mpesa_accounts_dao_id ON treasury.mpesa_accounts (dao_id);

COMMENT ON TABLE treasury.mpesa_accounts IS 'The account number that somebody types in M-Pesa''s own menu to pay in.';

COMMENT ON COLUMN treasury.mpesa_accounts.id IS 'The row''s key.';

COMMENT ON COLUMN treasury.mpesa_accounts.user_id IS 'To whom the money belongs that comes with it.';

COMMENT ON COLUMN treasury.mpesa_accounts.dao_id IS 'The DAO to which it is contributed at once; null where it stays with the user.';

COMMENT ON COLUMN treasury.mpesa_accounts.account_number IS 'What the payer types: ten letters and digits, the last of which is a check.';

COMMENT ON COLUMN treasury.mpesa_accounts.created_at IS 'When the row was written.';

ALTER TABLE treasury.mpesa_accounts ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, user_id, dao_id, account_number, created_at) ON treasury.mpesa_accounts TO lango_anonymous;

GRANT SELECT (id, user_id, dao_id, account_number, created_at) ON treasury.mpesa_accounts TO lango_member;

GRANT SELECT (id, user_id, dao_id, account_number, created_at) ON treasury.mpesa_accounts TO lango_staff;

CREATE POLICY lango_member ON treasury.mpesa_accounts FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));

CREATE POLICY lango_staff ON treasury.mpesa_accounts FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON treasury.mpesa_accounts TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON treasury.mpesa_accounts TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.mpesa_accounts TO lango_rules, lango_worker;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.mpesa_accounts FOR EACH ROW EXECUTE FUNCTION lango.audit('mpesa_account', 'id', '', '', '');

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT fk_mpesa_transactions_decided_by FOREIGN KEY(decided_by) REFERENCES identity.users (id);

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT fk_mpesa_transactions_reverses_id FOREIGN KEY(reverses_id) REFERENCES treasury.mpesa_transactions (id);

ALTER TABLE treasury.mpesa_messages ADD CONSTRAINT fk_mpesa_messages_mpesa_transaction_id FOREIGN KEY(mpesa_transaction_id) REFERENCES treasury.mpesa_transactions (id);

ALTER TABLE treasury.mpesa_receipts ADD CONSTRAINT fk_mpesa_receipts_decided_by FOREIGN KEY(decided_by) REFERENCES identity.users (id);

ALTER TABLE treasury.mpesa_receipts ADD CONSTRAINT fk_mpesa_receipts_mpesa_transaction_id FOREIGN KEY(mpesa_transaction_id) REFERENCES treasury.mpesa_transactions (id);

ALTER TABLE treasury.mpesa_accounts ADD CONSTRAINT fk_mpesa_accounts_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.mpesa_accounts ADD CONSTRAINT fk_mpesa_accounts_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);
