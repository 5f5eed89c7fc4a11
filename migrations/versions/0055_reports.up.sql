CREATE FUNCTION lango.keep_published() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$BEGIN
    IF OLD.published_at IS NULL AND OLD.status IS DISTINCT FROM 'published' THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    IF to_jsonb(NEW) - ARRAY['status', 'updated_at'] = to_jsonb(OLD) - ARRAY['status', 'updated_at'] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '%.% % is published', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'LG002', HINT = 'A correction is a new version.';
END$$;

COMMENT ON FUNCTION lango.keep_published() IS 'Refuses to change what is published, but for the step into the archive, and to delete it.';

REVOKE ALL ON FUNCTION lango.keep_published() FROM PUBLIC;

ALTER TABLE treasury.financial_reports ALTER COLUMN total_revenue TYPE NUMERIC(28, 8), ALTER COLUMN total_expenses TYPE NUMERIC(28, 8), ALTER COLUMN net_profit TYPE NUMERIC(28, 8), ALTER COLUMN total_assets TYPE NUMERIC(28, 8), ALTER COLUMN total_liabilities TYPE NUMERIC(28, 8), ALTER COLUMN equity TYPE NUMERIC(28, 8);

ALTER TABLE treasury.financial_reports ADD COLUMN ledger_position BIGINT DEFAULT 0 NOT NULL, ADD COLUMN ledger_transaction_id UUID, ADD COLUMN currency TEXT, ADD COLUMN supersedes_id UUID;

-- Until now nothing counted the versions of a period.
UPDATE treasury.financial_reports r SET version = counted.version FROM (
    SELECT id, row_number() OVER (
        PARTITION BY dao_id, CASE WHEN dao_id IS NULL THEN user_id END, report_type, period_start, period_end
        ORDER BY version, created_at, id
    ) AS version FROM treasury.financial_reports
) counted
WHERE counted.id = r.id AND counted.version IS DISTINCT FROM r.version;

CREATE INDEX ix_financial_reports_supersedes_id ON treasury.financial_reports (supersedes_id);

CREATE UNIQUE INDEX uq_financial_reports_dao_id ON treasury.financial_reports (dao_id, report_type, period_start, period_end, version);

CREATE UNIQUE INDEX uq_financial_reports_user_id ON treasury.financial_reports (user_id, report_type, period_start, period_end, version) WHERE dao_id IS NULL;

COMMENT ON TABLE treasury.financial_reports IS 'The accounts of a DAO or of a user over a period. Once published it does not change: a correction is the next version of it.';

COMMENT ON COLUMN treasury.financial_reports.total_revenue IS 'What came in, in `currency`; null where the report has no such figure.';

COMMENT ON COLUMN treasury.financial_reports.total_expenses IS 'What went out, in `currency`; null where the report has no such figure.';

COMMENT ON COLUMN treasury.financial_reports.total_assets IS 'What was owned at the end, in `currency`; null where it is not reported.';

COMMENT ON COLUMN treasury.financial_reports.total_liabilities IS 'What was owed at the end, in `currency`; null where it is not reported.';

COMMENT ON COLUMN treasury.financial_reports.ledger_position IS 'The `position` in the ledger up to which postings are in it; 0 where there was none.';

COMMENT ON COLUMN treasury.financial_reports.ledger_transaction_id IS 'The ledger transaction at that position, the last that it takes in; null where there was none.';

COMMENT ON COLUMN treasury.financial_reports.currency IS 'What its totals are counted in; null where they would be of several currencies, or of none.';

COMMENT ON COLUMN treasury.financial_reports.supersedes_id IS 'The version before it, which it corrects; null for the first.';

GRANT SELECT (ledger_position, ledger_transaction_id, currency, supersedes_id) ON treasury.financial_reports TO lango_anonymous;

GRANT SELECT (ledger_position, ledger_transaction_id, currency, supersedes_id) ON treasury.financial_reports TO lango_member;

GRANT SELECT (ledger_position, ledger_transaction_id, currency, supersedes_id) ON treasury.financial_reports TO lango_staff;

CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON treasury.financial_reports FOR EACH ROW EXECUTE FUNCTION lango.keep_published();

ALTER TABLE treasury.financial_reports ADD CONSTRAINT fk_financial_reports_supersedes_id FOREIGN KEY(supersedes_id) REFERENCES treasury.financial_reports (id);

-- What was charged in a period.
CREATE INDEX ix_transaction_fees_created_at ON treasury.transaction_fees (created_at);
