-- Trigger functions that do the same in fewer statements and expressions.

CREATE OR REPLACE FUNCTION lango.guard_transition() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    before text;
    after text;
BEGIN
    -- Nearly every machine has this column: read by its name it takes a fraction of the row as JSON.
    IF TG_ARGV[0] = 'status' THEN
        before := OLD.status;
        after := NEW.status;
    ELSE
        before := to_jsonb(OLD) ->> TG_ARGV[0];
        after := to_jsonb(NEW) ->> TG_ARGV[0];
    END IF;
    IF before IS DISTINCT FROM after
       AND NOT (coalesce(before, '') || '>' || coalesce(after, '')) = ANY (TG_ARGV) THEN
        RAISE EXCEPTION 'invalid transition of %.% from % to %', TG_TABLE_NAME, TG_ARGV[0], before, after
            USING ERRCODE = 'LG001', HINT = 'Allowed are: ' || array_to_string(TG_ARGV[1:], ', ');
    END IF;
    RETURN NEW;
END$$;

CREATE FUNCTION lango.require_entries() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$BEGIN
    IF NOT EXISTS (SELECT FROM ledger.ledger_entries e WHERE e.transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', NEW.id USING ERRCODE = 'LG003';
    END IF;
    RETURN NULL;
END$$;
COMMENT ON FUNCTION lango.require_entries() IS 'Refuses a ledger transaction without entries.';
REVOKE ALL ON FUNCTION lango.require_entries() FROM PUBLIC;

DROP TRIGGER balance ON ledger.ledger_transactions;
CREATE CONSTRAINT TRIGGER balance AFTER INSERT ON ledger.ledger_transactions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lango.require_entries();

CREATE OR REPLACE FUNCTION lango.balance_transaction() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    wrong record;
BEGIN
    IF NOT EXISTS (
        SELECT FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
        WHERE e.transaction_id = NEW.transaction_id GROUP BY a.currency HAVING sum(e.amount) <> 0
    ) THEN
        RETURN NULL;
    END IF;
    SELECT a.currency, sum(e.amount) AS total INTO wrong
    FROM ledger.ledger_entries e JOIN ledger.ledger_accounts a ON a.id = e.account_id
    WHERE e.transaction_id = NEW.transaction_id
    GROUP BY a.currency HAVING sum(e.amount) <> 0 LIMIT 1;
    RAISE EXCEPTION 'ledger transaction % is out of balance by % %', NEW.transaction_id, wrong.total,
        wrong.currency USING ERRCODE = 'LG003';
END$$;

CREATE FUNCTION lango.masked(written jsonb, names text[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$BEGIN
    RETURN written || (
        SELECT coalesce(jsonb_object_agg(name, '(personal)'::text), '{}')
        FROM unnest(names) name WHERE written ? name
    );
END$$;
COMMENT ON FUNCTION lango.masked(jsonb, text[]) IS 'A row''s values with the personal ones masked; those that are not in it are not added.';
REVOKE ALL ON FUNCTION lango.masked(jsonb, text[]) FROM PUBLIC;

CREATE FUNCTION lango.picked(whole jsonb, names text[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$BEGIN
    RETURN (SELECT jsonb_object_agg(name, whole -> name) FROM unnest(names) name);
END$$;
COMMENT ON FUNCTION lango.picked(jsonb, text[]) IS 'The values of these columns of a row.';
REVOKE ALL ON FUNCTION lango.picked(jsonb, text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION lango.audit() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$-- Arguments: the kind of thing, its key column where that is one UUID and else the array of its key columns,
-- the withheld columns, the personal columns, the column that holds the card account. Lists are joined by
-- commas. Every expression and statement is prepared again in each transaction, so there are few; and what few
-- tables need is a function of its own, which costs the others nothing.
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb := to_jsonb(NEW);
    whole jsonb := coalesce(after, before);
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(name, before -> name), jsonb_object_agg(name, after -> name) INTO before, after
        FROM jsonb_object_keys(after) name
        WHERE before -> name <> after -> name;
        IF before IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO admin.audit_logs (
        actor_user_id, actor_type, actor_ip, action, resource_type, resource_id, old_values, new_values,
        metadata, request_id, user_agent, account_id
    ) VALUES (
        lango.user_id(),
        coalesce(nullif(current_setting('lango.actor_type', true), ''),
                 CASE WHEN lango.user_id() IS NULL THEN 'system' ELSE 'user' END),
        nullif(current_setting('lango.ip', true), '')::inet,
        TG_ARGV[0]
            || CASE TG_OP WHEN 'INSERT' THEN '_created' WHEN 'UPDATE' THEN '_updated' ELSE '_deleted' END,
        TG_ARGV[0],
        (whole ->> TG_ARGV[1])::uuid,
        CASE TG_ARGV[3] WHEN '' THEN before - string_to_array(TG_ARGV[2], ',')
            ELSE lango.masked(before - string_to_array(TG_ARGV[2], ','), string_to_array(TG_ARGV[3], ',')) END,
        CASE TG_ARGV[3] WHEN '' THEN after - string_to_array(TG_ARGV[2], ',')
            ELSE lango.masked(after - string_to_array(TG_ARGV[2], ','), string_to_array(TG_ARGV[3], ',')) END,
        CASE WHEN TG_ARGV[1] LIKE '{%'
             THEN jsonb_build_object('pk', lango.picked(whole, TG_ARGV[1]::text[])) END,
        nullif(current_setting('lango.request_id', true), ''),
        nullif(current_setting('lango.user_agent', true), ''),
        nullif(whole ->> TG_ARGV[4], '')::uuid
    );
    RETURN NULL;
END$$;

CREATE OR REPLACE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON cards.profile_categories FOR EACH ROW EXECUTE FUNCTION lango.audit('profile_category', '{spending_profile_id,spending_category_id}', '', '', '');
CREATE OR REPLACE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON usage.subscription_limits FOR EACH ROW EXECUTE FUNCTION lango.audit('subscription_limit', '{plan}', '', '', '');
