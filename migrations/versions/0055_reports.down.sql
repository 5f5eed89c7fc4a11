DROP INDEX treasury.ix_transaction_fees_created_at;

DROP INDEX treasury.ix_financial_reports_supersedes_id;

DROP INDEX treasury.uq_financial_reports_dao_id;

DROP INDEX treasury.uq_financial_reports_user_id;

DROP TRIGGER keep_published ON treasury.financial_reports;

DROP FUNCTION lango.keep_published();

ALTER TABLE treasury.financial_reports DROP CONSTRAINT fk_financial_reports_supersedes_id;

ALTER TABLE treasury.financial_reports ALTER COLUMN total_revenue TYPE NUMERIC(18, 8), ALTER COLUMN total_expenses TYPE NUMERIC(18, 8), ALTER COLUMN net_profit TYPE NUMERIC(18, 8), ALTER COLUMN total_assets TYPE NUMERIC(18, 8), ALTER COLUMN total_liabilities TYPE NUMERIC(18, 8), ALTER COLUMN equity TYPE NUMERIC(18, 8);

COMMENT ON TABLE treasury.financial_reports IS 'The accounts of a DAO or of a user over a period.';

COMMENT ON COLUMN treasury.financial_reports.total_revenue IS 'What came in, in the currency of the DAO''s treasury; null where the report has no such figure.';

COMMENT ON COLUMN treasury.financial_reports.total_expenses IS 'What went out, in the currency of the DAO''s treasury; null where the report has no such figure.';

COMMENT ON COLUMN treasury.financial_reports.total_assets IS 'What was owned at the end, in the currency of the DAO''s treasury; null where it is not reported.';

COMMENT ON COLUMN treasury.financial_reports.total_liabilities IS 'What was owed at the end, in the currency of the DAO''s treasury; null where it is not reported.';

ALTER TABLE treasury.financial_reports DROP COLUMN ledger_position, DROP COLUMN ledger_transaction_id, DROP COLUMN currency, DROP COLUMN supersedes_id;
