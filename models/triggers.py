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
        END
        """,
        "Refuses a ledger transaction whose entries do not sum to zero in each currency.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "require_entries",
        """
        BEGIN
            IF NOT EXISTS (SELECT FROM ledger.ledger_entries e WHERE e.transaction_id = NEW.id) THEN
                RAISE EXCEPTION 'ledger transaction % has no entries', NEW.id USING ERRCODE = 'LG003';
            END IF;
            RETURN NULL;
        END
        """,
        "Refuses a ledger transaction without entries.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "require_admin",
        """
        DECLARE
            dao uuid := (to_jsonb(OLD) ->> TG_ARGV[0])::uuid;
        BEGIN
            -- Locked, so that of two admins who go at once the second sees that the first has gone.
            PERFORM FROM treasury.daos d
            WHERE d.id = dao AND d.status = 'active' AND d.deleted_at IS NULL FOR NO KEY UPDATE;
            IF FOUND AND NOT EXISTS (
                SELECT FROM treasury.dao_members m
                WHERE m.dao_id = dao AND m.role = 'admin' AND m.status = 'approved'
            ) THEN
                RAISE EXCEPTION 'DAO % has no admin', dao USING ERRCODE = 'LG004';
            END IF;
            RETURN NULL;
        END
        """,
        "Refuses to leave an active DAO without an approved admin.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "check_signers",
        """
        DECLARE
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
        END
        """,
        "Refuses signers who are named twice, are no active members when they are set, or are too few to ever agree.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "keep_published",
        """
        BEGIN
            IF OLD.published_at IS NULL AND OLD.status IS DISTINCT FROM 'published' THEN
                RETURN coalesce(NEW, OLD);
            END IF;
            IF to_jsonb(NEW) - ARRAY['status', 'updated_at'] = to_jsonb(OLD) - ARRAY['status', 'updated_at'] THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION '%.% % is published', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.id
                USING ERRCODE = 'LG002', HINT = 'A correction is a new version.';
        END
        """,
        "Refuses to change what is published, but for the step into the archive, and to delete it.",
        returns="trigger",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=(),
    ),
    Function(
        "masked",
        """
        BEGIN
            RETURN written || (
                SELECT coalesce(jsonb_object_agg(name, '(personal)'::text), '{}')
                FROM unnest(names) name WHERE written ? name
            );
        END
        """,
        "A row's values with the personal ones masked; those that are not in it are not added.",
        arguments="written jsonb, names text[]",
        returns="jsonb",
        language="plpgsql",
        definer=False,
        volatility="IMMUTABLE STRICT PARALLEL SAFE",
        granted_to=(),
    ),
    Function(
        "picked",
        """
        BEGIN
            RETURN (SELECT jsonb_object_agg(name, whole -> name) FROM unnest(names) name);
        END
        """,
        "The values of these columns of a row.",
        arguments="whole jsonb, names text[]",
        returns="jsonb",
        language="plpgsql",
        definer=False,
        volatility="IMMUTABLE PARALLEL SAFE",
        granted_to=(),
    ),
    Function(
        "audit",
        """
        -- Arguments: the kind of thing, its key column where that is one UUID and else the array of its key columns,
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
