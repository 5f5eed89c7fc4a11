DROP INDEX treasury.ix_recurring_payments_due;

DROP INDEX treasury.ix_recurring_occurrences_user_id;

DROP INDEX treasury.ix_recurring_occurrences_wallet_transaction_id;

DROP POLICY lango_member ON treasury.recurring_occurrences;

DROP POLICY lango_staff ON treasury.recurring_occurrences;

DROP POLICY lango_rules ON treasury.recurring_occurrences;

DROP POLICY lango_worker ON treasury.recurring_occurrences;

DROP TRIGGER append_only ON treasury.recurring_occurrences;

DROP INDEX treasury.ix_swap_quotes_rate_id;

DROP INDEX treasury.ix_gas_price_history_network_timestamp;

ALTER TABLE treasury.recurring_occurrences DROP CONSTRAINT fk_recurring_occurrences_recurring_payment_id;

ALTER TABLE treasury.recurring_occurrences DROP CONSTRAINT fk_recurring_occurrences_user_id;

ALTER TABLE treasury.recurring_occurrences DROP CONSTRAINT fk_recurring_occurrences_wallet_transaction_id;

ALTER TABLE treasury.swap_quotes DROP CONSTRAINT fk_swap_quotes_rate_id;

ALTER TABLE treasury.currency_swaps DROP CONSTRAINT fk_currency_swaps_quote_id;

ALTER TABLE treasury.recurring_payments DROP CONSTRAINT ck_recurring_payments_interval_is_in_range;

ALTER TABLE treasury.recurring_payments DROP CONSTRAINT ck_recurring_payments_amount_is_positive;

ALTER TABLE treasury.recurring_payments DROP CONSTRAINT ck_recurring_payments_max_payments_is_positive;

ALTER TABLE treasury.recurring_payments DROP CONSTRAINT ck_recurring_payments_times_are_finite;

ALTER TABLE treasury.recurring_payments ADD CONSTRAINT ck_recurring_payments_times_are_finite CHECK (start_date >= '0001-01-01' AND start_date < '9999-01-01' AND next_payment_date >= '0001-01-01' AND next_payment_date < '9999-01-01' AND end_date >= '0001-01-01' AND end_date < '9999-01-01' AND paused_at >= '0001-01-01' AND paused_at < '9999-01-01' AND last_payment_date >= '0001-01-01' AND last_payment_date < '9999-01-01' AND last_failure_date >= '0001-01-01' AND last_failure_date < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND cancelled_at >= '0001-01-01' AND cancelled_at < '9999-01-01');

COMMENT ON COLUMN treasury.recurring_payments.failed_attempts IS 'How many tries failed; the third pauses it.';

ALTER TABLE treasury.exchange_rates DROP CONSTRAINT ck_exchange_rates_currencies_differ;

ALTER TABLE treasury.exchange_rates DROP CONSTRAINT ck_exchange_rates_spread_is_a_part;

ALTER TABLE treasury.swap_quotes DROP CONSTRAINT ck_swap_quotes_currencies_differ;

ALTER TABLE treasury.swap_quotes DROP CONSTRAINT ck_swap_quotes_numbers_are_real;

ALTER TABLE treasury.swap_quotes ADD CONSTRAINT ck_swap_quotes_numbers_are_real CHECK (from_amount <> 'NaN' AND to_amount <> 'NaN' AND rate <> 'NaN' AND fee <> 'NaN');

ALTER TABLE treasury.currency_swaps DROP CONSTRAINT uq_currency_swaps_quote_id;

ALTER TABLE treasury.gas_price_history DROP CONSTRAINT uq_gas_price_history_network_block_number;

DROP TABLE treasury.recurring_occurrences;

ALTER TABLE treasury.recurring_payments DROP COLUMN occurrence, DROP COLUMN missed_payments, DROP COLUMN consecutive_failures, DROP COLUMN retry_at, DROP COLUMN noticed_occurrence, DROP COLUMN time_zone, DROP COLUMN ended_at;

ALTER TABLE treasury.swap_quotes DROP COLUMN rate_id, DROP COLUMN fee_rate;

ALTER TABLE treasury.currency_swaps DROP COLUMN quote_id;
