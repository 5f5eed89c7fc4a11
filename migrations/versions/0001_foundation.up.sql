-- The functions that policies and triggers call, and what the gateway keeps for itself.

CREATE SCHEMA lango;

COMMENT ON SCHEMA lango IS 'The functions that policies, faces and triggers call.';
GRANT USAGE ON SCHEMA lango TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

SET LOCAL check_function_bodies = off;

CREATE FUNCTION lango.user_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT nullif(current_setting('lango.user_id', true), '')::uuid$$;

COMMENT ON FUNCTION lango.user_id() IS 'The caller; null for nobody.';
REVOKE ALL ON FUNCTION lango.user_id() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.user_id() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.has_role(role text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT coalesce(role = ANY (string_to_array(current_setting('lango.roles', true), ',')), false)$$;

COMMENT ON FUNCTION lango.has_role(text) IS 'Whether the caller has a role that the database confirmed.';
REVOKE ALL ON FUNCTION lango.has_role(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.has_role(text) TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.is_staff() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT lango.has_role('admin') OR lango.has_role('super_admin')$$;

COMMENT ON FUNCTION lango.is_staff() IS 'Whether the caller is staff.';
REVOKE ALL ON FUNCTION lango.is_staff() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.is_staff() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.share_tokens() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT string_to_array(nullif(current_setting('lango.share_tokens', true), ''), ',')$$;

COMMENT ON FUNCTION lango.share_tokens() IS 'The share tokens of pots that the caller has shown in this operation.';
REVOKE ALL ON FUNCTION lango.share_tokens() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.share_tokens() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.confirmed_roles(user_id uuid, claimed text[]) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT r FROM identity.users u, unnest(u.roles) r
    WHERE u.id = user_id AND u.is_active AND u.deleted_at IS NULL AND r = ANY (claimed)
)$$;

COMMENT ON FUNCTION lango.confirmed_roles(uuid, text[]) IS 'Those of the claimed roles that an active user really has.';
REVOKE ALL ON FUNCTION lango.confirmed_roles(uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.confirmed_roles(uuid, text[]) TO lango_member;

CREATE FUNCTION lango.my_people() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT CASE WHEN lango.user_id() IS NULL THEN '{}'::uuid[] ELSE lango.user_id() || ARRAY(
    SELECT p.user_id FROM profiles.profiles p
    WHERE p.guardian_user_id = lango.user_id() AND p.guardian_accepted_at IS NOT NULL
      AND p.date_of_birth > (CURRENT_DATE - INTERVAL '18 years')
) END$$;

COMMENT ON FUNCTION lango.my_people() IS 'The caller, and the minors whose accepted guardian the caller is.';
REVOKE ALL ON FUNCTION lango.my_people() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_people() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_pots() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.id FROM pots.pots r WHERE r.owner_user_id = ANY ((SELECT lango.my_people())::uuid[]))$$;

COMMENT ON FUNCTION lango.my_pots() IS 'The pots the caller owns.';
REVOKE ALL ON FUNCTION lango.my_pots() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_pots() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.shared_pots(tokens text[]) RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT p.id FROM pots.pots p WHERE p.share_token = ANY (tokens) AND p.deleted_at IS NULL)$$;

COMMENT ON FUNCTION lango.shared_pots(text[]) IS 'The pots that these share tokens open.';
REVOKE ALL ON FUNCTION lango.shared_pots(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.shared_pots(text[]) TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_friends_pots() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT i.pot_id FROM pots.pot_invitations i WHERE i.invited_user_id = ANY ((SELECT lango.my_people())::uuid[])
    UNION
    SELECT d.pot_id FROM donations.donations d WHERE d.donor_user_id = ANY ((SELECT lango.my_people())::uuid[]) AND d.status = 'succeeded'
)$$;

COMMENT ON FUNCTION lango.my_friends_pots() IS 'The pots to which the caller is invited or has given.';
REVOKE ALL ON FUNCTION lango.my_friends_pots() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_friends_pots() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_donations() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.id FROM donations.donations r WHERE r.donor_user_id = ANY ((SELECT lango.my_people())::uuid[]))$$;

COMMENT ON FUNCTION lango.my_donations() IS 'The caller''s donations.';
REVOKE ALL ON FUNCTION lango.my_donations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_donations() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_partners() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.partner_id FROM packs.partner_members r WHERE r.user_id = (SELECT lango.user_id()))$$;

COMMENT ON FUNCTION lango.my_partners() IS 'The partners the caller acts for.';
REVOKE ALL ON FUNCTION lango.my_partners() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_partners() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_managed_partners() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.partner_id FROM packs.partner_members r WHERE r.user_id = (SELECT lango.user_id()) AND r.role IN ('owner', 'manager'))$$;

COMMENT ON FUNCTION lango.my_managed_partners() IS 'The partners whose owner or manager the caller is.';
REVOKE ALL ON FUNCTION lango.my_managed_partners() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_managed_partners() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_daos() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.dao_id FROM treasury.dao_members r WHERE r.user_id = (SELECT lango.user_id()) AND r.status = 'approved')$$;

COMMENT ON FUNCTION lango.my_daos() IS 'The DAOs whose approved member the caller is.';
REVOKE ALL ON FUNCTION lango.my_daos() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_daos() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_administered_daos() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.dao_id FROM treasury.dao_members r WHERE r.user_id = (SELECT lango.user_id()) AND r.status = 'approved' AND r.role = 'admin')$$;

COMMENT ON FUNCTION lango.my_administered_daos() IS 'The DAOs the caller administers.';
REVOKE ALL ON FUNCTION lango.my_administered_daos() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_administered_daos() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_dao_treasuries() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.id FROM treasury.dao_treasuries r WHERE r.dao_id = ANY ((SELECT lango.my_daos())::uuid[]))$$;

COMMENT ON FUNCTION lango.my_dao_treasuries() IS 'The treasuries of the caller''s DAOs.';
REVOKE ALL ON FUNCTION lango.my_dao_treasuries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_dao_treasuries() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_treasury_transfers() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.id FROM treasury.treasury_transfers r WHERE r.treasury_id = ANY ((SELECT lango.my_dao_treasuries())::uuid[]))$$;

COMMENT ON FUNCTION lango.my_treasury_transfers() IS 'The transfers from the treasuries of the caller''s DAOs.';
REVOKE ALL ON FUNCTION lango.my_treasury_transfers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_treasury_transfers() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_card_accounts() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.account_id FROM cards.account_members r WHERE r.user_id = (SELECT lango.user_id()))$$;

COMMENT ON FUNCTION lango.my_card_accounts() IS 'The card accounts the caller is on.';
REVOKE ALL ON FUNCTION lango.my_card_accounts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_card_accounts() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_supervised_card_accounts() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.account_id FROM cards.account_members r WHERE r.user_id = (SELECT lango.user_id()) AND r.role IN ('owner', 'admin', 'analyst'))$$;

COMMENT ON FUNCTION lango.my_supervised_card_accounts() IS 'The card accounts of which the caller sees every card.';
REVOKE ALL ON FUNCTION lango.my_supervised_card_accounts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_supervised_card_accounts() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_managed_card_accounts() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.account_id FROM cards.account_members r WHERE r.user_id = (SELECT lango.user_id()) AND r.role IN ('owner', 'admin'))$$;

COMMENT ON FUNCTION lango.my_managed_card_accounts() IS 'The card accounts whose owner or admin the caller is.';
REVOKE ALL ON FUNCTION lango.my_managed_card_accounts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_managed_card_accounts() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_spending_profiles() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.id FROM cards.spending_profiles r WHERE r.account_id = ANY ((SELECT lango.my_card_accounts())::uuid[]) AND r.deleted_at IS NULL)$$;

COMMENT ON FUNCTION lango.my_spending_profiles() IS 'The spending profiles of the caller''s card accounts.';
REVOKE ALL ON FUNCTION lango.my_spending_profiles() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_spending_profiles() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_counterparties() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT t.seller_id FROM trading.crypto_trades t
    WHERE t.buyer_id = ANY ((SELECT lango.my_people())::uuid[]) AND t.status = 'in_escrow' AND t.seller_id IS NOT NULL
    UNION
    SELECT t.buyer_id FROM trading.crypto_trades t
    WHERE t.seller_id = ANY ((SELECT lango.my_people())::uuid[]) AND t.status = 'in_escrow' AND t.buyer_id IS NOT NULL
)$$;

COMMENT ON FUNCTION lango.my_counterparties() IS 'The users with whom the caller has a trade in escrow.';
REVOKE ALL ON FUNCTION lango.my_counterparties() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_counterparties() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_colleagues() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT m.user_id FROM packs.partner_members m
    WHERE m.partner_id = ANY ((SELECT lango.my_partners())::uuid[])
    UNION
    SELECT m.user_id FROM treasury.dao_members m
    WHERE m.dao_id = ANY ((SELECT lango.my_daos())::uuid[]) AND m.status = 'approved'
    UNION
    SELECT m.user_id FROM cards.account_members m
    WHERE m.account_id = ANY ((SELECT lango.my_card_accounts())::uuid[])
)$$;

COMMENT ON FUNCTION lango.my_colleagues() IS 'Those who are on the same partner, DAO or card account as the caller.';
REVOKE ALL ON FUNCTION lango.my_colleagues() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_colleagues() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_ledger_accounts() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT r.id FROM ledger.ledger_accounts r WHERE (r.owner_type = 'user' AND r.owner_id = ANY ((SELECT lango.my_people())::uuid[])) OR (r.owner_type = 'dao' AND r.owner_id = ANY ((SELECT lango.my_daos())::uuid[])) OR (r.owner_type = 'card_account' AND r.owner_id = ANY ((SELECT lango.my_card_accounts())::uuid[])) OR (r.owner_type = 'partner' AND r.owner_id = ANY ((SELECT lango.my_managed_partners())::uuid[])))$$;

COMMENT ON FUNCTION lango.my_ledger_accounts() IS 'The ledger accounts the caller may see.';
REVOKE ALL ON FUNCTION lango.my_ledger_accounts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_ledger_accounts() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.my_ledger_transactions() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT DISTINCT e.transaction_id FROM ledger.ledger_entries e
    WHERE e.account_id = ANY ((SELECT lango.my_ledger_accounts())::uuid[])
)$$;

COMMENT ON FUNCTION lango.my_ledger_transactions() IS 'The ledger transactions of which the caller sees an entry.';
REVOKE ALL ON FUNCTION lango.my_ledger_transactions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.my_ledger_transactions() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.touch() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$BEGIN
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END$$;

COMMENT ON FUNCTION lango.touch() IS 'Keeps updated_at; an update that changes nothing leaves it, and so leaves no trace in the audit log.';
REVOKE ALL ON FUNCTION lango.touch() FROM PUBLIC;

CREATE FUNCTION lango.guard_transition() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    before text := to_jsonb(OLD) ->> TG_ARGV[0];
    after text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    IF before IS DISTINCT FROM after
       AND NOT (coalesce(before, '') || '>' || coalesce(after, '')) = ANY (TG_ARGV) THEN
        RAISE EXCEPTION 'invalid transition of %.% from % to %', TG_TABLE_NAME, TG_ARGV[0], before, after
            USING ERRCODE = 'LG001', HINT = 'Allowed are: ' || array_to_string(TG_ARGV[1:], ', ');
    END IF;
    RETURN NEW;
END$$;

COMMENT ON FUNCTION lango.guard_transition() IS 'Refuses every step that the table of transitions does not allow.';
REVOKE ALL ON FUNCTION lango.guard_transition() FROM PUBLIC;

CREATE FUNCTION lango.refuse_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'LG002';
END$$;

COMMENT ON FUNCTION lango.refuse_change() IS 'Refuses UPDATE and DELETE.';
REVOKE ALL ON FUNCTION lango.refuse_change() FROM PUBLIC;

CREATE FUNCTION lango.balance_transaction() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    posted uuid := CASE TG_TABLE_NAME
        WHEN 'ledger_entries' THEN (to_jsonb(NEW) ->> 'transaction_id')::uuid ELSE NEW.id END;
    wrong record;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.ledger_entries e WHERE e.transaction_id = posted) THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', posted USING ERRCODE = 'LG003';
    END IF;
    SELECT a.currency, sum(e.amount) AS total INTO wrong
    FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
    WHERE e.transaction_id = posted
    GROUP BY a.currency HAVING sum(e.amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % is out of balance by % %', posted, wrong.total, wrong.currency
            USING ERRCODE = 'LG003';
    END IF;
    RETURN NULL;
END$$;

COMMENT ON FUNCTION lango.balance_transaction() IS 'Refuses a ledger transaction whose entries do not sum to zero in each currency.';
REVOKE ALL ON FUNCTION lango.balance_transaction() FROM PUBLIC;

CREATE FUNCTION lango.audit() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$-- Arguments: the kind of thing, its key columns, the withheld columns, the personal columns, the column that
-- holds the card account. Lists are joined by commas.
DECLARE
    kind text := TG_ARGV[0];
    keys text[] := string_to_array(TG_ARGV[1], ',');
    withheld text[] := string_to_array(TG_ARGV[2], ',');
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    whole jsonb := coalesce(after, before);
    name text;
    plain_key boolean := cardinality(keys) = 1
        AND (whole ->> keys[1]) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
BEGIN
    IF before = after THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, n.value) INTO before, after
        FROM jsonb_each(before) o JOIN jsonb_each(after) n USING (key)
        WHERE o.value IS DISTINCT FROM n.value;
    END IF;
    before := before - withheld;
    after := after - withheld;
    FOREACH name IN ARRAY string_to_array(TG_ARGV[3], ',') LOOP
        IF before ? name THEN before := jsonb_set(before, ARRAY[name], '"(personal)"'); END IF;
        IF after ? name THEN after := jsonb_set(after, ARRAY[name], '"(personal)"'); END IF;
    END LOOP;
    INSERT INTO admin.audit_logs (
        actor_user_id, actor_type, actor_ip, action, resource_type, resource_id, old_values, new_values,
        metadata, request_id, user_agent, account_id
    ) VALUES (
        lango.user_id(),
        coalesce(nullif(current_setting('lango.actor_type', true), ''),
                 CASE WHEN lango.user_id() IS NULL THEN 'system' ELSE 'user' END),
        nullif(current_setting('lango.ip', true), '')::inet,
        kind || CASE TG_OP WHEN 'INSERT' THEN '_created' WHEN 'UPDATE' THEN '_updated' ELSE '_deleted' END,
        kind,
        CASE WHEN plain_key THEN (whole ->> keys[1])::uuid END,
        before,
        after,
        CASE WHEN NOT plain_key THEN jsonb_build_object(
            'pk', (SELECT jsonb_object_agg(k, whole -> k) FROM unnest(keys) k)) END,
        nullif(current_setting('lango.request_id', true), ''),
        nullif(current_setting('lango.user_agent', true), ''),
        nullif(whole ->> TG_ARGV[4], '')::uuid
    );
    RETURN NULL;
END$$;

COMMENT ON FUNCTION lango.audit() IS 'Writes each change to the audit log: without secrets, personal columns by name only.';
REVOKE ALL ON FUNCTION lango.audit() FROM PUBLIC;

CREATE FUNCTION lango.make_partitions(first_month date, last_month date) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    parent record;
    month date;
    child text;
BEGIN
    FOR parent IN
        SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'p' AND c.relowner = 'lango_owner'::regrole
        ORDER BY 1, 2
    LOOP
        month := date_trunc('month', first_month)::date;
        WHILE month <= last_month LOOP
            child := parent.relname || to_char(month, '"_y"YYYY"m"MM');
            IF to_regclass(format('%I.%I', parent.nspname, child)) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES FROM (%L) TO (%L)', parent.nspname, child,
                    parent.nspname, parent.relname, month::timestamp AT TIME ZONE 'UTC',
                    (month + interval '1 month') AT TIME ZONE 'UTC');
                EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', parent.nspname, child);
            END IF;
            month := (month + interval '1 month')::date;
        END LOOP;
    END LOOP;
END$$;

COMMENT ON FUNCTION lango.make_partitions(date, date) IS 'Makes the monthly partitions of every partitioned table, from one month to another; those that exist stay.';
REVOKE ALL ON FUNCTION lango.make_partitions(date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.make_partitions(date, date) TO lango_worker;

CREATE SCHEMA platform;

COMMENT ON SCHEMA platform IS 'What the gateway keeps for itself: idempotency, the outbox, and which migrations have run.';
GRANT USAGE ON SCHEMA platform TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE TABLE platform.idempotency_keys (
    scope TEXT NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    outcome JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (scope, operation, key),
    CONSTRAINT ck_idempotency_keys_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01' AND expires_at >= '0001-01-01' AND expires_at < '9999-01-01')
);
CREATE INDEX ix_idempotency_keys_expires_at ON platform.idempotency_keys (expires_at);

COMMENT ON TABLE platform.idempotency_keys IS 'What a mutation answered under a caller''s key, so that a retry answers as the first call did.';
COMMENT ON COLUMN platform.idempotency_keys.scope IS 'Whose key it is: the user, the API key, or anonymous.';
COMMENT ON COLUMN platform.idempotency_keys.operation IS 'The mutation and its response path.';
COMMENT ON COLUMN platform.idempotency_keys.key IS 'The key, as the caller chose it.';
COMMENT ON COLUMN platform.idempotency_keys.request_hash IS 'SHA-256 of the input, so that another input is refused.';
COMMENT ON COLUMN platform.idempotency_keys.outcome IS 'Refusals, or type and id of each changed object.';
COMMENT ON COLUMN platform.idempotency_keys.created_at IS 'When the row was written.';
COMMENT ON COLUMN platform.idempotency_keys.expires_at IS 'When the key may be used anew.';
ALTER TABLE platform.idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON platform.idempotency_keys TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON platform.idempotency_keys TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.idempotency_keys TO lango_rules, lango_worker;

CREATE TABLE platform.outbox_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    xid XID8 DEFAULT pg_current_xact_id() NOT NULL,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    payload JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_outbox_events PRIMARY KEY (id, created_at),
    CONSTRAINT ck_outbox_events_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
)
 PARTITION BY RANGE (created_at);

CREATE TABLE platform.outbox_events_default PARTITION OF platform.outbox_events DEFAULT;
ALTER TABLE platform.outbox_events_default ENABLE ROW LEVEL SECURITY;
CREATE INDEX ix_outbox_events_xid_id ON platform.outbox_events (xid, id);

COMMENT ON TABLE platform.outbox_events IS 'Something that happened, written in the transaction in which it happened.';
COMMENT ON COLUMN platform.outbox_events.id IS 'Orders events; clients drop what they have seen.';
COMMENT ON COLUMN platform.outbox_events.xid IS 'The transaction: readers follow its horizon.';
COMMENT ON COLUMN platform.outbox_events.topic IS 'What kind of thing happened.';
COMMENT ON COLUMN platform.outbox_events.key IS 'Which object it happened to.';
COMMENT ON COLUMN platform.outbox_events.payload IS 'Ids only; a subscriber reads the rest under its own rights.';
COMMENT ON COLUMN platform.outbox_events.created_at IS 'When the row was written.';
ALTER TABLE platform.outbox_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON platform.outbox_events TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON platform.outbox_events TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.outbox_events TO lango_rules, lango_worker;

CREATE TABLE platform.schema_migrations (
    revision TEXT NOT NULL,
    migration_name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    execution_ms INTEGER,
    CONSTRAINT pk_schema_migrations PRIMARY KEY (revision),
    CONSTRAINT ck_schema_migrations_times_are_finite CHECK (applied_at >= '0001-01-01' AND applied_at < '9999-01-01')
);

COMMENT ON TABLE platform.schema_migrations IS 'A migration that has been applied, and the checksum of its file when it was.';
COMMENT ON COLUMN platform.schema_migrations.revision IS 'Alembic''s revision.';
COMMENT ON COLUMN platform.schema_migrations.migration_name IS 'What the migration is for.';
COMMENT ON COLUMN platform.schema_migrations.checksum IS 'SHA-256 of its files.';
COMMENT ON COLUMN platform.schema_migrations.applied_at IS 'When it was applied.';
COMMENT ON COLUMN platform.schema_migrations.execution_ms IS 'How long it took, in milliseconds.';
ALTER TABLE platform.schema_migrations ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON platform.schema_migrations TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON platform.schema_migrations TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.schema_migrations TO lango_rules, lango_worker;
