ALTER TABLE admin.audit_logs ALTER COLUMN metadata SET STORAGE EXTERNAL;

CREATE FUNCTION lango.audit_shown(answer text) RETURNS text
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$BEGIN
    INSERT INTO admin.audit_logs (
        actor_user_id, actor_type, actor_ip, action, resource_type, metadata, request_id, user_agent
    )
    SELECT
        lango.user_id(),
        'user',
        nullif(current_setting('lango.ip', true), '')::inet,
        'staff_read',
        'rows',
        jsonb_build_object('rows', (array_agg(shown.row))[:5000])
            || CASE WHEN count(*) > 5000 THEN jsonb_build_object('not listed', count(*) - 5000)
               ELSE '{}' END,
        nullif(current_setting('lango.request_id', true), ''),
        nullif(current_setting('lango.user_agent', true), '')
    FROM (
        SELECT part AS row
        FROM string_to_table(answer, E'\x02') WITH ORDINALITY AS parts (part, place)
        WHERE place % 2 = 0 AND part <> ''
        GROUP BY part
    ) AS shown
    HAVING count(*) > 0;
    RETURN answer;
END$$;

COMMENT ON FUNCTION lango.audit_shown(text) IS 'Gives back an answer for staff after the rows that its marks name are in the audit log, each once.';

REVOKE ALL ON FUNCTION lango.audit_shown(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.audit_shown(text) TO lango_staff;
