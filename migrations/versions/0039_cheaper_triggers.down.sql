CREATE OR REPLACE FUNCTION lango.audit() RETURNS trigger
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

CREATE OR REPLACE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.profile_categories FOR EACH ROW EXECUTE FUNCTION lango.audit('profile_category', 'spending_profile_id,spending_category_id', '', '', '');
CREATE OR REPLACE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON usage.subscription_limits FOR EACH ROW EXECUTE FUNCTION lango.audit('subscription_limit', 'plan', '', '', '');

DROP FUNCTION lango.picked(jsonb, text[]);
DROP FUNCTION lango.masked(jsonb, text[]);

CREATE OR REPLACE FUNCTION lango.balance_transaction() RETURNS trigger
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

DROP TRIGGER balance ON ledger.ledger_transactions;
CREATE CONSTRAINT TRIGGER balance AFTER INSERT ON ledger.ledger_transactions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lango.balance_transaction();

DROP FUNCTION lango.require_entries();

CREATE OR REPLACE FUNCTION lango.guard_transition() RETURNS trigger
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
