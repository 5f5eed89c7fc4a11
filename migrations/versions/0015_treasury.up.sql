-- Balances, DAOs, their treasuries, swaps and mobile money.

CREATE SCHEMA treasury;

COMMENT ON SCHEMA treasury IS 'Balances, DAOs and their treasuries: deposits by M-Pesa, swaps, fees, payouts, transfers and reports.';
GRANT USAGE ON SCHEMA treasury TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE treasury.user_balances (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    dao_id UUID,
    currency TEXT NOT NULL,
    available_balance NUMERIC(28, 8) DEFAULT 0 NOT NULL,
    pending_balance NUMERIC(28, 8) DEFAULT 0 NOT NULL,
    locked_balance NUMERIC(28, 8) DEFAULT 0 NOT NULL,
    total_balance NUMERIC(28, 8) DEFAULT 0 NOT NULL,
    last_transaction_id UUID,
    last_updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_user_balances PRIMARY KEY (id),
    CONSTRAINT uq_user_balances_user_id_dao_id_currency UNIQUE NULLS NOT DISTINCT (user_id, dao_id, currency),
    CONSTRAINT ck_user_balances_available_is_not_negative CHECK (available_balance >= 0),
    CONSTRAINT ck_user_balances_pending_is_not_negative CHECK (pending_balance >= 0),
    CONSTRAINT ck_user_balances_locked_is_not_negative CHECK (locked_balance >= 0),
    CONSTRAINT ck_user_balances_total_adds_up CHECK (total_balance = available_balance + pending_balance + locked_balance),
    CONSTRAINT ck_user_balances_times_are_finite CHECK (last_updated >= '0001-01-01' AND last_updated < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_user_balances_numbers_are_real CHECK (available_balance <> 'NaN' AND pending_balance <> 'NaN' AND locked_balance <> 'NaN' AND total_balance <> 'NaN')
);
CREATE INDEX ix_user_balances_dao_id ON treasury.user_balances (dao_id);

COMMENT ON TABLE treasury.user_balances IS 'What a user holds in one currency, by itself or within a DAO.';
COMMENT ON COLUMN treasury.user_balances.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.user_balances.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN treasury.user_balances.dao_id IS 'The DAO within which it is held; null for a personal balance.';
COMMENT ON COLUMN treasury.user_balances.currency IS 'What it is counted in: `KES`, `cUSD`, `CELO`, `MTAA`, or a coin that is traded.';
COMMENT ON COLUMN treasury.user_balances.available_balance IS 'What may be spent now, in `currency`; never below zero.';
COMMENT ON COLUMN treasury.user_balances.pending_balance IS 'What is on its way and not yet confirmed, in `currency`.';
COMMENT ON COLUMN treasury.user_balances.locked_balance IS 'What is set aside and cannot be spent, as in an escrow or locked savings, in `currency`.';
COMMENT ON COLUMN treasury.user_balances.total_balance IS 'Available, pending and locked together, in `currency`.';
COMMENT ON COLUMN treasury.user_balances.last_transaction_id IS 'The wallet transaction that changed it last; null before the first.';
COMMENT ON COLUMN treasury.user_balances.last_updated IS 'When an amount in it last changed.';
COMMENT ON COLUMN treasury.user_balances.created_at IS 'When the row was written.';
ALTER TABLE treasury.user_balances ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, dao_id, currency, available_balance, pending_balance, locked_balance, total_balance, last_transaction_id, last_updated, created_at) ON treasury.user_balances TO lango_anonymous;
GRANT SELECT (id, user_id, dao_id, currency, available_balance, pending_balance, locked_balance, total_balance, last_transaction_id, last_updated, created_at) ON treasury.user_balances TO lango_member;
GRANT SELECT (id, user_id, dao_id, currency, available_balance, pending_balance, locked_balance, total_balance, last_transaction_id, last_updated, created_at) ON treasury.user_balances TO lango_staff;
CREATE POLICY lango_member ON treasury.user_balances FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON treasury.user_balances FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.user_balances TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.user_balances TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.user_balances TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.user_balances FOR EACH ROW EXECUTE FUNCTION lango.audit('user_balance', 'id', '', '', '');

CREATE TABLE treasury.wallet_transactions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    from_user_id UUID,
    to_user_id UUID,
    dao_id UUID,
    amount NUMERIC(18, 8) NOT NULL,
    currency TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT DEFAULT 'completed' NOT NULL,
    description TEXT,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_wallet_transactions PRIMARY KEY (id),
    CONSTRAINT ck_wallet_transactions_amount_is_positive CHECK (amount > 0),
    CONSTRAINT ck_wallet_transactions_type_is_known CHECK (type IN ('deposit', 'withdrawal', 'transfer', 'contribution', 'swap', 'fee', 'payout')),
    CONSTRAINT ck_wallet_transactions_status_is_known CHECK (status IN ('pending', 'completed', 'failed', 'reversed')),
    CONSTRAINT ck_wallet_transactions_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_wallet_transactions_numbers_are_real CHECK (amount <> 'NaN')
);
CREATE INDEX ix_wallet_transactions_dao_id ON treasury.wallet_transactions (dao_id);
CREATE INDEX ix_wallet_transactions_from_user_id ON treasury.wallet_transactions (from_user_id);
CREATE INDEX ix_wallet_transactions_to_user_id ON treasury.wallet_transactions (to_user_id);

COMMENT ON TABLE treasury.wallet_transactions IS 'A movement of money to, from or between users and DAOs.';
COMMENT ON COLUMN treasury.wallet_transactions.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.wallet_transactions.from_user_id IS 'Who paid; null where it came from outside or from a DAO.';
COMMENT ON COLUMN treasury.wallet_transactions.to_user_id IS 'Who was paid; null where it left the platform or went to a DAO.';
COMMENT ON COLUMN treasury.wallet_transactions.dao_id IS 'The DAO that paid or was paid; null where none was.';
COMMENT ON COLUMN treasury.wallet_transactions.amount IS 'How much moved, in `currency`; always above zero.';
COMMENT ON COLUMN treasury.wallet_transactions.currency IS 'What it is counted in: `KES`, `cUSD`, `CELO`, `MTAA`, or a coin that is traded.';
COMMENT ON COLUMN treasury.wallet_transactions.type IS 'Why it moved.';
COMMENT ON COLUMN treasury.wallet_transactions.status IS 'Where it stands.';
COMMENT ON COLUMN treasury.wallet_transactions.description IS 'What it was for; null without a text.';
COMMENT ON COLUMN treasury.wallet_transactions.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN treasury.wallet_transactions.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.wallet_transactions.updated_at IS 'When the row was last changed.';
ALTER TABLE treasury.wallet_transactions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, from_user_id, to_user_id, dao_id, amount, currency, type, status, description, metadata, created_at, updated_at) ON treasury.wallet_transactions TO lango_anonymous;
GRANT SELECT (id, from_user_id, to_user_id, dao_id, amount, currency, type, status, description, metadata, created_at, updated_at) ON treasury.wallet_transactions TO lango_member;
GRANT SELECT (id, from_user_id, to_user_id, dao_id, amount, currency, type, status, description, metadata, created_at, updated_at) ON treasury.wallet_transactions TO lango_staff;
CREATE POLICY lango_member ON treasury.wallet_transactions FOR SELECT TO lango_member USING (((from_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR to_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR (dao_id = ANY ((SELECT lango.my_daos())::uuid[]))));
CREATE POLICY lango_staff ON treasury.wallet_transactions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.wallet_transactions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.wallet_transactions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.wallet_transactions TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.wallet_transactions FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.wallet_transactions FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'completed>reversed', 'pending>completed', 'pending>failed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.wallet_transactions FOR EACH ROW EXECUTE FUNCTION lango.audit('wallet_transaction', 'id', '', '', '');

CREATE TABLE treasury.transaction_fees (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    transaction_id UUID,
    transaction_type TEXT NOT NULL,
    fee_type TEXT NOT NULL,
    fee_category TEXT NOT NULL,
    base_amount NUMERIC(18, 8) NOT NULL,
    fee_amount NUMERIC(18, 8) NOT NULL,
    fee_percentage NUMERIC(5, 4),
    currency TEXT NOT NULL,
    paid_by UUID,
    dao_id UUID,
    collected_by TEXT DEFAULT 'platform',
    platform_revenue NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    dao_revenue NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    protocol_revenue NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    description TEXT,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_transaction_fees PRIMARY KEY (id),
    CONSTRAINT ck_transaction_fees_fee_type_is_known CHECK (fee_type IN ('platform_fee', 'gas_fee', 'network_fee', 'service_fee', 'performance_fee')),
    CONSTRAINT ck_transaction_fees_collected_by_is_known CHECK (collected_by IN ('platform', 'dao', 'protocol')),
    CONSTRAINT ck_transaction_fees_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_transaction_fees_numbers_are_real CHECK (base_amount <> 'NaN' AND fee_amount <> 'NaN' AND fee_percentage <> 'NaN' AND platform_revenue <> 'NaN' AND dao_revenue <> 'NaN' AND protocol_revenue <> 'NaN')
);
CREATE INDEX ix_transaction_fees_dao_id ON treasury.transaction_fees (dao_id);
CREATE INDEX ix_transaction_fees_paid_by ON treasury.transaction_fees (paid_by);

COMMENT ON TABLE treasury.transaction_fees IS 'A fee that was charged on a transaction, and who got which part of it.';
COMMENT ON COLUMN treasury.transaction_fees.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.transaction_fees.transaction_id IS 'The wallet transaction, swap or escrow it was charged on; null where it stands alone.';
COMMENT ON COLUMN treasury.transaction_fees.transaction_type IS 'What `transaction_id` leads to: `wallet`, `vault`, `escrow`, `payment` or another kind.';
COMMENT ON COLUMN treasury.transaction_fees.fee_type IS 'What kind of fee it is.';
COMMENT ON COLUMN treasury.transaction_fees.fee_category IS 'What was done for it, such as `mpesa_deposit`, `crypto_withdrawal` or `currency_swap`.';
COMMENT ON COLUMN treasury.transaction_fees.base_amount IS 'The amount it was reckoned from, in `currency`.';
COMMENT ON COLUMN treasury.transaction_fees.fee_amount IS 'What was charged, in `currency`.';
COMMENT ON COLUMN treasury.transaction_fees.fee_percentage IS 'The rate as a fraction of `base_amount`: 0.0250 is 2.5 percent; null for a fixed fee.';
COMMENT ON COLUMN treasury.transaction_fees.currency IS 'What every amount in it is counted in.';
COMMENT ON COLUMN treasury.transaction_fees.paid_by IS 'The user who paid it; null where no user did.';
COMMENT ON COLUMN treasury.transaction_fees.dao_id IS 'The DAO in which it was charged; null outside of any.';
COMMENT ON COLUMN treasury.transaction_fees.collected_by IS 'Who charged it.';
COMMENT ON COLUMN treasury.transaction_fees.platform_revenue IS 'The platform''s part of it, in `currency`.';
COMMENT ON COLUMN treasury.transaction_fees.dao_revenue IS 'The DAO''s part of it, in `currency`.';
COMMENT ON COLUMN treasury.transaction_fees.protocol_revenue IS 'The part of a protocol on the chain, in `currency`.';
COMMENT ON COLUMN treasury.transaction_fees.description IS 'What the payer is told it is for; null without a text.';
COMMENT ON COLUMN treasury.transaction_fees.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN treasury.transaction_fees.created_at IS 'When the row was written.';
ALTER TABLE treasury.transaction_fees ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, transaction_id, transaction_type, fee_type, fee_category, base_amount, fee_amount, fee_percentage, currency, paid_by, dao_id, collected_by, platform_revenue, dao_revenue, protocol_revenue, description, metadata, created_at) ON treasury.transaction_fees TO lango_anonymous;
GRANT SELECT (id, transaction_id, transaction_type, fee_type, fee_category, base_amount, fee_amount, fee_percentage, currency, paid_by, dao_id, collected_by, platform_revenue, dao_revenue, protocol_revenue, description, metadata, created_at) ON treasury.transaction_fees TO lango_member;
GRANT SELECT (id, transaction_id, transaction_type, fee_type, fee_category, base_amount, fee_amount, fee_percentage, currency, paid_by, dao_id, collected_by, platform_revenue, dao_revenue, protocol_revenue, description, metadata, created_at) ON treasury.transaction_fees TO lango_staff;
CREATE POLICY lango_member ON treasury.transaction_fees FOR SELECT TO lango_member USING (((paid_by = ANY ((SELECT lango.my_people())::uuid[])) OR (dao_id = ANY ((SELECT lango.my_administered_daos())::uuid[]))));
CREATE POLICY lango_staff ON treasury.transaction_fees FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.transaction_fees TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.transaction_fees TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.transaction_fees TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.transaction_fees FOR EACH ROW EXECUTE FUNCTION lango.audit('transaction_fee', 'id', '', '', '');

CREATE TABLE treasury.daos (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    access TEXT DEFAULT 'public' NOT NULL,
    invite_code TEXT,
    creator_id UUID NOT NULL,
    member_count INTEGER DEFAULT 1 NOT NULL,
    status TEXT DEFAULT 'active' NOT NULL,
    quorum_percentage INTEGER DEFAULT 20 NOT NULL,
    voting_period_hours INTEGER DEFAULT 72 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_daos PRIMARY KEY (id),
    CONSTRAINT ck_daos_access_is_known CHECK (access IN ('public', 'private')),
    CONSTRAINT ck_daos_status_is_known CHECK (status IN ('active', 'suspended', 'archived')),
    CONSTRAINT ck_daos_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND deleted_at >= '0001-01-01' AND deleted_at < '9999-01-01')
);
CREATE INDEX ix_daos_creator_id ON treasury.daos (creator_id);
CREATE UNIQUE INDEX uq_daos_invite_code ON treasury.daos (invite_code) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_daos_name ON treasury.daos (name) WHERE deleted_at IS NULL;

COMMENT ON TABLE treasury.daos IS 'A group of people who save, decide and spend together.';
COMMENT ON COLUMN treasury.daos.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.daos.name IS 'What it is called; no two DAOs share a name.';
COMMENT ON COLUMN treasury.daos.description IS 'What it is for; null without a text.';
COMMENT ON COLUMN treasury.daos.access IS 'Who may find it.';
COMMENT ON COLUMN treasury.daos.invite_code IS 'The code that lets somebody join it; null where it has none.';
COMMENT ON COLUMN treasury.daos.creator_id IS 'Who founded it.';
COMMENT ON COLUMN treasury.daos.member_count IS 'How many approved members it has.';
COMMENT ON COLUMN treasury.daos.status IS 'Whether it is at work.';
COMMENT ON COLUMN treasury.daos.quorum_percentage IS 'How many of the members must vote for a vote to count, in percent, 0-100.';
COMMENT ON COLUMN treasury.daos.voting_period_hours IS 'How long a vote is open, in hours.';
COMMENT ON COLUMN treasury.daos.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.daos.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN treasury.daos.deleted_at IS 'When it was deleted; null while it lives. Deleted rows are staff''s.';
ALTER TABLE treasury.daos ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, name, description, access, creator_id, member_count, status, quorum_percentage, voting_period_hours, created_at, updated_at, deleted_at) ON treasury.daos TO lango_anonymous;
GRANT SELECT (id, name, description, access, creator_id, member_count, status, quorum_percentage, voting_period_hours, created_at, updated_at, deleted_at) ON treasury.daos TO lango_member;
GRANT SELECT (id, name, description, access, creator_id, member_count, status, quorum_percentage, voting_period_hours, created_at, updated_at, deleted_at) ON treasury.daos TO lango_staff;
CREATE POLICY lango_anonymous ON treasury.daos FOR SELECT TO lango_anonymous USING (deleted_at IS NULL AND ((access = 'public')));
CREATE POLICY lango_member ON treasury.daos FOR SELECT TO lango_member USING (deleted_at IS NULL AND ((access = 'public') OR (id = ANY ((SELECT lango.my_daos())::uuid[]))));
CREATE POLICY lango_staff ON treasury.daos FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.daos TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.daos TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.daos TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.daos FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.daos FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'active>archived', 'active>suspended', 'suspended>active', 'suspended>archived');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.daos FOR EACH ROW EXECUTE FUNCTION lango.audit('dao', 'id', 'invite_code', '', '');

CREATE TABLE treasury.dao_members (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    dao_id UUID NOT NULL,
    user_id UUID NOT NULL,
    role TEXT DEFAULT 'member' NOT NULL,
    status TEXT DEFAULT 'approved' NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_dao_members PRIMARY KEY (id),
    CONSTRAINT uq_dao_members_dao_id_user_id UNIQUE (dao_id, user_id),
    CONSTRAINT ck_dao_members_role_is_known CHECK (role IN ('member', 'proposer', 'elder', 'admin')),
    CONSTRAINT ck_dao_members_status_is_known CHECK (status IN ('approved', 'pending', 'rejected', 'banned')),
    CONSTRAINT ck_dao_members_times_are_finite CHECK (joined_at >= '0001-01-01' AND joined_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01')
);
CREATE INDEX ix_dao_members_user_id ON treasury.dao_members (user_id);

COMMENT ON TABLE treasury.dao_members IS 'A user''s place in a DAO, also one that is only asked for or was refused.';
COMMENT ON COLUMN treasury.dao_members.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.dao_members.dao_id IS 'The DAO that was joined.';
COMMENT ON COLUMN treasury.dao_members.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN treasury.dao_members.role IS 'What the member may do there.';
COMMENT ON COLUMN treasury.dao_members.status IS 'Whether the membership holds.';
COMMENT ON COLUMN treasury.dao_members.joined_at IS 'When the user joined, or asked to.';
COMMENT ON COLUMN treasury.dao_members.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.dao_members.updated_at IS 'When the row was last changed.';
ALTER TABLE treasury.dao_members ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, dao_id, user_id, role, status, joined_at, created_at, updated_at) ON treasury.dao_members TO lango_anonymous;
GRANT SELECT (id, dao_id, user_id, role, status, joined_at, created_at, updated_at) ON treasury.dao_members TO lango_member;
GRANT SELECT (id, dao_id, user_id, role, status, joined_at, created_at, updated_at) ON treasury.dao_members TO lango_staff;
CREATE POLICY lango_member ON treasury.dao_members FOR SELECT TO lango_member USING (((dao_id = ANY ((SELECT lango.my_daos())::uuid[]))));
CREATE POLICY lango_staff ON treasury.dao_members FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.dao_members TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.dao_members TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.dao_members TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.dao_members FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.dao_members FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>banned', 'banned>approved', 'pending>approved', 'pending>banned', 'pending>rejected', 'rejected>banned', 'rejected>pending');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.dao_members FOR EACH ROW EXECUTE FUNCTION lango.audit('dao_member', 'id', '', '', '');

CREATE TABLE treasury.mpesa_transactions (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    transaction_type TEXT NOT NULL,
    phone_number TEXT NOT NULL,
    amount NUMERIC(10, 2) NOT NULL,
    account_reference TEXT,
    transaction_desc TEXT,
    merchant_request_id TEXT,
    checkout_request_id TEXT,
    conversation_id TEXT,
    originator_conversation_id TEXT,
    mpesa_receipt_number TEXT,
    transaction_date TIMESTAMP WITH TIME ZONE,
    result_code TEXT,
    result_desc TEXT,
    balance NUMERIC(10, 2),
    callback_data JSONB,
    callback_received BOOLEAN DEFAULT false NOT NULL,
    callback_at TIMESTAMP WITH TIME ZONE,
    status TEXT DEFAULT 'pending',
    failure_reason TEXT,
    retry_count INTEGER DEFAULT 0,
    last_retry_at TIMESTAMP WITH TIME ZONE,
    ip_address INET,
    user_agent TEXT,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    dao_id UUID,
    CONSTRAINT pk_mpesa_transactions PRIMARY KEY (id),
    CONSTRAINT uq_mpesa_transactions_checkout_request_id UNIQUE (checkout_request_id),
    CONSTRAINT uq_mpesa_transactions_mpesa_receipt_number UNIQUE (mpesa_receipt_number),
    CONSTRAINT ck_mpesa_transactions_transaction_type_is_known CHECK (transaction_type IN ('stk_push', 'b2c', 'c2b', 'reversal', 'balance_query')),
    CONSTRAINT ck_mpesa_transactions_status_is_known CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'reversed', 'cancelled', 'held')),
    CONSTRAINT ck_mpesa_transactions_times_are_finite CHECK (transaction_date >= '0001-01-01' AND transaction_date < '9999-01-01' AND callback_at >= '0001-01-01' AND callback_at < '9999-01-01' AND last_retry_at >= '0001-01-01' AND last_retry_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_mpesa_transactions_numbers_are_real CHECK (amount <> 'NaN' AND balance <> 'NaN')
);
CREATE INDEX ix_mpesa_transactions_dao_id ON treasury.mpesa_transactions (dao_id);
CREATE INDEX ix_mpesa_transactions_user_id ON treasury.mpesa_transactions (user_id);

COMMENT ON TABLE treasury.mpesa_transactions IS 'A payment by M-Pesa, from the request to the receipt.';
COMMENT ON COLUMN treasury.mpesa_transactions.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.mpesa_transactions.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN treasury.mpesa_transactions.transaction_type IS 'Which way the money goes, and who begins.';
COMMENT ON COLUMN treasury.mpesa_transactions.phone_number IS 'The phone that pays or is paid, with its country code.';
COMMENT ON COLUMN treasury.mpesa_transactions.amount IS 'How much is asked for or paid out, in Kenyan shillings, before the platform''s fee.';
COMMENT ON COLUMN treasury.mpesa_transactions.account_reference IS 'What the payer sees as the account they pay to, at most 12 characters; null without one.';
COMMENT ON COLUMN treasury.mpesa_transactions.transaction_desc IS 'What the payer sees as the purpose, at most 13 characters; null without one.';
COMMENT ON COLUMN treasury.mpesa_transactions.merchant_request_id IS 'M-Pesa''s `MerchantRequestID` of an STK push; null before its answer and for other kinds.';
COMMENT ON COLUMN treasury.mpesa_transactions.checkout_request_id IS 'M-Pesa''s `CheckoutRequestID`, by which the callback of an STK push is matched; null for others.';
COMMENT ON COLUMN treasury.mpesa_transactions.conversation_id IS 'M-Pesa''s `ConversationID` of a payout or reversal; null before its answer and for other kinds.';
COMMENT ON COLUMN treasury.mpesa_transactions.originator_conversation_id IS 'The `OriginatorConversationID` of the request for a payout or reversal; null for others.';
COMMENT ON COLUMN treasury.mpesa_transactions.mpesa_receipt_number IS 'The receipt both sides can look up, such as `QGN7MZ61SU`; null until it is paid.';
COMMENT ON COLUMN treasury.mpesa_transactions.transaction_date IS 'When M-Pesa says the money moved; null before.';
COMMENT ON COLUMN treasury.mpesa_transactions.result_code IS 'M-Pesa''s verdict: `0` paid, `1` too little money, `1032` cancelled; null before it.';
COMMENT ON COLUMN treasury.mpesa_transactions.result_desc IS 'M-Pesa''s verdict in words; null before it.';
COMMENT ON COLUMN treasury.mpesa_transactions.balance IS 'The balance M-Pesa reports afterwards, in Kenyan shillings; null where it reports none.';
COMMENT ON COLUMN treasury.mpesa_transactions.callback_data IS 'What M-Pesa called back with, whole; null before.';
COMMENT ON COLUMN treasury.mpesa_transactions.callback_received IS 'Whether M-Pesa has called back.';
COMMENT ON COLUMN treasury.mpesa_transactions.callback_at IS 'When M-Pesa called back; null before.';
COMMENT ON COLUMN treasury.mpesa_transactions.status IS 'Where it stands.';
COMMENT ON COLUMN treasury.mpesa_transactions.failure_reason IS 'Why it failed; null unless it did.';
COMMENT ON COLUMN treasury.mpesa_transactions.retry_count IS 'How often it was tried again.';
COMMENT ON COLUMN treasury.mpesa_transactions.last_retry_at IS 'When it was last tried again; null where it never was.';
COMMENT ON COLUMN treasury.mpesa_transactions.ip_address IS 'The address the request came from.';
COMMENT ON COLUMN treasury.mpesa_transactions.user_agent IS 'The client program, as it names itself.';
COMMENT ON COLUMN treasury.mpesa_transactions.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN treasury.mpesa_transactions.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.mpesa_transactions.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN treasury.mpesa_transactions.dao_id IS 'The DAO to which it is a contribution; null where it stays with the user.';
ALTER TABLE treasury.mpesa_transactions ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, transaction_type, phone_number, amount, account_reference, transaction_desc, merchant_request_id, checkout_request_id, conversation_id, originator_conversation_id, mpesa_receipt_number, transaction_date, result_code, result_desc, balance, callback_data, callback_received, callback_at, status, failure_reason, retry_count, last_retry_at, ip_address, user_agent, metadata, created_at, updated_at, dao_id) ON treasury.mpesa_transactions TO lango_anonymous;
GRANT SELECT (id, user_id, transaction_type, phone_number, amount, account_reference, transaction_desc, merchant_request_id, checkout_request_id, conversation_id, originator_conversation_id, mpesa_receipt_number, transaction_date, result_code, result_desc, balance, callback_data, callback_received, callback_at, status, failure_reason, retry_count, last_retry_at, ip_address, user_agent, metadata, created_at, updated_at, dao_id) ON treasury.mpesa_transactions TO lango_member;
GRANT SELECT (id, user_id, transaction_type, phone_number, amount, account_reference, transaction_desc, merchant_request_id, checkout_request_id, conversation_id, originator_conversation_id, mpesa_receipt_number, transaction_date, result_code, result_desc, balance, callback_data, callback_received, callback_at, status, failure_reason, retry_count, last_retry_at, ip_address, user_agent, metadata, created_at, updated_at, dao_id) ON treasury.mpesa_transactions TO lango_staff;
CREATE POLICY lango_member ON treasury.mpesa_transactions FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON treasury.mpesa_transactions FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.mpesa_transactions TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.mpesa_transactions TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.mpesa_transactions TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.mpesa_transactions FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.mpesa_transactions FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'cancelled>completed', 'cancelled>held', 'completed>reversed', 'failed>completed', 'failed>held', 'held>completed', 'held>failed', 'held>reversed', 'pending>cancelled', 'pending>completed', 'pending>failed', 'pending>held', 'pending>processing', 'processing>cancelled', 'processing>completed', 'processing>failed', 'processing>held');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.mpesa_transactions FOR EACH ROW EXECUTE FUNCTION lango.audit('mpesa_transaction', 'id', '', 'phone_number,callback_data,ip_address,user_agent', '');

CREATE TABLE treasury.recurring_payments (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    dao_id UUID,
    amount NUMERIC(18, 8) NOT NULL,
    currency TEXT NOT NULL,
    description TEXT,
    frequency TEXT NOT NULL,
    interval INTEGER DEFAULT 1,
    start_date TIMESTAMP WITH TIME ZONE NOT NULL,
    next_payment_date TIMESTAMP WITH TIME ZONE NOT NULL,
    end_date TIMESTAMP WITH TIME ZONE,
    max_payments INTEGER,
    is_active BOOLEAN DEFAULT true NOT NULL,
    is_paused BOOLEAN DEFAULT false NOT NULL,
    paused_at TIMESTAMP WITH TIME ZONE,
    paused_reason TEXT,
    total_payments INTEGER DEFAULT 0,
    successful_payments INTEGER DEFAULT 0,
    failed_attempts INTEGER DEFAULT 0,
    last_payment_id UUID,
    last_payment_date TIMESTAMP WITH TIME ZONE,
    last_failure_date TIMESTAMP WITH TIME ZONE,
    last_failure_reason TEXT,
    payment_method TEXT NOT NULL,
    payment_method_details JSONB,
    notify_on_success BOOLEAN DEFAULT true NOT NULL,
    notify_on_failure BOOLEAN DEFAULT true NOT NULL,
    notify_before_payment BOOLEAN DEFAULT true NOT NULL,
    notify_days_before INTEGER DEFAULT 3,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    cancelled_at TIMESTAMP WITH TIME ZONE,
    cancelled_reason TEXT,
    CONSTRAINT pk_recurring_payments PRIMARY KEY (id),
    CONSTRAINT ck_recurring_payments_frequency_is_known CHECK (frequency IN ('daily', 'weekly', 'biweekly', 'monthly', 'quarterly', 'yearly')),
    CONSTRAINT ck_recurring_payments_payment_method_is_known CHECK (payment_method IN ('wallet', 'mpesa', 'card')),
    CONSTRAINT ck_recurring_payments_times_are_finite CHECK (start_date >= '0001-01-01' AND start_date < '9999-01-01' AND next_payment_date >= '0001-01-01' AND next_payment_date < '9999-01-01' AND end_date >= '0001-01-01' AND end_date < '9999-01-01' AND paused_at >= '0001-01-01' AND paused_at < '9999-01-01' AND last_payment_date >= '0001-01-01' AND last_payment_date < '9999-01-01' AND last_failure_date >= '0001-01-01' AND last_failure_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND cancelled_at >= '0001-01-01' AND cancelled_at < '9999-01-01'),
    CONSTRAINT ck_recurring_payments_numbers_are_real CHECK (amount <> 'NaN')
);
CREATE INDEX ix_recurring_payments_dao_id ON treasury.recurring_payments (dao_id);
CREATE INDEX ix_recurring_payments_user_id ON treasury.recurring_payments (user_id);

COMMENT ON TABLE treasury.recurring_payments IS 'An order to pay the same amount again and again, on fixed dates.';
COMMENT ON COLUMN treasury.recurring_payments.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.recurring_payments.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN treasury.recurring_payments.dao_id IS 'The DAO that is paid; null where none is.';
COMMENT ON COLUMN treasury.recurring_payments.amount IS 'What is paid each time, in `currency`.';
COMMENT ON COLUMN treasury.recurring_payments.currency IS 'What it is paid in.';
COMMENT ON COLUMN treasury.recurring_payments.description IS 'What the payer calls it; null without a name.';
COMMENT ON COLUMN treasury.recurring_payments.frequency IS 'The period that `interval` counts.';
COMMENT ON COLUMN treasury.recurring_payments.interval IS 'How many periods lie between two payments: 2 with `weekly` is every second week.';
COMMENT ON COLUMN treasury.recurring_payments.start_date IS 'When the first payment falls due; month ends are kept, as 31 January, 28 February, 31 March.';
COMMENT ON COLUMN treasury.recurring_payments.next_payment_date IS 'When the next payment falls due.';
COMMENT ON COLUMN treasury.recurring_payments.end_date IS 'When it ends; null where it runs until it is cancelled or `max_payments` is reached.';
COMMENT ON COLUMN treasury.recurring_payments.max_payments IS 'After how many payments it ends; null for no such limit.';
COMMENT ON COLUMN treasury.recurring_payments.is_active IS 'Whether it still runs; false once it has ended or was cancelled.';
COMMENT ON COLUMN treasury.recurring_payments.is_paused IS 'Whether it rests, by the payer''s wish or after 3 failures.';
COMMENT ON COLUMN treasury.recurring_payments.paused_at IS 'When it was paused; null while it is not.';
COMMENT ON COLUMN treasury.recurring_payments.paused_reason IS 'Why it was paused; null while it is not.';
COMMENT ON COLUMN treasury.recurring_payments.total_payments IS 'How many payments were tried, failed ones too.';
COMMENT ON COLUMN treasury.recurring_payments.successful_payments IS 'How many payments went through.';
COMMENT ON COLUMN treasury.recurring_payments.failed_attempts IS 'How many tries failed; the third pauses it.';
COMMENT ON COLUMN treasury.recurring_payments.last_payment_id IS 'The transaction of the newest payment; null before the first.';
COMMENT ON COLUMN treasury.recurring_payments.last_payment_date IS 'When it last paid; null before the first payment.';
COMMENT ON COLUMN treasury.recurring_payments.last_failure_date IS 'When a payment last failed; null where none did.';
COMMENT ON COLUMN treasury.recurring_payments.last_failure_reason IS 'Why that payment failed; null where none did.';
COMMENT ON COLUMN treasury.recurring_payments.payment_method IS 'What it is taken from.';
COMMENT ON COLUMN treasury.recurring_payments.payment_method_details IS 'Which phone or card it is taken from; null for the wallet.';
COMMENT ON COLUMN treasury.recurring_payments.notify_on_success IS 'Whether the payer is told of each payment.';
COMMENT ON COLUMN treasury.recurring_payments.notify_on_failure IS 'Whether the payer is told of each failure.';
COMMENT ON COLUMN treasury.recurring_payments.notify_before_payment IS 'Whether the payer is told before each payment.';
COMMENT ON COLUMN treasury.recurring_payments.notify_days_before IS 'How many days before the payment that notice comes.';
COMMENT ON COLUMN treasury.recurring_payments.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN treasury.recurring_payments.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.recurring_payments.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN treasury.recurring_payments.cancelled_at IS 'When it was cancelled; null unless it was.';
COMMENT ON COLUMN treasury.recurring_payments.cancelled_reason IS 'Why it was cancelled; null unless it was and a reason was given.';
ALTER TABLE treasury.recurring_payments ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, dao_id, amount, currency, description, frequency, interval, start_date, next_payment_date, end_date, max_payments, is_active, is_paused, paused_at, paused_reason, total_payments, successful_payments, failed_attempts, last_payment_id, last_payment_date, last_failure_date, last_failure_reason, payment_method, payment_method_details, notify_on_success, notify_on_failure, notify_before_payment, notify_days_before, metadata, created_at, updated_at, cancelled_at, cancelled_reason) ON treasury.recurring_payments TO lango_anonymous;
GRANT SELECT (id, user_id, dao_id, amount, currency, description, frequency, interval, start_date, next_payment_date, end_date, max_payments, is_active, is_paused, paused_at, paused_reason, total_payments, successful_payments, failed_attempts, last_payment_id, last_payment_date, last_failure_date, last_failure_reason, payment_method, payment_method_details, notify_on_success, notify_on_failure, notify_before_payment, notify_days_before, metadata, created_at, updated_at, cancelled_at, cancelled_reason) ON treasury.recurring_payments TO lango_member;
GRANT SELECT (id, user_id, dao_id, amount, currency, description, frequency, interval, start_date, next_payment_date, end_date, max_payments, is_active, is_paused, paused_at, paused_reason, total_payments, successful_payments, failed_attempts, last_payment_id, last_payment_date, last_failure_date, last_failure_reason, payment_method, payment_method_details, notify_on_success, notify_on_failure, notify_before_payment, notify_days_before, metadata, created_at, updated_at, cancelled_at, cancelled_reason) ON treasury.recurring_payments TO lango_staff;
CREATE POLICY lango_member ON treasury.recurring_payments FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON treasury.recurring_payments FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.recurring_payments TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.recurring_payments TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.recurring_payments TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.recurring_payments FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.recurring_payments FOR EACH ROW EXECUTE FUNCTION lango.audit('recurring_payment', 'id', '', 'payment_method_details', '');

CREATE TABLE treasury.referral_payouts (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    referrer_id UUID NOT NULL,
    amount NUMERIC(10, 2) NOT NULL,
    currency TEXT DEFAULT 'MTAA',
    payout_method TEXT NOT NULL,
    destination_address TEXT,
    destination_phone TEXT,
    destination_account TEXT,
    status TEXT DEFAULT 'pending',
    transaction_id UUID,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    processed_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    failure_reason TEXT,
    retry_count INTEGER DEFAULT 0,
    notes TEXT,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    referral_id UUID NOT NULL,
    CONSTRAINT pk_referral_payouts PRIMARY KEY (id),
    CONSTRAINT ck_referral_payouts_payout_method_is_known CHECK (payout_method IN ('wallet', 'mpesa', 'bank_transfer')),
    CONSTRAINT ck_referral_payouts_status_is_known CHECK (status IN ('pending', 'approved', 'processing', 'completed', 'failed', 'rejected')),
    CONSTRAINT ck_referral_payouts_times_are_finite CHECK (requested_at >= '0001-01-01' AND requested_at < '9999-01-01' AND processed_at >= '0001-01-01' AND processed_at < '9999-01-01' AND completed_at >= '0001-01-01' AND completed_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_referral_payouts_numbers_are_real CHECK (amount <> 'NaN')
);
CREATE INDEX ix_referral_payouts_referral_id ON treasury.referral_payouts (referral_id);
CREATE INDEX ix_referral_payouts_referrer_id ON treasury.referral_payouts (referrer_id);

COMMENT ON TABLE treasury.referral_payouts IS 'A reward for a referral that the sponsor asked to be paid.';
COMMENT ON COLUMN treasury.referral_payouts.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.referral_payouts.referrer_id IS 'The sponsor who is paid.';
COMMENT ON COLUMN treasury.referral_payouts.amount IS 'How much is paid, in `currency`.';
COMMENT ON COLUMN treasury.referral_payouts.currency IS 'What it is paid in; `MTAA` unless another was asked for.';
COMMENT ON COLUMN treasury.referral_payouts.payout_method IS 'The way it is paid.';
COMMENT ON COLUMN treasury.referral_payouts.destination_address IS 'The wallet''s address; null unless it is paid to a wallet.';
COMMENT ON COLUMN treasury.referral_payouts.destination_phone IS 'The phone; null unless it is paid by M-Pesa.';
COMMENT ON COLUMN treasury.referral_payouts.destination_account IS 'The bank account; null unless it is paid by bank transfer.';
COMMENT ON COLUMN treasury.referral_payouts.status IS 'Where it stands.';
COMMENT ON COLUMN treasury.referral_payouts.transaction_id IS 'The transaction that paid it; null before.';
COMMENT ON COLUMN treasury.referral_payouts.requested_at IS 'When the sponsor asked for it.';
COMMENT ON COLUMN treasury.referral_payouts.processed_at IS 'When its payment began; null before.';
COMMENT ON COLUMN treasury.referral_payouts.completed_at IS 'When it was paid; null before.';
COMMENT ON COLUMN treasury.referral_payouts.failure_reason IS 'Why the last payment failed; null where none did.';
COMMENT ON COLUMN treasury.referral_payouts.retry_count IS 'How often the payment was tried again.';
COMMENT ON COLUMN treasury.referral_payouts.notes IS 'What staff noted on it; null without a note.';
COMMENT ON COLUMN treasury.referral_payouts.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN treasury.referral_payouts.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.referral_payouts.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN treasury.referral_payouts.referral_id IS 'The referral it rewards.';
ALTER TABLE treasury.referral_payouts ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, referrer_id, amount, currency, payout_method, destination_address, destination_phone, destination_account, status, transaction_id, requested_at, processed_at, completed_at, failure_reason, retry_count, notes, metadata, created_at, updated_at, referral_id) ON treasury.referral_payouts TO lango_anonymous;
GRANT SELECT (id, referrer_id, amount, currency, payout_method, destination_address, destination_phone, destination_account, status, transaction_id, requested_at, processed_at, completed_at, failure_reason, retry_count, notes, metadata, created_at, updated_at, referral_id) ON treasury.referral_payouts TO lango_member;
GRANT SELECT (id, referrer_id, amount, currency, payout_method, destination_address, destination_phone, destination_account, status, transaction_id, requested_at, processed_at, completed_at, failure_reason, retry_count, notes, metadata, created_at, updated_at, referral_id) ON treasury.referral_payouts TO lango_staff;
CREATE POLICY lango_member ON treasury.referral_payouts FOR SELECT TO lango_member USING (((referrer_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON treasury.referral_payouts FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.referral_payouts TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.referral_payouts TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.referral_payouts TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.referral_payouts FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.referral_payouts FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>failed', 'approved>processing', 'failed>processing', 'pending>approved', 'pending>rejected', 'processing>completed', 'processing>failed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.referral_payouts FOR EACH ROW EXECUTE FUNCTION lango.audit('referral_payout', 'id', '', 'destination_address,destination_phone,destination_account', '');

CREATE TABLE treasury.financial_reports (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    dao_id UUID,
    user_id UUID,
    report_type TEXT NOT NULL,
    period_start TIMESTAMP WITH TIME ZONE NOT NULL,
    period_end TIMESTAMP WITH TIME ZONE NOT NULL,
    fiscal_year INTEGER,
    fiscal_quarter INTEGER,
    report_data JSONB NOT NULL,
    report_url TEXT,
    report_format TEXT DEFAULT 'pdf',
    total_revenue NUMERIC(18, 8),
    total_expenses NUMERIC(18, 8),
    net_profit NUMERIC(18, 8),
    total_assets NUMERIC(18, 8),
    total_liabilities NUMERIC(18, 8),
    equity NUMERIC(18, 8),
    ai_summary TEXT,
    ai_recommendations JSONB,
    anomalies_detected JSONB,
    generated_by TEXT,
    generated_by_user_id UUID,
    generated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    status TEXT DEFAULT 'draft',
    reviewed_by UUID,
    reviewed_at TIMESTAMP WITH TIME ZONE,
    approved_by UUID,
    approved_at TIMESTAMP WITH TIME ZONE,
    published_at TIMESTAMP WITH TIME ZONE,
    notes TEXT,
    tags JSONB,
    version INTEGER DEFAULT 1,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_financial_reports PRIMARY KEY (id),
    CONSTRAINT ck_financial_reports_report_type_is_known CHECK (report_type IN ('income_statement', 'balance_sheet', 'cash_flow', 'monthly', 'quarterly', 'annual', 'audit', 'tax')),
    CONSTRAINT ck_financial_reports_report_format_is_known CHECK (report_format IN ('pdf', 'json', 'csv', 'xlsx')),
    CONSTRAINT ck_financial_reports_generated_by_is_known CHECK (generated_by IN ('ai', 'manual', 'system', 'accountant')),
    CONSTRAINT ck_financial_reports_status_is_known CHECK (status IN ('draft', 'pending_review', 'approved', 'published', 'archived')),
    CONSTRAINT ck_financial_reports_times_are_finite CHECK (period_start >= '0001-01-01' AND period_start < '9999-01-01' AND period_end >= '0001-01-01' AND period_end < '9999-01-01' AND generated_at >= '0001-01-01' AND generated_at < '9999-01-01' AND reviewed_at >= '0001-01-01' AND reviewed_at < '9999-01-01' AND approved_at >= '0001-01-01' AND approved_at < '9999-01-01' AND published_at >= '0001-01-01' AND published_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_financial_reports_numbers_are_real CHECK (total_revenue <> 'NaN' AND total_expenses <> 'NaN' AND net_profit <> 'NaN' AND total_assets <> 'NaN' AND total_liabilities <> 'NaN' AND equity <> 'NaN')
);
CREATE INDEX ix_financial_reports_approved_by ON treasury.financial_reports (approved_by);
CREATE INDEX ix_financial_reports_dao_id ON treasury.financial_reports (dao_id);
CREATE INDEX ix_financial_reports_generated_by_user_id ON treasury.financial_reports (generated_by_user_id);
CREATE INDEX ix_financial_reports_reviewed_by ON treasury.financial_reports (reviewed_by);
CREATE INDEX ix_financial_reports_user_id ON treasury.financial_reports (user_id);

COMMENT ON TABLE treasury.financial_reports IS 'The accounts of a DAO or of a user over a period.';
COMMENT ON COLUMN treasury.financial_reports.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.financial_reports.dao_id IS 'The DAO it is about; null for a user''s own report.';
COMMENT ON COLUMN treasury.financial_reports.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN treasury.financial_reports.report_type IS 'What it shows.';
COMMENT ON COLUMN treasury.financial_reports.period_start IS 'When the period begins.';
COMMENT ON COLUMN treasury.financial_reports.period_end IS 'When the period ends.';
COMMENT ON COLUMN treasury.financial_reports.fiscal_year IS 'The fiscal year the period lies in; null where it is not told.';
COMMENT ON COLUMN treasury.financial_reports.fiscal_quarter IS 'The quarter of that year, 1 to 4; null where the period is no quarter.';
COMMENT ON COLUMN treasury.financial_reports.report_data IS 'The figures themselves, as structured data whose shape depends on `report_type`.';
COMMENT ON COLUMN treasury.financial_reports.report_url IS 'Where the finished file is; null without one.';
COMMENT ON COLUMN treasury.financial_reports.report_format IS 'The form of that file.';
COMMENT ON COLUMN treasury.financial_reports.total_revenue IS 'What came in, in the currency of the DAO''s treasury; null where the report has no such figure.';
COMMENT ON COLUMN treasury.financial_reports.total_expenses IS 'What went out, in the currency of the DAO''s treasury; null where the report has no such figure.';
COMMENT ON COLUMN treasury.financial_reports.net_profit IS 'Revenue less expenses, negative for a loss, in the same currency; null without them.';
COMMENT ON COLUMN treasury.financial_reports.total_assets IS 'What was owned at the end, in the currency of the DAO''s treasury; null where it is not reported.';
COMMENT ON COLUMN treasury.financial_reports.total_liabilities IS 'What was owed at the end, in the currency of the DAO''s treasury; null where it is not reported.';
COMMENT ON COLUMN treasury.financial_reports.equity IS 'Assets less liabilities, in the same currency; null without them.';
COMMENT ON COLUMN treasury.financial_reports.ai_summary IS 'The report in a few sentences by a language model; null where none was asked.';
COMMENT ON COLUMN treasury.financial_reports.ai_recommendations IS 'What a language model advises, as a list; null where none was asked.';
COMMENT ON COLUMN treasury.financial_reports.anomalies_detected IS 'Movements that look unusual, as a list; null where nobody looked for any.';
COMMENT ON COLUMN treasury.financial_reports.generated_by IS 'Who or what drew it up; null where it is not known.';
COMMENT ON COLUMN treasury.financial_reports.generated_by_user_id IS 'The person who drew it up or asked for it; null where it came by itself.';
COMMENT ON COLUMN treasury.financial_reports.generated_at IS 'When it was drawn up.';
COMMENT ON COLUMN treasury.financial_reports.status IS 'Where it stands.';
COMMENT ON COLUMN treasury.financial_reports.reviewed_by IS 'Who reviewed it; null before.';
COMMENT ON COLUMN treasury.financial_reports.reviewed_at IS 'When it was reviewed; null before.';
COMMENT ON COLUMN treasury.financial_reports.approved_by IS 'Who approved it; null before.';
COMMENT ON COLUMN treasury.financial_reports.approved_at IS 'When it was approved; null before.';
COMMENT ON COLUMN treasury.financial_reports.published_at IS 'When the DAO''s members could first read it; null before.';
COMMENT ON COLUMN treasury.financial_reports.notes IS 'Remarks to go with it; null without any.';
COMMENT ON COLUMN treasury.financial_reports.tags IS 'Words to find and sort it by, as a list; null without any.';
COMMENT ON COLUMN treasury.financial_reports.version IS 'Counts its revisions, from 1.';
COMMENT ON COLUMN treasury.financial_reports.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN treasury.financial_reports.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.financial_reports.updated_at IS 'When the row was last changed.';
ALTER TABLE treasury.financial_reports ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, dao_id, user_id, report_type, period_start, period_end, fiscal_year, fiscal_quarter, report_data, report_url, report_format, total_revenue, total_expenses, net_profit, total_assets, total_liabilities, equity, ai_summary, ai_recommendations, anomalies_detected, generated_by, generated_by_user_id, generated_at, status, reviewed_by, reviewed_at, approved_by, approved_at, published_at, notes, tags, version, metadata, created_at, updated_at) ON treasury.financial_reports TO lango_anonymous;
GRANT SELECT (id, dao_id, user_id, report_type, period_start, period_end, fiscal_year, fiscal_quarter, report_data, report_url, report_format, total_revenue, total_expenses, net_profit, total_assets, total_liabilities, equity, ai_summary, ai_recommendations, anomalies_detected, generated_by, generated_by_user_id, generated_at, status, reviewed_by, reviewed_at, approved_by, approved_at, published_at, notes, tags, version, metadata, created_at, updated_at) ON treasury.financial_reports TO lango_member;
GRANT SELECT (id, dao_id, user_id, report_type, period_start, period_end, fiscal_year, fiscal_quarter, report_data, report_url, report_format, total_revenue, total_expenses, net_profit, total_assets, total_liabilities, equity, ai_summary, ai_recommendations, anomalies_detected, generated_by, generated_by_user_id, generated_at, status, reviewed_by, reviewed_at, approved_by, approved_at, published_at, notes, tags, version, metadata, created_at, updated_at) ON treasury.financial_reports TO lango_staff;
CREATE POLICY lango_member ON treasury.financial_reports FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((dao_id = ANY ((SELECT lango.my_daos())::uuid[])) AND (published_at IS NOT NULL))));
CREATE POLICY lango_staff ON treasury.financial_reports FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.financial_reports TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.financial_reports TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.financial_reports TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.financial_reports FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.financial_reports FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>archived', 'approved>published', 'draft>archived', 'draft>pending_review', 'pending_review>approved', 'pending_review>draft', 'published>archived');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.financial_reports FOR EACH ROW EXECUTE FUNCTION lango.audit('financial_report', 'id', '', '', '');

CREATE TABLE treasury.exchange_rates (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    from_currency TEXT NOT NULL,
    to_currency TEXT NOT NULL,
    rate NUMERIC(18, 8) NOT NULL,
    spread NUMERIC(5, 4) DEFAULT 0 NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    source TEXT NOT NULL,
    CONSTRAINT pk_exchange_rates PRIMARY KEY (id),
    CONSTRAINT uq_exchange_rates_from_currency_to_currency_valid_from UNIQUE (from_currency, to_currency, valid_from),
    CONSTRAINT ck_exchange_rates_rate_is_positive CHECK (rate > 0),
    CONSTRAINT ck_exchange_rates_times_are_finite CHECK (valid_from >= '0001-01-01' AND valid_from < '9999-01-01'),
    CONSTRAINT ck_exchange_rates_numbers_are_real CHECK (rate <> 'NaN' AND spread <> 'NaN')
);

COMMENT ON TABLE treasury.exchange_rates IS 'The rate at which the platform swaps one currency for another, from a moment on.';
COMMENT ON COLUMN treasury.exchange_rates.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.exchange_rates.from_currency IS 'What is given: `KES`, `cUSD`, `CELO` or `MTAA`.';
COMMENT ON COLUMN treasury.exchange_rates.to_currency IS 'What is received: `KES`, `cUSD`, `CELO` or `MTAA`.';
COMMENT ON COLUMN treasury.exchange_rates.rate IS 'How many units of `to_currency` one unit of `from_currency` buys.';
COMMENT ON COLUMN treasury.exchange_rates.spread IS 'What the platform keeps of the rate, as a fraction: 0.0100 is 1 percent.';
COMMENT ON COLUMN treasury.exchange_rates.valid_from IS 'From when it holds, until a later rate of the same pair does.';
COMMENT ON COLUMN treasury.exchange_rates.source IS 'Where the rate was taken from.';
ALTER TABLE treasury.exchange_rates ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, from_currency, to_currency, rate, spread, valid_from, source) ON treasury.exchange_rates TO lango_anonymous;
GRANT SELECT (id, from_currency, to_currency, rate, spread, valid_from, source) ON treasury.exchange_rates TO lango_member;
GRANT SELECT (id, from_currency, to_currency, rate, spread, valid_from, source) ON treasury.exchange_rates TO lango_staff;
CREATE POLICY lango_anonymous ON treasury.exchange_rates FOR SELECT TO lango_anonymous USING (((true)));
CREATE POLICY lango_member ON treasury.exchange_rates FOR SELECT TO lango_member USING (((true)));
CREATE POLICY lango_staff ON treasury.exchange_rates FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.exchange_rates TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.exchange_rates TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.exchange_rates TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.exchange_rates FOR EACH ROW EXECUTE FUNCTION lango.audit('exchange_rate', 'id', '', '', '');

CREATE TABLE treasury.swap_quotes (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    from_currency TEXT NOT NULL,
    to_currency TEXT NOT NULL,
    from_amount NUMERIC(28, 8) NOT NULL,
    to_amount NUMERIC(28, 8) NOT NULL,
    rate NUMERIC(18, 8) NOT NULL,
    fee NUMERIC(28, 8) DEFAULT 0 NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_swap_quotes PRIMARY KEY (id),
    CONSTRAINT ck_swap_quotes_amount_is_positive CHECK (from_amount > 0),
    CONSTRAINT ck_swap_quotes_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND used_at >= '0001-01-01' AND used_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01'),
    CONSTRAINT ck_swap_quotes_numbers_are_real CHECK (from_amount <> 'NaN' AND to_amount <> 'NaN' AND rate <> 'NaN' AND fee <> 'NaN')
);
CREATE INDEX ix_swap_quotes_user_id ON treasury.swap_quotes (user_id);

COMMENT ON TABLE treasury.swap_quotes IS 'A swap as it was offered to a user; taken in time, it is made at exactly this rate.';
COMMENT ON COLUMN treasury.swap_quotes.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.swap_quotes.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN treasury.swap_quotes.from_currency IS 'What would be given: `KES`, `cUSD`, `CELO` or `MTAA`.';
COMMENT ON COLUMN treasury.swap_quotes.to_currency IS 'What would be received: `KES`, `cUSD`, `CELO` or `MTAA`.';
COMMENT ON COLUMN treasury.swap_quotes.from_amount IS 'How much would be given, in `from_currency`.';
COMMENT ON COLUMN treasury.swap_quotes.to_amount IS 'How much would be received, in `to_currency`.';
COMMENT ON COLUMN treasury.swap_quotes.rate IS 'How many units of `to_currency` one unit of `from_currency` buys.';
COMMENT ON COLUMN treasury.swap_quotes.fee IS 'What the platform would charge, in `from_currency`.';
COMMENT ON COLUMN treasury.swap_quotes.expires_at IS 'Until when it may be taken.';
COMMENT ON COLUMN treasury.swap_quotes.used_at IS 'When it was taken; null before.';
COMMENT ON COLUMN treasury.swap_quotes.created_at IS 'When the row was written.';
ALTER TABLE treasury.swap_quotes ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, from_currency, to_currency, from_amount, to_amount, rate, fee, expires_at, used_at, created_at) ON treasury.swap_quotes TO lango_anonymous;
GRANT SELECT (id, user_id, from_currency, to_currency, from_amount, to_amount, rate, fee, expires_at, used_at, created_at) ON treasury.swap_quotes TO lango_member;
GRANT SELECT (id, user_id, from_currency, to_currency, from_amount, to_amount, rate, fee, expires_at, used_at, created_at) ON treasury.swap_quotes TO lango_staff;
CREATE POLICY lango_member ON treasury.swap_quotes FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON treasury.swap_quotes FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.swap_quotes TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.swap_quotes TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.swap_quotes TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.swap_quotes FOR EACH ROW EXECUTE FUNCTION lango.audit('swap_quote', 'id', '', '', '');

CREATE TABLE treasury.currency_swaps (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    user_id UUID NOT NULL,
    dao_id UUID,
    from_currency TEXT NOT NULL,
    to_currency TEXT NOT NULL,
    from_amount NUMERIC(18, 8) NOT NULL,
    to_amount NUMERIC(18, 8) NOT NULL,
    exchange_rate NUMERIC(18, 8) NOT NULL,
    market_rate NUMERIC(18, 8),
    spread NUMERIC(5, 4),
    slippage NUMERIC(5, 4),
    price_impact NUMERIC(5, 4),
    platform_fee NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    network_fee NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    liquidity_provider_fee NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    total_fee NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    provider TEXT NOT NULL,
    protocol TEXT,
    route JSONB,
    transaction_hash TEXT,
    block_number INTEGER,
    gas_used NUMERIC(18, 8),
    status TEXT DEFAULT 'pending',
    failure_reason TEXT,
    metadata JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_currency_swaps PRIMARY KEY (id),
    CONSTRAINT ck_currency_swaps_provider_is_known CHECK (provider IN ('ubeswap', 'mento', 'manual')),
    CONSTRAINT ck_currency_swaps_status_is_known CHECK (status IN ('pending', 'completed', 'failed', 'expired')),
    CONSTRAINT ck_currency_swaps_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND completed_at >= '0001-01-01' AND completed_at < '9999-01-01'),
    CONSTRAINT ck_currency_swaps_numbers_are_real CHECK (from_amount <> 'NaN' AND to_amount <> 'NaN' AND exchange_rate <> 'NaN' AND market_rate <> 'NaN' AND spread <> 'NaN' AND slippage <> 'NaN' AND price_impact <> 'NaN' AND platform_fee <> 'NaN' AND network_fee <> 'NaN' AND liquidity_provider_fee <> 'NaN' AND total_fee <> 'NaN' AND gas_used <> 'NaN')
);
CREATE INDEX ix_currency_swaps_dao_id ON treasury.currency_swaps (dao_id);
CREATE INDEX ix_currency_swaps_user_id ON treasury.currency_swaps (user_id);

COMMENT ON TABLE treasury.currency_swaps IS 'An exchange of one currency for another.';
COMMENT ON COLUMN treasury.currency_swaps.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.currency_swaps.user_id IS 'The user it belongs to.';
COMMENT ON COLUMN treasury.currency_swaps.dao_id IS 'The DAO for which it was made; null for a personal swap.';
COMMENT ON COLUMN treasury.currency_swaps.from_currency IS 'What is given: `KES`, `cUSD`, `CELO` or `MTAA`.';
COMMENT ON COLUMN treasury.currency_swaps.to_currency IS 'What is received: `KES`, `cUSD`, `CELO` or `MTAA`.';
COMMENT ON COLUMN treasury.currency_swaps.from_amount IS 'How much is given, in `from_currency`.';
COMMENT ON COLUMN treasury.currency_swaps.to_amount IS 'How much is received, in `to_currency`.';
COMMENT ON COLUMN treasury.currency_swaps.exchange_rate IS 'How many units of `to_currency` one unit of `from_currency` bought.';
COMMENT ON COLUMN treasury.currency_swaps.market_rate IS 'The rate on the open market at that time, to compare with; null where unknown.';
COMMENT ON COLUMN treasury.currency_swaps.spread IS 'How far the rate lay from the market''s, as a fraction: 0.0100 is 1 percent; null where unknown.';
COMMENT ON COLUMN treasury.currency_swaps.slippage IS 'How far the rate moved between quote and swap, as a fraction; null where unknown.';
COMMENT ON COLUMN treasury.currency_swaps.price_impact IS 'How far the swap itself moved the pool''s price, as a fraction; null without a pool.';
COMMENT ON COLUMN treasury.currency_swaps.platform_fee IS 'What the platform charged, in `from_currency`.';
COMMENT ON COLUMN treasury.currency_swaps.network_fee IS 'What the chain charged, in `from_currency`.';
COMMENT ON COLUMN treasury.currency_swaps.liquidity_provider_fee IS 'What those who fund the pool charged, in `from_currency`.';
COMMENT ON COLUMN treasury.currency_swaps.total_fee IS 'All fees together, in `from_currency`.';
COMMENT ON COLUMN treasury.currency_swaps.provider IS 'Who exchanged the money.';
COMMENT ON COLUMN treasury.currency_swaps.protocol IS 'How it was exchanged on the chain: `uniswap_v2`, `uniswap_v3`, `mento`; null off the chain.';
COMMENT ON COLUMN treasury.currency_swaps.route IS 'The pools it went through, each with `token`, `pool`, `amountIn` and `amountOut`; null without any.';
COMMENT ON COLUMN treasury.currency_swaps.transaction_hash IS 'Its hash on the chain; null until it is there, and for swaps off the chain.';
COMMENT ON COLUMN treasury.currency_swaps.block_number IS 'The block that holds it; null until one does, and for swaps off the chain.';
COMMENT ON COLUMN treasury.currency_swaps.gas_used IS 'How much computation it took, in units of gas; null off the chain.';
COMMENT ON COLUMN treasury.currency_swaps.status IS 'Where it stands.';
COMMENT ON COLUMN treasury.currency_swaps.failure_reason IS 'Why it failed; null unless it did.';
COMMENT ON COLUMN treasury.currency_swaps.metadata IS 'Further details, as structured data; null without any.';
COMMENT ON COLUMN treasury.currency_swaps.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.currency_swaps.completed_at IS 'When it was exchanged; null before.';
ALTER TABLE treasury.currency_swaps ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, user_id, dao_id, from_currency, to_currency, from_amount, to_amount, exchange_rate, market_rate, spread, slippage, price_impact, platform_fee, network_fee, liquidity_provider_fee, total_fee, provider, protocol, route, transaction_hash, block_number, gas_used, status, failure_reason, metadata, created_at, completed_at) ON treasury.currency_swaps TO lango_anonymous;
GRANT SELECT (id, user_id, dao_id, from_currency, to_currency, from_amount, to_amount, exchange_rate, market_rate, spread, slippage, price_impact, platform_fee, network_fee, liquidity_provider_fee, total_fee, provider, protocol, route, transaction_hash, block_number, gas_used, status, failure_reason, metadata, created_at, completed_at) ON treasury.currency_swaps TO lango_member;
GRANT SELECT (id, user_id, dao_id, from_currency, to_currency, from_amount, to_amount, exchange_rate, market_rate, spread, slippage, price_impact, platform_fee, network_fee, liquidity_provider_fee, total_fee, provider, protocol, route, transaction_hash, block_number, gas_used, status, failure_reason, metadata, created_at, completed_at) ON treasury.currency_swaps TO lango_staff;
CREATE POLICY lango_member ON treasury.currency_swaps FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
CREATE POLICY lango_staff ON treasury.currency_swaps FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.currency_swaps TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.currency_swaps TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.currency_swaps TO lango_rules, lango_worker;
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.currency_swaps FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'pending>completed', 'pending>expired', 'pending>failed');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.currency_swaps FOR EACH ROW EXECUTE FUNCTION lango.audit('currency_swap', 'id', '', '', '');

CREATE TABLE treasury.gas_price_history (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    network TEXT DEFAULT 'celo',
    gas_price NUMERIC(18, 8) NOT NULL,
    base_fee NUMERIC(18, 8),
    priority_fee NUMERIC(18, 8),
    max_fee NUMERIC(18, 8),
    avg_gas_price_1h NUMERIC(18, 8),
    avg_gas_price_24h NUMERIC(18, 8),
    min_gas_price_24h NUMERIC(18, 8),
    max_gas_price_24h NUMERIC(18, 8),
    network_congestion TEXT,
    block_number INTEGER,
    block_time INTEGER,
    transaction_count INTEGER,
    recommended_gas_price NUMERIC(18, 8),
    estimated_confirmation_time INTEGER,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_gas_price_history PRIMARY KEY (id),
    CONSTRAINT ck_gas_price_history_network_is_known CHECK (network IN ('celo', 'alfajores')),
    CONSTRAINT ck_gas_price_history_network_congestion_is_known CHECK (network_congestion IN ('low', 'medium', 'high')),
    CONSTRAINT ck_gas_price_history_times_are_finite CHECK (timestamp >= '0001-01-01' AND timestamp < '9999-01-01'),
    CONSTRAINT ck_gas_price_history_numbers_are_real CHECK (gas_price <> 'NaN' AND base_fee <> 'NaN' AND priority_fee <> 'NaN' AND max_fee <> 'NaN' AND avg_gas_price_1h <> 'NaN' AND avg_gas_price_24h <> 'NaN' AND min_gas_price_24h <> 'NaN' AND max_gas_price_24h <> 'NaN' AND recommended_gas_price <> 'NaN')
);

COMMENT ON TABLE treasury.gas_price_history IS 'What computation on a chain cost at one moment, in gwei for each unit of gas.';
COMMENT ON COLUMN treasury.gas_price_history.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.gas_price_history.network IS 'The chain it was seen on.';
COMMENT ON COLUMN treasury.gas_price_history.gas_price IS 'What was paid at that moment, in gwei for each unit of gas.';
COMMENT ON COLUMN treasury.gas_price_history.base_fee IS 'What the chain itself took, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.priority_fee IS 'What was paid on top to go first, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.max_fee IS 'The most a transaction should offer, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.avg_gas_price_1h IS 'The mean of the last hour, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.avg_gas_price_24h IS 'The mean of the last 24 hours, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.min_gas_price_24h IS 'The lowest of the last 24 hours, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.max_gas_price_24h IS 'The highest of the last 24 hours, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.network_congestion IS 'How busy the chain was; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.block_number IS 'The newest block at that moment; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.block_time IS 'How long the chain took for a block, in seconds; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.transaction_count IS 'How many transactions that block held; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.recommended_gas_price IS 'What a transaction should offer to be confirmed soon, in gwei; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.estimated_confirmation_time IS 'How long it then waits to be confirmed, in seconds; null where unknown.';
COMMENT ON COLUMN treasury.gas_price_history.timestamp IS 'The moment it was seen.';
ALTER TABLE treasury.gas_price_history ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, network, gas_price, base_fee, priority_fee, max_fee, avg_gas_price_1h, avg_gas_price_24h, min_gas_price_24h, max_gas_price_24h, network_congestion, block_number, block_time, transaction_count, recommended_gas_price, estimated_confirmation_time, timestamp) ON treasury.gas_price_history TO lango_anonymous;
GRANT SELECT (id, network, gas_price, base_fee, priority_fee, max_fee, avg_gas_price_1h, avg_gas_price_24h, min_gas_price_24h, max_gas_price_24h, network_congestion, block_number, block_time, transaction_count, recommended_gas_price, estimated_confirmation_time, timestamp) ON treasury.gas_price_history TO lango_member;
GRANT SELECT (id, network, gas_price, base_fee, priority_fee, max_fee, avg_gas_price_1h, avg_gas_price_24h, min_gas_price_24h, max_gas_price_24h, network_congestion, block_number, block_time, transaction_count, recommended_gas_price, estimated_confirmation_time, timestamp) ON treasury.gas_price_history TO lango_staff;
CREATE POLICY lango_anonymous ON treasury.gas_price_history FOR SELECT TO lango_anonymous USING (((true)));
CREATE POLICY lango_member ON treasury.gas_price_history FOR SELECT TO lango_member USING (((true)));
CREATE POLICY lango_staff ON treasury.gas_price_history FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.gas_price_history TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.gas_price_history TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.gas_price_history TO lango_rules, lango_worker;

CREATE TABLE treasury.dao_treasuries (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    dao_id UUID NOT NULL,
    total_balance NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    available_balance NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    allocated_balance NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    reserve_balance NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    minimum_reserve NUMERIC(18, 8) DEFAULT 0 NOT NULL,
    daily_spending_limit NUMERIC(18, 8),
    proposal_threshold NUMERIC(18, 8),
    required_signatures INTEGER DEFAULT 1,
    signers UUID[] DEFAULT '{}' NOT NULL,
    last_audit_date TIMESTAMP WITH TIME ZONE,
    audited_by UUID,
    audit_report JSONB,
    notes TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    currency TEXT DEFAULT 'KES' NOT NULL,
    CONSTRAINT pk_dao_treasuries PRIMARY KEY (id),
    CONSTRAINT ck_dao_treasuries_total_adds_up CHECK (total_balance = available_balance + allocated_balance + reserve_balance),
    CONSTRAINT ck_dao_treasuries_a_signature_is_required CHECK (required_signatures >= 1),
    CONSTRAINT uq_dao_treasuries_dao_id UNIQUE (dao_id),
    CONSTRAINT ck_dao_treasuries_times_are_finite CHECK (last_audit_date >= '0001-01-01' AND last_audit_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_dao_treasuries_numbers_are_real CHECK (total_balance <> 'NaN' AND available_balance <> 'NaN' AND allocated_balance <> 'NaN' AND reserve_balance <> 'NaN' AND minimum_reserve <> 'NaN' AND daily_spending_limit <> 'NaN' AND proposal_threshold <> 'NaN')
);
CREATE INDEX ix_dao_treasuries_audited_by ON treasury.dao_treasuries (audited_by);

COMMENT ON TABLE treasury.dao_treasuries IS 'The money a DAO holds, and the rules by which it may be spent.';
COMMENT ON COLUMN treasury.dao_treasuries.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.dao_treasuries.dao_id IS 'The DAO whose money it is; each has one treasury.';
COMMENT ON COLUMN treasury.dao_treasuries.total_balance IS 'Available, allocated and reserve together, in `currency`.';
COMMENT ON COLUMN treasury.dao_treasuries.available_balance IS 'What is free to be spent, in `currency`.';
COMMENT ON COLUMN treasury.dao_treasuries.allocated_balance IS 'What is promised to proposals and budgets, in `currency`.';
COMMENT ON COLUMN treasury.dao_treasuries.reserve_balance IS 'What is put by for emergencies, in `currency`.';
COMMENT ON COLUMN treasury.dao_treasuries.minimum_reserve IS 'What a transfer must leave in reserve, in `currency`.';
COMMENT ON COLUMN treasury.dao_treasuries.daily_spending_limit IS 'The most that transfers may take in one day, in `currency`; null for no limit.';
COMMENT ON COLUMN treasury.dao_treasuries.proposal_threshold IS 'The amount from which spending needs a proposal, in `currency`; null where none does.';
COMMENT ON COLUMN treasury.dao_treasuries.required_signatures IS 'How many signers must approve a transfer before it is paid; at least 1.';
COMMENT ON COLUMN treasury.dao_treasuries.signers IS 'The ids of the users who may approve or reject its transfers; empty where nobody may.';
COMMENT ON COLUMN treasury.dao_treasuries.last_audit_date IS 'When it was last audited; null before the first audit.';
COMMENT ON COLUMN treasury.dao_treasuries.audited_by IS 'Who audited it last; null before the first audit.';
COMMENT ON COLUMN treasury.dao_treasuries.audit_report IS 'What the last audit found, as structured data; null before the first.';
COMMENT ON COLUMN treasury.dao_treasuries.notes IS 'Remarks for the DAO''s members; null without any.';
COMMENT ON COLUMN treasury.dao_treasuries.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.dao_treasuries.updated_at IS 'When the row was last changed.';
COMMENT ON COLUMN treasury.dao_treasuries.currency IS 'What every amount in it is counted in, such as `KES`.';
ALTER TABLE treasury.dao_treasuries ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, dao_id, total_balance, available_balance, allocated_balance, reserve_balance, minimum_reserve, daily_spending_limit, proposal_threshold, required_signatures, signers, last_audit_date, audited_by, audit_report, notes, created_at, updated_at, currency) ON treasury.dao_treasuries TO lango_anonymous;
GRANT SELECT (id, dao_id, total_balance, available_balance, allocated_balance, reserve_balance, minimum_reserve, daily_spending_limit, proposal_threshold, required_signatures, signers, last_audit_date, audited_by, audit_report, notes, created_at, updated_at, currency) ON treasury.dao_treasuries TO lango_member;
GRANT SELECT (id, dao_id, total_balance, available_balance, allocated_balance, reserve_balance, minimum_reserve, daily_spending_limit, proposal_threshold, required_signatures, signers, last_audit_date, audited_by, audit_report, notes, created_at, updated_at, currency) ON treasury.dao_treasuries TO lango_staff;
CREATE POLICY lango_member ON treasury.dao_treasuries FOR SELECT TO lango_member USING (((dao_id = ANY ((SELECT lango.my_daos())::uuid[]))));
CREATE POLICY lango_staff ON treasury.dao_treasuries FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.dao_treasuries TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.dao_treasuries TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.dao_treasuries TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.dao_treasuries FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.dao_treasuries FOR EACH ROW EXECUTE FUNCTION lango.audit('dao_treasury', 'id', '', '', '');

CREATE TABLE treasury.treasury_transfers (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    treasury_id UUID NOT NULL,
    proposed_by UUID NOT NULL,
    recipient_user_id UUID NOT NULL,
    amount NUMERIC(18, 8) NOT NULL,
    currency TEXT NOT NULL,
    purpose TEXT NOT NULL,
    status TEXT DEFAULT 'proposed' NOT NULL,
    executed_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_treasury_transfers PRIMARY KEY (id),
    CONSTRAINT ck_treasury_transfers_amount_is_positive CHECK (amount > 0),
    CONSTRAINT ck_treasury_transfers_status_is_known CHECK (status IN ('proposed', 'approved', 'executed', 'rejected', 'expired', 'cancelled')),
    CONSTRAINT ck_treasury_transfers_times_are_finite CHECK (executed_at >= '0001-01-01' AND executed_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'),
    CONSTRAINT ck_treasury_transfers_numbers_are_real CHECK (amount <> 'NaN')
);
CREATE INDEX ix_treasury_transfers_proposed_by ON treasury.treasury_transfers (proposed_by);
CREATE INDEX ix_treasury_transfers_recipient_user_id ON treasury.treasury_transfers (recipient_user_id);
CREATE INDEX ix_treasury_transfers_treasury_id ON treasury.treasury_transfers (treasury_id);

COMMENT ON TABLE treasury.treasury_transfers IS 'A payment from a DAO''s treasury, which its signers must approve.';
COMMENT ON COLUMN treasury.treasury_transfers.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.treasury_transfers.treasury_id IS 'The treasury that pays.';
COMMENT ON COLUMN treasury.treasury_transfers.proposed_by IS 'Who proposed it.';
COMMENT ON COLUMN treasury.treasury_transfers.recipient_user_id IS 'The user who is paid.';
COMMENT ON COLUMN treasury.treasury_transfers.amount IS 'How much is paid, in `currency`; always above zero.';
COMMENT ON COLUMN treasury.treasury_transfers.currency IS 'What it is paid in: the treasury''s currency.';
COMMENT ON COLUMN treasury.treasury_transfers.purpose IS 'What the money is for, as the signers read it.';
COMMENT ON COLUMN treasury.treasury_transfers.status IS 'Where it stands.';
COMMENT ON COLUMN treasury.treasury_transfers.executed_at IS 'When it was paid; null before.';
COMMENT ON COLUMN treasury.treasury_transfers.expires_at IS 'When it can no longer be approved or paid.';
COMMENT ON COLUMN treasury.treasury_transfers.created_at IS 'When the row was written.';
COMMENT ON COLUMN treasury.treasury_transfers.updated_at IS 'When the row was last changed.';
ALTER TABLE treasury.treasury_transfers ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, treasury_id, proposed_by, recipient_user_id, amount, currency, purpose, status, executed_at, expires_at, created_at, updated_at) ON treasury.treasury_transfers TO lango_anonymous;
GRANT SELECT (id, treasury_id, proposed_by, recipient_user_id, amount, currency, purpose, status, executed_at, expires_at, created_at, updated_at) ON treasury.treasury_transfers TO lango_member;
GRANT SELECT (id, treasury_id, proposed_by, recipient_user_id, amount, currency, purpose, status, executed_at, expires_at, created_at, updated_at) ON treasury.treasury_transfers TO lango_staff;
CREATE POLICY lango_member ON treasury.treasury_transfers FOR SELECT TO lango_member USING (((treasury_id = ANY ((SELECT lango.my_dao_treasuries())::uuid[]))));
CREATE POLICY lango_staff ON treasury.treasury_transfers FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.treasury_transfers TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.treasury_transfers TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.treasury_transfers TO lango_rules, lango_worker;
CREATE TRIGGER touch BEFORE UPDATE ON treasury.treasury_transfers FOR EACH ROW EXECUTE FUNCTION lango.touch();
CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.treasury_transfers FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>cancelled', 'approved>executed', 'approved>expired', 'proposed>approved', 'proposed>cancelled', 'proposed>executed', 'proposed>expired', 'proposed>rejected');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.treasury_transfers FOR EACH ROW EXECUTE FUNCTION lango.audit('treasury_transfer', 'id', '', '', '');

CREATE TABLE treasury.treasury_approvals (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    transfer_id UUID NOT NULL,
    signer_id UUID NOT NULL,
    decision TEXT NOT NULL,
    comment TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_treasury_approvals PRIMARY KEY (id),
    CONSTRAINT uq_treasury_approvals_transfer_id_signer_id UNIQUE (transfer_id, signer_id),
    CONSTRAINT ck_treasury_approvals_decision_is_known CHECK (decision IN ('approve', 'reject')),
    CONSTRAINT ck_treasury_approvals_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_treasury_approvals_signer_id ON treasury.treasury_approvals (signer_id);

COMMENT ON TABLE treasury.treasury_approvals IS 'A signer''s decision on a transfer; each signer decides once.';
COMMENT ON COLUMN treasury.treasury_approvals.id IS 'The row''s key.';
COMMENT ON COLUMN treasury.treasury_approvals.transfer_id IS 'The transfer that is decided on.';
COMMENT ON COLUMN treasury.treasury_approvals.signer_id IS 'The signer who decided.';
COMMENT ON COLUMN treasury.treasury_approvals.decision IS 'What the signer said.';
COMMENT ON COLUMN treasury.treasury_approvals.comment IS 'Why, in the signer''s words; null without a text.';
COMMENT ON COLUMN treasury.treasury_approvals.created_at IS 'When the row was written.';
ALTER TABLE treasury.treasury_approvals ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, transfer_id, signer_id, decision, comment, created_at) ON treasury.treasury_approvals TO lango_anonymous;
GRANT SELECT (id, transfer_id, signer_id, decision, comment, created_at) ON treasury.treasury_approvals TO lango_member;
GRANT SELECT (id, transfer_id, signer_id, decision, comment, created_at) ON treasury.treasury_approvals TO lango_staff;
CREATE POLICY lango_member ON treasury.treasury_approvals FOR SELECT TO lango_member USING (((transfer_id = ANY ((SELECT lango.my_treasury_transfers())::uuid[]))));
CREATE POLICY lango_staff ON treasury.treasury_approvals FOR SELECT TO lango_staff USING (true);
CREATE POLICY lango_rules ON treasury.treasury_approvals TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON treasury.treasury_approvals TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.treasury_approvals TO lango_rules, lango_worker;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.treasury_approvals FOR EACH ROW EXECUTE FUNCTION lango.audit('treasury_approval', 'id', '', '', '');

ALTER TABLE treasury.user_balances ADD CONSTRAINT fk_user_balances_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.user_balances ADD CONSTRAINT fk_user_balances_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.wallet_transactions ADD CONSTRAINT fk_wallet_transactions_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.wallet_transactions ADD CONSTRAINT fk_wallet_transactions_from_user_id FOREIGN KEY(from_user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.wallet_transactions ADD CONSTRAINT fk_wallet_transactions_to_user_id FOREIGN KEY(to_user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.transaction_fees ADD CONSTRAINT fk_transaction_fees_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.transaction_fees ADD CONSTRAINT fk_transaction_fees_paid_by FOREIGN KEY(paid_by) REFERENCES identity.users (id);

ALTER TABLE treasury.daos ADD CONSTRAINT fk_daos_creator_id FOREIGN KEY(creator_id) REFERENCES identity.users (id);

ALTER TABLE treasury.dao_members ADD CONSTRAINT fk_dao_members_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id) ON DELETE CASCADE;

ALTER TABLE treasury.dao_members ADD CONSTRAINT fk_dao_members_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT fk_mpesa_transactions_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.mpesa_transactions ADD CONSTRAINT fk_mpesa_transactions_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.recurring_payments ADD CONSTRAINT fk_recurring_payments_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.recurring_payments ADD CONSTRAINT fk_recurring_payments_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.referral_payouts ADD CONSTRAINT fk_referral_payouts_referral_id FOREIGN KEY(referral_id) REFERENCES referrals.referrals (id);

ALTER TABLE treasury.referral_payouts ADD CONSTRAINT fk_referral_payouts_referrer_id FOREIGN KEY(referrer_id) REFERENCES identity.users (id);

ALTER TABLE treasury.financial_reports ADD CONSTRAINT fk_financial_reports_approved_by FOREIGN KEY(approved_by) REFERENCES identity.users (id);

ALTER TABLE treasury.financial_reports ADD CONSTRAINT fk_financial_reports_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.financial_reports ADD CONSTRAINT fk_financial_reports_generated_by_user_id FOREIGN KEY(generated_by_user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.financial_reports ADD CONSTRAINT fk_financial_reports_reviewed_by FOREIGN KEY(reviewed_by) REFERENCES identity.users (id);

ALTER TABLE treasury.financial_reports ADD CONSTRAINT fk_financial_reports_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.swap_quotes ADD CONSTRAINT fk_swap_quotes_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.currency_swaps ADD CONSTRAINT fk_currency_swaps_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.currency_swaps ADD CONSTRAINT fk_currency_swaps_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.dao_treasuries ADD CONSTRAINT fk_dao_treasuries_audited_by FOREIGN KEY(audited_by) REFERENCES identity.users (id);

ALTER TABLE treasury.dao_treasuries ADD CONSTRAINT fk_dao_treasuries_dao_id FOREIGN KEY(dao_id) REFERENCES treasury.daos (id);

ALTER TABLE treasury.treasury_transfers ADD CONSTRAINT fk_treasury_transfers_proposed_by FOREIGN KEY(proposed_by) REFERENCES identity.users (id);

ALTER TABLE treasury.treasury_transfers ADD CONSTRAINT fk_treasury_transfers_recipient_user_id FOREIGN KEY(recipient_user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.treasury_transfers ADD CONSTRAINT fk_treasury_transfers_treasury_id FOREIGN KEY(treasury_id) REFERENCES treasury.dao_treasuries (id);

ALTER TABLE treasury.treasury_approvals ADD CONSTRAINT fk_treasury_approvals_signer_id FOREIGN KEY(signer_id) REFERENCES identity.users (id);

ALTER TABLE treasury.treasury_approvals ADD CONSTRAINT fk_treasury_approvals_transfer_id FOREIGN KEY(transfer_id) REFERENCES treasury.treasury_transfers (id) ON DELETE CASCADE;
