CREATE FUNCTION lango.counting_signers(treasuries uuid[]) RETURNS TABLE (treasury_id uuid, user_id uuid)
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT t.id, m.user_id
FROM treasury.dao_treasuries t
JOIN treasury.dao_members m ON m.dao_id = t.dao_id AND m.user_id = ANY (t.signers) AND m.status = 'approved'
JOIN identity.users u ON u.id = m.user_id AND u.is_active AND u.deleted_at IS NULL
WHERE t.id = ANY (treasuries)
  AND (lango.is_staff() OR t.id = ANY ((SELECT lango.my_dao_treasuries())::uuid[]))$$;

COMMENT ON FUNCTION lango.counting_signers(uuid[]) IS 'The signers whose decisions count now, of those of these treasuries that the caller sees: approved members whose account is active.';

REVOKE ALL ON FUNCTION lango.counting_signers(uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.counting_signers(uuid[]) TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.check_signers() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    before uuid[] := CASE TG_OP WHEN 'UPDATE' THEN OLD.signers ELSE '{}' END;
BEGIN
    IF cardinality(NEW.signers) <> (SELECT count(DISTINCT signer) FROM unnest(NEW.signers) signer) THEN
        RAISE EXCEPTION 'treasury % has a signer twice', NEW.id USING ERRCODE = 'LG005';
    END IF;
    -- Without signers nobody can spend anything, whatever the number.
    IF cardinality(NEW.signers) BETWEEN 1 AND coalesce(NEW.required_signatures, 1) - 1 THEN
        RAISE EXCEPTION 'treasury % has fewer signers than it requires', NEW.id USING ERRCODE = 'LG005';
    END IF;
    -- Of those who are signers already some may have left or been suspended: they do not count.
    IF EXISTS (
        SELECT FROM unnest(NEW.signers) signer
        WHERE signer <> ALL (before) AND NOT EXISTS (
            SELECT FROM treasury.dao_members m JOIN identity.users u ON u.id = m.user_id
            WHERE m.dao_id = NEW.dao_id AND m.user_id = signer AND m.status = 'approved'
              AND u.is_active AND u.deleted_at IS NULL
        )
    ) THEN
        RAISE EXCEPTION 'treasury % has a signer who is no member', NEW.id USING ERRCODE = 'LG005';
    END IF;
    RETURN NULL;
END$$;

COMMENT ON FUNCTION lango.check_signers() IS 'Refuses signers who are named twice, are no active members when they are set, or are too few to ever agree.';

REVOKE ALL ON FUNCTION lango.check_signers() FROM PUBLIC;

ALTER TABLE treasury.dao_treasuries ADD CONSTRAINT ck_dao_treasuries_no_part_is_owed CHECK (available_balance >= 0 AND allocated_balance >= 0 AND reserve_balance >= 0);

ALTER TABLE treasury.dao_treasuries ADD CONSTRAINT ck_dao_treasuries_minimum_reserve_is_no_debt CHECK (minimum_reserve >= 0);

ALTER TABLE treasury.dao_treasuries ADD CONSTRAINT ck_dao_treasuries_daily_limit_is_no_debt CHECK (daily_spending_limit >= 0);

COMMENT ON COLUMN treasury.dao_treasuries.minimum_reserve IS 'What a transfer must leave in reserve and available together, in `currency`.';

COMMENT ON COLUMN treasury.dao_treasuries.daily_spending_limit IS 'The most that transfers may take in one day of the DAO''s `timeZone`, in `currency`; null for no limit.';

CREATE CONSTRAINT TRIGGER check_signers AFTER INSERT OR UPDATE OF signers, required_signatures ON treasury.dao_treasuries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lango.check_signers();

ALTER TABLE treasury.treasury_transfers ADD COLUMN threshold_at_proposal INTEGER DEFAULT 1 NOT NULL, ADD COLUMN signers_at_proposal UUID[] DEFAULT '{}' NOT NULL, ADD COLUMN executed_by UUID, ADD COLUMN closed_by UUID, ADD COLUMN closing_reason TEXT, ADD COLUMN blocked_by TEXT, ADD COLUMN wallet_transaction_id UUID;

-- Of what was proposed before, what holds now is the nearest there is.
UPDATE treasury.treasury_transfers r SET threshold_at_proposal = coalesce(t.required_signatures, 1), signers_at_proposal = t.signers FROM treasury.dao_treasuries t WHERE t.id = r.treasury_id;

CREATE INDEX ix_treasury_transfers_closed_by ON treasury.treasury_transfers (closed_by);

CREATE INDEX ix_treasury_transfers_executed ON treasury.treasury_transfers (treasury_id, executed_at) WHERE status = 'executed';

CREATE INDEX ix_treasury_transfers_executed_by ON treasury.treasury_transfers (executed_by);

CREATE INDEX ix_treasury_transfers_open ON treasury.treasury_transfers (treasury_id, expires_at) WHERE status IN ('proposed', 'approved');

CREATE INDEX ix_treasury_transfers_wallet_transaction_id ON treasury.treasury_transfers (wallet_transaction_id);

COMMENT ON COLUMN treasury.treasury_transfers.threshold_at_proposal IS 'How many signers had to approve when it was proposed or last changed; what counts is `signing`.';

COMMENT ON COLUMN treasury.treasury_transfers.signers_at_proposal IS 'The ids of those who were signers when it was proposed or last changed.';

COMMENT ON COLUMN treasury.treasury_transfers.executed_by IS 'The signer with whose approval or at whose word it was paid; null before.';

COMMENT ON COLUMN treasury.treasury_transfers.closed_by IS 'Who withdrew it, closed it as expired, or whose decision was the last against it; null where time or a change of signers did, and of others.';

COMMENT ON COLUMN treasury.treasury_transfers.closing_reason IS 'Why it was withdrawn, in the words of whoever did; null without.';

COMMENT ON COLUMN treasury.treasury_transfers.blocked_by IS 'What last prevented the payment although enough had approved: a refusal''s code, such as `DAILY_LIMIT`; null where nothing did.';

COMMENT ON COLUMN treasury.treasury_transfers.wallet_transaction_id IS 'The movement by which it was paid; null before.';

GRANT SELECT (threshold_at_proposal, signers_at_proposal, executed_by, closed_by, closing_reason, blocked_by, wallet_transaction_id) ON treasury.treasury_transfers TO lango_anonymous;

GRANT SELECT (threshold_at_proposal, signers_at_proposal, executed_by, closed_by, closing_reason, blocked_by, wallet_transaction_id) ON treasury.treasury_transfers TO lango_member;

GRANT SELECT (threshold_at_proposal, signers_at_proposal, executed_by, closed_by, closing_reason, blocked_by, wallet_transaction_id) ON treasury.treasury_transfers TO lango_staff;

DROP TRIGGER guard_transition ON treasury.treasury_transfers;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.treasury_transfers FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'approved>cancelled', 'approved>executed', 'approved>expired', 'approved>proposed', 'approved>rejected', 'proposed>approved', 'proposed>cancelled', 'proposed>executed', 'proposed>expired', 'proposed>rejected');

ALTER TABLE treasury.treasury_approvals DROP CONSTRAINT ck_treasury_approvals_times_are_finite;

ALTER TABLE treasury.treasury_approvals ADD COLUMN voided_at TIMESTAMP WITH TIME ZONE, ADD COLUMN void_reason TEXT;

ALTER TABLE treasury.treasury_approvals ADD CONSTRAINT ck_treasury_approvals_void_reason_is_known CHECK (void_reason IN ('no_longer_signer', 'transfer_changed'));

ALTER TABLE treasury.treasury_approvals ADD CONSTRAINT ck_treasury_approvals_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND voided_at >= '0001-01-01' AND voided_at < '9999-01-01');

COMMENT ON TABLE treasury.treasury_approvals IS 'A signer''s decision on a transfer; each signer decides once, and again where the decision counts no more.';

COMMENT ON COLUMN treasury.treasury_approvals.voided_at IS 'Since when it counts no more; null while it may count.';

COMMENT ON COLUMN treasury.treasury_approvals.void_reason IS 'Why it counts no more; null while it may count.';

GRANT SELECT (voided_at, void_reason) ON treasury.treasury_approvals TO lango_anonymous;

GRANT SELECT (voided_at, void_reason) ON treasury.treasury_approvals TO lango_member;

GRANT SELECT (voided_at, void_reason) ON treasury.treasury_approvals TO lango_staff;

CREATE TABLE treasury.signer_changes (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    treasury_id UUID NOT NULL, 
    proposed_by UUID NOT NULL, 
    added UUID[] DEFAULT '{}' NOT NULL, 
    removed UUID[] DEFAULT '{}' NOT NULL, 
    threshold INTEGER, 
    minimum_reserve NUMERIC(18, 8), 
    daily_spending_limit NUMERIC(18, 8), 
    lifts_daily_limit BOOLEAN DEFAULT false NOT NULL, 
    currency TEXT NOT NULL, 
    status TEXT DEFAULT 'proposed' NOT NULL, 
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    applied_at TIMESTAMP WITH TIME ZONE, 
    closed_by UUID, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_signer_changes PRIMARY KEY (id), 
    CONSTRAINT ck_signer_changes_a_signature_is_required CHECK (threshold >= 1), 
    CONSTRAINT ck_signer_changes_minimum_reserve_is_no_debt CHECK (minimum_reserve >= 0), 
    CONSTRAINT ck_signer_changes_daily_limit_is_no_debt CHECK (daily_spending_limit >= 0), 
    CONSTRAINT ck_signer_changes_daily_limit_is_set_or_lifted CHECK (NOT lifts_daily_limit OR daily_spending_limit IS NULL), 
    CONSTRAINT ck_signer_changes_status_is_known CHECK (status IN ('proposed', 'applied', 'rejected', 'cancelled', 'expired')), 
    CONSTRAINT ck_signer_changes_times_are_finite CHECK (expires_at >= '0001-01-01' AND expires_at < '9999-01-01' AND applied_at >= '0001-01-01' AND applied_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01'), 
    CONSTRAINT ck_signer_changes_numbers_are_real CHECK (minimum_reserve <> 'NaN' AND daily_spending_limit <> 'NaN')
);

CREATE INDEX ix_signer_changes_closed_by ON treasury.signer_changes (closed_by);

CREATE INDEX ix_signer_changes_proposed_by ON treasury.signer_changes (proposed_by);

CREATE INDEX ix_signer_changes_treasury_id ON treasury.signer_changes (treasury_id);

CREATE UNIQUE INDEX uq_signer_changes_open ON treasury.signer_changes (treasury_id) WHERE status = 'proposed';

COMMENT ON TABLE treasury.signer_changes IS 'A proposal to change the signers of a treasury, how many of them must approve, or its limits. It takes as many signers as a transfer does: else an admin alone could replace those who sign. A treasury has one that is open at most, so none is decided on by signers whom another has just replaced.';

COMMENT ON COLUMN treasury.signer_changes.id IS 'The row''s key.';

COMMENT ON COLUMN treasury.signer_changes.treasury_id IS 'The treasury whose signers change.';

COMMENT ON COLUMN treasury.signer_changes.proposed_by IS 'Who proposed it: a signer or an admin of the DAO.';

COMMENT ON COLUMN treasury.signer_changes.added IS 'The ids of the members who become signers.';

COMMENT ON COLUMN treasury.signer_changes.removed IS 'The ids of the signers who are signers no more.';

COMMENT ON COLUMN treasury.signer_changes.threshold IS 'How many signers must approve from then on; null where that stays as it is.';

COMMENT ON COLUMN treasury.signer_changes.minimum_reserve IS 'What transfers must leave from then on, in `currency`; null where that stays as it is.';

COMMENT ON COLUMN treasury.signer_changes.daily_spending_limit IS 'The most that transfers may take in a day from then on, in `currency`; null where that stays as it is, or is lifted.';

COMMENT ON COLUMN treasury.signer_changes.lifts_daily_limit IS 'Whether there is no daily limit any more.';

COMMENT ON COLUMN treasury.signer_changes.currency IS 'What its amounts are counted in: the treasury''s currency.';

COMMENT ON COLUMN treasury.signer_changes.status IS 'Where it stands.';

COMMENT ON COLUMN treasury.signer_changes.expires_at IS 'When the signers can no longer decide on it.';

COMMENT ON COLUMN treasury.signer_changes.applied_at IS 'Since when it holds; null before.';

COMMENT ON COLUMN treasury.signer_changes.closed_by IS 'Whose decision was the last for or against it, or who withdrew it; null before, and where time did.';

COMMENT ON COLUMN treasury.signer_changes.created_at IS 'When the row was written.';

COMMENT ON COLUMN treasury.signer_changes.updated_at IS 'When the row was last changed.';

ALTER TABLE treasury.signer_changes ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, treasury_id, proposed_by, added, removed, threshold, minimum_reserve, daily_spending_limit, lifts_daily_limit, currency, status, expires_at, applied_at, closed_by, created_at, updated_at) ON treasury.signer_changes TO lango_anonymous;

GRANT SELECT (id, treasury_id, proposed_by, added, removed, threshold, minimum_reserve, daily_spending_limit, lifts_daily_limit, currency, status, expires_at, applied_at, closed_by, created_at, updated_at) ON treasury.signer_changes TO lango_member;

GRANT SELECT (id, treasury_id, proposed_by, added, removed, threshold, minimum_reserve, daily_spending_limit, lifts_daily_limit, currency, status, expires_at, applied_at, closed_by, created_at, updated_at) ON treasury.signer_changes TO lango_staff;

CREATE POLICY lango_member ON treasury.signer_changes FOR SELECT TO lango_member USING (((treasury_id = ANY ((SELECT lango.my_dao_treasuries())::uuid[]))));

CREATE POLICY lango_staff ON treasury.signer_changes FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON treasury.signer_changes TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON treasury.signer_changes TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.signer_changes TO lango_rules, lango_worker;

CREATE TRIGGER touch BEFORE UPDATE ON treasury.signer_changes FOR EACH ROW EXECUTE FUNCTION lango.touch();

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON treasury.signer_changes FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'proposed>applied', 'proposed>cancelled', 'proposed>expired', 'proposed>rejected');

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.signer_changes FOR EACH ROW EXECUTE FUNCTION lango.audit('signer_change', 'id', '', '', '');

CREATE TABLE treasury.signer_change_approvals (
    id UUID DEFAULT gen_random_uuid() NOT NULL, 
    change_id UUID NOT NULL, 
    signer_id UUID NOT NULL, 
    decision TEXT NOT NULL, 
    comment TEXT, 
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    CONSTRAINT pk_signer_change_approvals PRIMARY KEY (id), 
    CONSTRAINT uq_signer_change_approvals_change_id_signer_id UNIQUE (change_id, signer_id), 
    CONSTRAINT ck_signer_change_approvals_decision_is_known CHECK (decision IN ('approve', 'reject')), 
    CONSTRAINT ck_signer_change_approvals_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);

CREATE INDEX ix_signer_change_approvals_signer_id ON treasury.signer_change_approvals (signer_id);

COMMENT ON TABLE treasury.signer_change_approvals IS 'A signer''s decision on a change of signers; each signer decides once.';

COMMENT ON COLUMN treasury.signer_change_approvals.id IS 'The row''s key.';

COMMENT ON COLUMN treasury.signer_change_approvals.change_id IS 'The change that is decided on.';

COMMENT ON COLUMN treasury.signer_change_approvals.signer_id IS 'The signer who decided.';

COMMENT ON COLUMN treasury.signer_change_approvals.decision IS 'What the signer said.';

COMMENT ON COLUMN treasury.signer_change_approvals.comment IS 'Why, in the signer''s words; null without a text.';

COMMENT ON COLUMN treasury.signer_change_approvals.created_at IS 'When the row was written.';

ALTER TABLE treasury.signer_change_approvals ENABLE ROW LEVEL SECURITY;

GRANT SELECT (id, change_id, signer_id, decision, comment, created_at) ON treasury.signer_change_approvals TO lango_anonymous;

GRANT SELECT (id, change_id, signer_id, decision, comment, created_at) ON treasury.signer_change_approvals TO lango_member;

GRANT SELECT (id, change_id, signer_id, decision, comment, created_at) ON treasury.signer_change_approvals TO lango_staff;

CREATE FUNCTION lango.my_signer_changes() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.id FROM treasury.signer_changes r WHERE r.treasury_id = ANY ((SELECT lango.my_dao_treasuries())::uuid[]))$$;

COMMENT ON FUNCTION lango.my_signer_changes() IS 'The changes of signers at the treasuries of the caller''s DAOs.';

REVOKE ALL ON FUNCTION lango.my_signer_changes() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.my_signer_changes() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE POLICY lango_member ON treasury.signer_change_approvals FOR SELECT TO lango_member USING (((change_id = ANY ((SELECT lango.my_signer_changes())::uuid[]))));

CREATE POLICY lango_staff ON treasury.signer_change_approvals FOR SELECT TO lango_staff USING (true);

CREATE POLICY lango_rules ON treasury.signer_change_approvals TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON treasury.signer_change_approvals TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON treasury.signer_change_approvals TO lango_rules, lango_worker;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON treasury.signer_change_approvals FOR EACH ROW EXECUTE FUNCTION lango.audit('signer_change_approval', 'id', '', '', '');

ALTER TABLE treasury.treasury_transfers ADD CONSTRAINT fk_treasury_transfers_closed_by FOREIGN KEY(closed_by) REFERENCES identity.users (id);

ALTER TABLE treasury.treasury_transfers ADD CONSTRAINT fk_treasury_transfers_executed_by FOREIGN KEY(executed_by) REFERENCES identity.users (id);

ALTER TABLE treasury.treasury_transfers ADD CONSTRAINT fk_treasury_transfers_wallet_transaction_id FOREIGN KEY(wallet_transaction_id) REFERENCES treasury.wallet_transactions (id);

ALTER TABLE treasury.signer_changes ADD CONSTRAINT fk_signer_changes_closed_by FOREIGN KEY(closed_by) REFERENCES identity.users (id);

ALTER TABLE treasury.signer_changes ADD CONSTRAINT fk_signer_changes_proposed_by FOREIGN KEY(proposed_by) REFERENCES identity.users (id);

ALTER TABLE treasury.signer_changes ADD CONSTRAINT fk_signer_changes_treasury_id FOREIGN KEY(treasury_id) REFERENCES treasury.dao_treasuries (id);

ALTER TABLE treasury.signer_change_approvals ADD CONSTRAINT fk_signer_change_approvals_change_id FOREIGN KEY(change_id) REFERENCES treasury.signer_changes (id) ON DELETE CASCADE;

ALTER TABLE treasury.signer_change_approvals ADD CONSTRAINT fk_signer_change_approvals_signer_id FOREIGN KEY(signer_id) REFERENCES identity.users (id);
