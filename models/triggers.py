"""What triggers do, and the making of partitions: functions that run as the owner, whoever wrote the row."""

from __future__ import annotations

from models.functions import Function

TRIGGERS = [
    Function(
        "touch",
        """
        BEGIN
            IF NEW IS DISTINCT FROM OLD THEN
                NEW.updated_at := now();
            END IF;
            RETURN NEW;
        END
        """,
        "Keeps updated_at; an update that changes nothing leaves it, and so leaves no trace in the audit log.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "guard_transition",
        """
        DECLARE
            before text := to_jsonb(OLD) ->> TG_ARGV[0];
            after text := to_jsonb(NEW) ->> TG_ARGV[0];
        BEGIN
            IF before IS DISTINCT FROM after
               AND NOT (coalesce(before, '') || '>' || coalesce(after, '')) = ANY (TG_ARGV) THEN
                RAISE EXCEPTION 'invalid transition of %.% from % to %', TG_TABLE_NAME, TG_ARGV[0], before, after
                    USING ERRCODE = 'LG001', HINT = 'Allowed are: ' || array_to_string(TG_ARGV[1:], ', ');
            END IF;
            RETURN NEW;
        END
        """,
        "Refuses every step that the table of transitions does not allow.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "refuse_change",
        """
        BEGIN
            RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'LG002';
        END
        """,
        "Refuses UPDATE and DELETE.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "balance_transaction",
        """
        DECLARE
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
        END
        """,
        "Refuses a ledger transaction whose entries do not sum to zero in each currency.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "audit",
        """
        -- Arguments: the kind of thing, its key columns, the withheld columns, the personal columns, the column that
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
        END
        """,
        "Writes each change to the audit log: without secrets, personal columns by name only.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
]

PARTITIONS = [
    Function(
        "make_partitions",
        """
        DECLARE
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
        END
        """,
        "Makes the monthly partitions of every partitioned table, from one month to another; those that exist stay.",
        arguments="first_month date, last_month date",
        returns="void",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=("lango_worker",),
    ),
]
