CREATE FUNCTION lango.standings(user_ids uuid[], session_ids uuid[]) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT CASE
        WHEN u.id IS NULL THEN 'unknown'
        WHEN NOT u.is_active OR u.deleted_at IS NOT NULL THEN 'inactive'
        WHEN s.user_id <> u.id OR s.is_revoked OR s.expires_at <= now() THEN 'ended'
        ELSE 'active'
    END
    FROM unnest(user_ids, session_ids) WITH ORDINALITY AS c (user_id, session_id, place)
    LEFT JOIN identity.users u ON u.id = c.user_id
    LEFT JOIN identity.user_sessions s ON s.id = c.session_id
    ORDER BY c.place
)$$;

COMMENT ON FUNCTION lango.standings(uuid[], uuid[]) IS 'How users and their sessions stand, in the order given: `active`, `unknown` (no such user), `inactive` (suspended or closed) or `ended` (the session is revoked, has expired, or is another user''s). Without a session, or with one that is not kept here, the user alone counts.';

REVOKE ALL ON FUNCTION lango.standings(uuid[], uuid[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.standings(uuid[], uuid[]) TO lango_member;
