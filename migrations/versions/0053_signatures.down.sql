-- What counts no more would count again.
DELETE FROM treasury.treasury_approvals WHERE voided_at IS NOT NULL;

DROP TABLE treasury.signer_change_approvals;

DROP TABLE treasury.signer_changes;

DROP FUNCTION lango.my_signer_changes();

DROP FUNCTION lango.counting_signers(uuid[]);

DROP TRIGGER check_signers ON treasury.dao_treasuries;

DROP FUNCTION lango.check_signers();

DROP INDEX treasury.ix_treasury_transfers_closed_by;

DROP INDEX treasury.ix_treasury_transfers_executed;

DROP INDEX treasury.ix_treasury_transfers_executed_by;

DROP INDEX treasury.ix_treasury_transfers_open;

DROP INDEX treasury.ix_treasury_transfers_wallet_transaction_id;

ALTER TABLE treasury.treasury_transfers DROP CONSTRAINT fk_treasury_transfers_closed_by;

ALTER TABLE treasury.treasury_transfers DROP CONSTRAINT fk_treasury_transfers_executed_by;

ALTER TABLE treasury.treasury_transfers DROP CONSTRAINT fk_treasury_transfers_wallet_transaction_id;

ALTER TABLE treasury.dao_treasuries DROP CONSTRAINT ck_dao_treasuries_no_part_is_owed;

ALTER TABLE treasury.dao_treasuries DROP CONSTRAINT ck_dao_treasuries_minimum_reserve_is_no_debt;

ALTER TABLE treasury.dao_treasuries DROP CONSTRAINT ck_dao_treasuries_daily_limit_is_no_debt;

COMMENT ON COLUMN treasury.dao_treasuries.minimum_reserve IS 'What a transfer must leave in reserve, in `currency`.';

COMMENT ON COLUMN treasury.dao_treasuries.daily_spending_limit IS 'The most that transfers may take in one day, in `currency`; null for no limit.';

DROP TRIGGER guard_transition ON treasury.treasury_transfers;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.treasury_transfers FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>cancelled', 'approved>executed', 'approved>expired', 'proposed>approved', 'proposed>cancelled', 'proposed>executed', 'proposed>expired', 'proposed>rejected');

ALTER TABLE treasury.treasury_approvals DROP CONSTRAINT ck_treasury_approvals_void_reason_is_known;

ALTER TABLE treasury.treasury_approvals DROP CONSTRAINT ck_treasury_approvals_times_are_finite;

ALTER TABLE treasury.treasury_approvals ADD CONSTRAINT ck_treasury_approvals_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01');

COMMENT ON TABLE treasury.treasury_approvals IS 'A signer''s decision on a transfer; each signer decides once.';

ALTER TABLE treasury.treasury_transfers DROP COLUMN threshold_at_proposal, DROP COLUMN signers_at_proposal, DROP COLUMN executed_by, DROP COLUMN closed_by, DROP COLUMN closing_reason, DROP COLUMN blocked_by, DROP COLUMN wallet_transaction_id;

ALTER TABLE treasury.treasury_approvals DROP COLUMN voided_at, DROP COLUMN void_reason;
