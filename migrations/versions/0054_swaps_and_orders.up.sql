ALTER TABLE treasury.recurring_payments DROP CONSTRAINT ck_recurring_payments_times_are_finite;

ALTER TABLE treasury.recurring_payments ADD COLUMN occurrence INTEGER DEFAULT 0 NOT NULL, ADD COLUMN missed_payments INTEGER DEFAULT 0 NOT NULL, ADD COLUMN consecutive_failures INTEGER DEFAULT 0 NOT NULL, ADD COLUMN retry_at TIMESTAMP WITH TIME ZONE, ADD COLUMN noticed_occurrence INTEGER, ADD COLUMN time_zone TEXT DEFAULT 'Africa/Nairobi' NOT NULL, ADD COLUMN ended_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE treasury.recurring_payments ADD CONSTRAINT ck_recurring_payments_interval_is_in_range CHECK ("interval" BETWEEN 1 AND 366);

ALTER TABLE treasury.recurring_payments ADD CONSTRAINT ck_recurring_payments_amount_is_positive CHECK (amount > 0);

ALTER TABLE treasury.recurring_payments ADD CONSTRAINT ck_recurring_payments_max_payments_is_positive CHECK (max_payments > 0);

ALTER TABLE treasury.recurring_payments ADD CONSTRAINT ck_recurring_payments_times_are_finite CHECK (start_date >= '0001-01-01' AND start_date < '9999-01-01' AND next_payment_date >= '0001-01-01' AND next_payment_date < '9999-01-01' AND end_date >= '0001-01-01' AND end_date < '9999-01-01' AND paused_at >= '0001-01-01' AND paused_at < '9999-01-01' AND last_payment_date >= '0001-01-01' AND last_payment_date < '9999-01-01' AND last_failure_date >= '0001-01-01' AND last_failure_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND cancelled_at >= '0001-01-01' AND cancelled_at < '9999-01-01' AND retry_at >= '0001-01-01' AND retry_at < '9999-01-01' AND ended_at >= '0001-01-01' AND ended_at < '9999-01-01');

CREATE INDEX ix_recurring_payments_due ON treasury.recurring_payments (next_payment_date, id) WHERE is_active AND NOT is_paused;

COMMENT ON COLUMN treasury.recurring_payments.failed_attempts IS 'How many tries failed.';

COMMENT ON COLUMN treasury.recurring_payments.occurrence IS 'Which of its dates is next, or the last where it has ended: 0 is `start_date`, 1 the one after it.';

COMMENT ON COLUMN treasury.recurring_payments.missed_payments IS 'How many dates fell due during an outage and were not paid afterwards.';

COMMENT ON COLUMN treasury.recurring_payments.consecutive_failures IS 'How many tries have failed since the last that went through; the third pauses it.';

COMMENT ON COLUMN treasury.recurring_payments.retry_at IS 'When the payment that failed is tried again; null where none has.';

COMMENT ON COLUMN treasury.recurring_payments.noticed_occurrence IS 'Of which date, counted as `occurrence` is, the payer was notified beforehand; null before any notice.';

COMMENT ON COLUMN treasury.recurring_payments.time_zone IS 'The zone whose clock and calendar its dates keep to.';

COMMENT ON COLUMN treasury.recurring_payments.ended_at IS 'When it ended by itself, by `end_date` or `max_payments`; null where it has not.';

GRANT SELECT (occurrence, missed_payments, consecutive_failures, retry_at, noticed_occurrence, time_zone, ended_at) ON treasury.recurring_payments TO lango_anonymous;

GRANT SELECT (occurrence, missed_payments, consecutive_failures, retry_at, noticed_occurrence, time_zone, ended_at) ON treasury.recurring_payments TO lango_member;

GRANT SELECT (occurrence, missed_payments, consecutive_failures, retry_at, noticed_occurrence, time_zone, ended_at) ON treasury.recurring_payments TO lango_staff;

CREATE TABLE treasury.recurring_occurrences (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    recurring_payment_id UUID NOT NULL, 
    user_id UUID NOT NULL, 
    occurrence INTEGER NOT NULL, 
    due_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    outcome TEXT NOT NULL, 
    wallet_transaction_id UUID, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_recurring_occurrences PRIMARY KEY (id), 
    CONSTRAINT uq_recurring_occurrences_recurring_payment_id_occurrence UNIQUE (recurring_payment_id, occurrence), 
    CONSTRAINT ck_recurring_occurrences_paid_by_a_transaction CHECK ((outcome = 'paid') = (wallet_transaction_id IS NOT NULL)), 
    CONSTRAINT ck_recurring_occurrences_outcome_is_known CHECK (outcome IN ('paid', 'failed', 'missed', 'skipped')), 
    CONSTRAINT ck_recurring_occurrences_times_are_finite CHECK (due_at >= '0001-01-01' AND due_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01')
);

CREATE INDEX ix_recurring_occurrences_user_id ON treasury.recurring_occurrences (user_id);

CREATE INDEX ix_recurring_occurrences_wallet_transaction_id ON treasury.recurring_occurrences (wallet_transaction_id);

COMMENT ON TABLE treasury.recurring_occurrences IS 'What became of one date of a recurring payment, each of which is paid once at most.';

COMMENT ON COLUMN treasury.recurring_occurrences.id IS 'The row''s key.';

COMMENT ON COLUMN treasury.recurring_occurrences.recurring_payment_id IS 'The order it is a date of.';

COMMENT ON COLUMN treasury.recurring_occurrences.user_id IS 'Whose order it is.';

COMMENT ON COLUMN treasury.recurring_occurrences.occurrence IS 'Which of the dates: 0 is the order''s `start_date`.';

COMMENT ON COLUMN treasury.recurring_occurrences.due_at IS 'When it fell due.';

COMMENT ON COLUMN treasury.recurring_occurrences.outcome IS 'What became of it.';

COMMENT ON COLUMN treasury.recurring_occurrences.wallet_transaction_id IS 'The movement that paid it; null unless it was paid.';

COMMENT ON COLUMN treasury.recurring_occurrences.created_at IS 'When the row was written.';

ALTER TABLE treasury.recurring_occurrences ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, recurring_payment_id, user_id, occurrence, due_at, outcome, wallet_transaction_id, created_at) ON treasury.recurring_occurrences TO lango_anonymous;

GRANT SELECT (id, recurring_payment_id, user_id, occurrence, due_at, outcome, wallet_transaction_id, created_at) ON treasury.recurring_occurrences TO lango_member;

GRANT SELECT (id, recurring_payment_id, user_id, occurrence, due_at, outcome, wallet_transaction_id, created_at) ON treasury.recurring_occurrences TO lango_staff;

CREATE POLICY lango_member ON treasury.recurring_occurrences FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));

CREATE POLICY lango_staff ON treasury.recurring_occurrences FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON treasury.recurring_occurrences TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON treasury.recurring_occurrences TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON treasury.recurring_occurrences TO lango_rules, lango_worker;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON treasury.recurring_occurrences FOR EACH ROW EXECUTE FUNCTION lango.refuse_change();

ALTER TABLE treasury.exchange_rates ADD CONSTRAINT ck_exchange_rates_currencies_differ CHECK (from_currency <> to_currency);

ALTER TABLE treasury.exchange_rates ADD CONSTRAINT ck_exchange_rates_spread_is_a_part CHECK (spread >= 0 AND spread < 1);

ALTER TABLE treasury.swap_quotes DROP CONSTRAINT ck_swap_quotes_numbers_are_real;

ALTER TABLE treasury.swap_quotes ADD COLUMN rate_id UUID, ADD COLUMN fee_rate NUMERIC(5, 4);

ALTER TABLE treasury.swap_quotes ADD CONSTRAINT ck_swap_quotes_currencies_differ CHECK (from_currency <> to_currency);

ALTER TABLE treasury.swap_quotes ADD CONSTRAINT ck_swap_quotes_numbers_are_real CHECK (from_amount <> 'NaN' AND to_amount <> 'NaN' AND rate <> 'NaN' AND fee <> 'NaN' AND fee_rate <> 'NaN');

CREATE INDEX ix_swap_quotes_rate_id ON treasury.swap_quotes (rate_id);

COMMENT ON COLUMN treasury.swap_quotes.rate_id IS 'The stored rate that it was made from; null for quotes of before it was kept.';

COMMENT ON COLUMN treasury.swap_quotes.fee_rate IS 'The fee as a fraction of `from_amount`, before it is rounded up; null for quotes of before it was kept.';

GRANT SELECT (rate_id, fee_rate) ON treasury.swap_quotes TO lango_anonymous;

GRANT SELECT (rate_id, fee_rate) ON treasury.swap_quotes TO lango_member;

GRANT SELECT (rate_id, fee_rate) ON treasury.swap_quotes TO lango_staff;

ALTER TABLE treasury.currency_swaps ADD COLUMN quote_id UUID;

ALTER TABLE treasury.currency_swaps ADD CONSTRAINT uq_currency_swaps_quote_id UNIQUE (quote_id);

COMMENT ON COLUMN treasury.currency_swaps.quote_id IS 'The quote that was taken; null for swaps of before it was kept.';

GRANT SELECT (quote_id) ON treasury.currency_swaps TO lango_anonymous;

GRANT SELECT (quote_id) ON treasury.currency_swaps TO lango_member;

GRANT SELECT (quote_id) ON treasury.currency_swaps TO lango_staff;

ALTER TABLE treasury.gas_price_history ADD CONSTRAINT uq_gas_price_history_network_block_number UNIQUE (network, block_number);

CREATE INDEX ix_gas_price_history_network_timestamp ON treasury.gas_price_history (network, timestamp);

ALTER TABLE treasury.recurring_occurrences ADD CONSTRAINT fk_recurring_occurrences_recurring_payment_id FOREIGN KEY(recurring_payment_id) REFERENCES treasury.recurring_payments (id);

ALTER TABLE treasury.recurring_occurrences ADD CONSTRAINT fk_recurring_occurrences_user_id FOREIGN KEY(user_id) REFERENCES identity.users (id);

ALTER TABLE treasury.recurring_occurrences ADD CONSTRAINT fk_recurring_occurrences_wallet_transaction_id FOREIGN KEY(wallet_transaction_id) REFERENCES treasury.wallet_transactions (id);

ALTER TABLE treasury.swap_quotes ADD CONSTRAINT fk_swap_quotes_rate_id FOREIGN KEY(rate_id) REFERENCES treasury.exchange_rates (id);

ALTER TABLE treasury.currency_swaps ADD CONSTRAINT fk_currency_swaps_quote_id FOREIGN KEY(quote_id) REFERENCES treasury.swap_quotes (id);
