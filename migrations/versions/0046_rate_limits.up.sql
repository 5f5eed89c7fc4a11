CREATE FUNCTION lango.take_rate_limits(keys text[], most integer[], seconds integer[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$DECLARE
    moment timestamptz := clock_timestamp();
    wanted record;
    counted text[] := '{}';
    is_full boolean;
BEGIN
    -- Whoever is over a limit writes nothing, and waits for nobody.
    is_full := EXISTS (
        SELECT FROM unnest(keys, most) AS w (key, most) LEFT JOIN security.rate_limits r ON r.key = w.key
        WHERE w.most < 1 OR (r.taken >= w.most AND r.ends_at > moment)
    );
    IF NOT is_full THEN
        -- In the order of the keys, so that no two calls wait for each other.
        FOR wanted IN
            SELECT * FROM unnest(keys, most, seconds) AS w (key, most, seconds) ORDER BY w.key
        LOOP
            INSERT INTO security.rate_limits AS r (key, taken, ends_at)
            VALUES (wanted.key, 1, moment + make_interval(secs => wanted.seconds))
            ON CONFLICT (key) DO UPDATE SET
                taken = CASE WHEN r.ends_at <= moment THEN 1 ELSE r.taken + 1 END,
                ends_at = CASE WHEN r.ends_at <= moment THEN excluded.ends_at ELSE r.ends_at END
            WHERE r.taken < wanted.most OR r.ends_at <= moment;
            is_full := NOT FOUND;
            EXIT WHEN is_full;
            counted := counted || wanted.key;
        END LOOP;
        IF is_full THEN
            UPDATE security.rate_limits SET taken = taken - 1 WHERE key = ANY (counted);
        END IF;
    END IF;
    RETURN jsonb_build_object('refused', is_full, 'windows', (
        SELECT jsonb_agg(jsonb_build_array(
            CASE WHEN r.ends_at > moment THEN greatest(w.most - r.taken, 0) ELSE greatest(w.most, 0) END,
            CASE WHEN r.ends_at > moment THEN ceil(extract(epoch FROM r.ends_at - moment))::integer
                 ELSE w.seconds END
        ) ORDER BY w.place)
        FROM unnest(keys, most, seconds) WITH ORDINALITY AS w (key, most, seconds, place)
        LEFT JOIN security.rate_limits r ON r.key = w.key
    ));
END$$;

COMMENT ON FUNCTION lango.take_rate_limits(text[], integer[], integer[]) IS 'Counts one more under each of these keys, or under none where one of them has its `most` in the `seconds` of its window. Says whether that was refused, and of each key in the order given what is left and in how many seconds its window ends.';

REVOKE ALL ON FUNCTION lango.take_rate_limits(text[], integer[], integer[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.take_rate_limits(text[], integer[], integer[]) TO lango_rules, lango_worker;

CREATE UNLOGGED TABLE security.rate_limits (
    key TEXT NOT NULL, 
    taken INTEGER NOT NULL, 
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    CONSTRAINT pk_rate_limits PRIMARY KEY (key), 
    CONSTRAINT ck_rate_limits_times_are_finite CHECK (ends_at >= '0001-01-01' AND ends_at < '9999-01-01')
)
 WITH (fillfactor = 50);

COMMENT ON TABLE security.rate_limits IS 'How often one caller, address or contact has done one thing in the time that is counted together. The table is UNLOGGED: what a crash forgets is counted anew, and counting costs no write to the log.';

COMMENT ON COLUMN security.rate_limits.key IS 'The limit and whose count it is, as the first half of their SHA-256.';

COMMENT ON COLUMN security.rate_limits.taken IS 'How often it was done since the window began; what was refused is not.';

COMMENT ON COLUMN security.rate_limits.ends_at IS 'When the window ends; the next one begins with the next time.';

ALTER TABLE security.rate_limits ENABLE ROW LEVEL SECURITY;

CREATE POLICY lango_rules ON security.rate_limits TO lango_rules USING (true) WITH CHECK (true);

CREATE POLICY lango_worker ON security.rate_limits TO lango_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON security.rate_limits TO lango_rules, lango_worker;
