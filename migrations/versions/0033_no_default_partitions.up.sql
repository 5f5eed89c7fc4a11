-- Rows lie in the partitions of their months alone: one that lay in the default partition kept its month from being
-- made. What lies there moves into its month.

DO $$
DECLARE
    parent record;
    month record;
    columns text;
BEGIN
    FOR parent IN
        SELECT n.nspname, p.relname, c.relname AS child, a.attname AS key
        FROM pg_partitioned_table t
        JOIN pg_class p ON p.oid = t.partrelid
        JOIN pg_namespace n ON n.oid = p.relnamespace
        JOIN pg_class c ON c.oid = t.partdefid
        JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum = t.partattrs[0]
        WHERE p.relowner = 'lango_owner'::regrole ORDER BY 1, 2
    LOOP
        EXECUTE format('ALTER TABLE %I.%I DETACH PARTITION %I.%I',
            parent.nspname, parent.relname, parent.nspname, parent.child);
        FOR month IN EXECUTE format(
            'SELECT DISTINCT date_trunc(''month'', %I AT TIME ZONE ''UTC'')::date AS first FROM %I.%I',
            parent.key, parent.nspname, parent.child)
        LOOP
            PERFORM lango.make_partitions(month.first, month.first);
        END LOOP;
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
        WHERE attrelid = format('%I.%I', parent.nspname, parent.relname)::regclass AND attnum > 0 AND NOT attisdropped
          AND attgenerated = '';
        EXECUTE format('INSERT INTO %I.%I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %I.%I',
            parent.nspname, parent.relname, columns, columns, parent.nspname, parent.child);
        EXECUTE format('DROP TABLE %I.%I', parent.nspname, parent.child);
    END LOOP;
    -- Also where nobody has made any for a year: whoever writes needs the present one.
    PERFORM lango.make_partitions(current_date, (current_date + interval '3 months')::date);
END$$;
