-- The ledger: accounts, transactions and entries.

CREATE SCHEMA ledger;

COMMENT ON SCHEMA ledger IS 'The double-entry ledger: every movement of money, posted so that each balance can be proved.';
GRANT USAGE ON SCHEMA ledger TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE ledger.ledger_accounts (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner_type TEXT NOT NULL,
    owner_id UUID,
    currency TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_ledger_accounts PRIMARY KEY (id),
    CONSTRAINT uq_ledger_accounts_code UNIQUE (code),
    CONSTRAINT ck_ledger_accounts_kind_is_known CHECK (kind IN ('asset', 'liability', 'income', 'expense', 'equity')),
    CONSTRAINT ck_ledger_accounts_owner_type_is_known CHECK (owner_type IN ('user', 'dao', 'pot', 'partner', 'escrow', 'card_account', 'platform', 'provider')),
    CONSTRAINT ck_ledger_accounts_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);

COMMENT ON TABLE ledger.ledger_accounts IS 'A place where money is counted, in one currency; its balance is the sum of its entries.';
COMMENT ON COLUMN ledger.ledger_accounts.id IS 'The row''s key.';
COMMENT ON COLUMN ledger.ledger_accounts.code IS 'What it is called, from owner to currency: `user:<id>:available:KES`, `provider:wave:XOF`.';
COMMENT ON COLUMN ledger.ledger_accounts.kind IS 'What it stands for: liabilities, income and equity grow by credits, the others by debits.';
COMMENT ON COLUMN ledger.ledger_accounts.owner_type IS 'What `owner_id` leads to.';
COMMENT ON COLUMN ledger.ledger_accounts.owner_id IS 'The id of that user, DAO, pot, partner, escrow or card account; null for platform and providers.';
COMMENT ON COLUMN ledger.ledger_accounts.currency IS 'What its entries are counted in, as an ISO or coin code.';
COMMENT ON COLUMN ledger.ledger_accounts.created_at IS 'When the row was written.';
ALTER TABLE ledger.ledger_accounts ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, code, kind, owner_type, owner_id, currency, created_at) ON ledger.ledger_accounts TO lango_anonymous;
GRANT SELECT (id, code, kind, owner_type, owner_id, currency, created_at) ON ledger.ledger_accounts TO lango_member;
GRANT SELECT (id, code, kind, owner_type, owner_id, currency, created_at) ON ledger.ledger_accounts TO lango_staff;
CREATE POLICY lango_member ON ledger.ledger_accounts FOR SELECT TO lango_member USING ((((owner_type = 'user') AND (owner_id = ANY ((SELECT lango.my_people())::uuid[]))) OR ((owner_type = 'dao') AND (owner_id = ANY ((SELECT lango.my_daos())::uuid[]))) OR ((owner_type = 'card_account') AND (owner_id = ANY ((SELECT lango.my_card_accounts())::uuid[]))) OR ((owner_type = 'partner') AND (owner_id = ANY ((SELECT lango.my_managed_partners())::uuid[])))));
CREATE POLICY lango_staff ON ledger.ledger_accounts FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON ledger.ledger_accounts TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON ledger.ledger_accounts TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.ledger_accounts TO lango_rules, lango_worker;

CREATE TABLE ledger.ledger_transactions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    kind TEXT NOT NULL,
    reference_type TEXT,
    reference_id UUID,
    idempotency_key TEXT,
    description TEXT,
    created_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_ledger_transactions PRIMARY KEY (id),
    CONSTRAINT uq_ledger_transactions_idempotency_key UNIQUE (idempotency_key),
    CONSTRAINT ck_ledger_transactions_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_ledger_transactions_created_by ON ledger.ledger_transactions (created_by);

COMMENT ON TABLE ledger.ledger_transactions IS 'A movement of money, whose entries sum to zero in each currency; never changed or deleted.';
COMMENT ON COLUMN ledger.ledger_transactions.id IS 'The row''s key.';
COMMENT ON COLUMN ledger.ledger_transactions.kind IS 'What happened, such as `escrow_release`.';
COMMENT ON COLUMN ledger.ledger_transactions.reference_type IS 'What `reference_id` leads to; null without one.';
COMMENT ON COLUMN ledger.ledger_transactions.reference_id IS 'The id of what the money moved for, such as a donation or an escrow; null without one.';
COMMENT ON COLUMN ledger.ledger_transactions.idempotency_key IS 'What keeps the movement from being posted twice; null where nothing could repeat it.';
COMMENT ON COLUMN ledger.ledger_transactions.description IS 'What happened, for a person to read; null where `kind` says enough.';
COMMENT ON COLUMN ledger.ledger_transactions.created_by IS 'Who caused it, for staff''s eyes; null where the platform did by itself.';
COMMENT ON COLUMN ledger.ledger_transactions.created_at IS 'When the row was written.';
ALTER TABLE ledger.ledger_transactions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, kind, reference_type, reference_id, idempotency_key, description, created_at) ON ledger.ledger_transactions TO lango_anonymous;
GRANT SELECT (id, kind, reference_type, reference_id, idempotency_key, description, created_at) ON ledger.ledger_transactions TO lango_member;
GRANT SELECT (id, kind, reference_type, reference_id, idempotency_key, description, created_by, created_at) ON ledger.ledger_transactions TO lango_staff;
CREATE POLICY lango_member ON ledger.ledger_transactions FOR SELECT TO lango_member USING (((id = ANY ((SELECT lango.my_ledger_transactions())::uuid[]))));
CREATE POLICY lango_staff ON ledger.ledger_transactions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON ledger.ledger_transactions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON ledger.ledger_transactions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON ledger.ledger_transactions TO lango_rules, lango_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.ledger_transactions FOR EACH ROW EXECUTE FUNCTION lango.refuse_change();

CREATE CONSTRAINT TRIGGER balance AFTER INSERT ON ledger.ledger_transactions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lango.balance_transaction();

CREATE TABLE ledger.ledger_entries (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    transaction_id UUID NOT NULL,
    account_id UUID NOT NULL,
    amount NUMERIC(28, 8) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_ledger_entries PRIMARY KEY (id),
    CONSTRAINT ck_ledger_entries_amount_is_not_zero CHECK (amount <> 0),
    CONSTRAINT ck_ledger_entries_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_ledger_entries_numbers_are_real CHECK (amount <> 'NaN')
);
CREATE INDEX ix_ledger_entries_account_id ON ledger.ledger_entries (account_id);
CREATE INDEX ix_ledger_entries_transaction_id ON ledger.ledger_entries (transaction_id);

COMMENT ON TABLE ledger.ledger_entries IS 'One side of a movement: a debit or a credit on one account; never changed or deleted.';
COMMENT ON COLUMN ledger.ledger_entries.id IS 'The row''s key.';
COMMENT ON COLUMN ledger.ledger_entries.transaction_id IS 'The movement it is a side of.';
COMMENT ON COLUMN ledger.ledger_entries.account_id IS 'The account it is posted to.';
COMMENT ON COLUMN ledger.ledger_entries.amount IS 'How much, in the account''s currency: positive is a debit, negative a credit; never zero.';
COMMENT ON COLUMN ledger.ledger_entries.created_at IS 'When the row was written.';
ALTER TABLE ledger.ledger_entries ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, transaction_id, account_id, amount, created_at) ON ledger.ledger_entries TO lango_anonymous;
GRANT SELECT (id, transaction_id, account_id, amount, created_at) ON ledger.ledger_entries TO lango_member;
GRANT SELECT (id, transaction_id, account_id, amount, created_at) ON ledger.ledger_entries TO lango_staff;
CREATE POLICY lango_member ON ledger.ledger_entries FOR SELECT TO lango_member USING (((account_id = ANY ((SELECT lango.my_ledger_accounts())::uuid[]))));
CREATE POLICY lango_staff ON ledger.ledger_entries FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON ledger.ledger_entries TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON ledger.ledger_entries TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON ledger.ledger_entries TO lango_rules, lango_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.ledger_entries FOR EACH ROW EXECUTE FUNCTION lango.refuse_change();

CREATE CONSTRAINT TRIGGER balance AFTER INSERT ON ledger.ledger_entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lango.balance_transaction();

ALTER TABLE ledger.ledger_transactions ADD CONSTRAINT fk_ledger_transactions_created_by FOREIGN KEY(created_by) REFERENCES identity.users (id);

ALTER TABLE ledger.ledger_entries ADD CONSTRAINT fk_ledger_entries_account_id FOREIGN KEY(account_id) REFERENCES ledger.ledger_accounts (id);

ALTER TABLE ledger.ledger_entries ADD CONSTRAINT fk_ledger_entries_transaction_id FOREIGN KEY(transaction_id) REFERENCES ledger.ledger_transactions (id);
