CREATE FUNCTION lango.api_keys(key_ids uuid[], hashes text[]) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT coalesce(jsonb_agg(
    CASE WHEN k.id IS NOT NULL THEN jsonb_build_object(
        'standing', CASE
            WHEN k.revoked_at IS NOT NULL OR k.deleted_at IS NOT NULL OR NOT k.enabled THEN 'revoked'
            WHEN k.expires_at <= now() THEN 'expired'
            WHEN NOT u.is_active OR u.deleted_at IS NOT NULL THEN 'inactive'
            ELSE 'active'
        END,
        'user_id', k.user_id,
        'roles', u.roles,
        'permissions', k.permissions,
        'addresses', k.ip_whitelist,
        'expires_at', extract(epoch FROM k.expires_at),
        'rate_limit', k.rate_limit,
        'requests_per_minute', coalesce(l.requests_per_minute, free.requests_per_minute, 60)
    ) END ORDER BY c.place
), '[]')::text
FROM unnest(key_ids, hashes) WITH ORDINALITY AS c (key_id, hash, place)
LEFT JOIN security.api_keys k ON k.id = c.key_id AND k.key_hash = coalesce(c.hash, k.key_hash)
LEFT JOIN identity.users u ON u.id = k.user_id
LEFT JOIN usage.user_subscriptions s ON s.user_id = k.user_id
LEFT JOIN usage.subscription_limits l ON l.plan = s.plan
LEFT JOIN usage.subscription_limits free ON free.plan = 'free'$$;

COMMENT ON FUNCTION lango.api_keys(uuid[], text[]) IS 'How API keys stand, as a JSON array in the order given: null for one that there is not, or whose hash is another; without a hash any will do.';

REVOKE ALL ON FUNCTION lango.api_keys(uuid[], text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.api_keys(uuid[], text[]) TO lango_member;

CREATE FUNCTION lango.month_after(moment timestamptz, day integer) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT (
    month + interval '1 month'
    + (LEAST(day, extract(day FROM month + interval '2 months' - interval '1 day')) - 1) * interval '1 day'
    + (moment AT TIME ZONE 'UTC')::time
) AT TIME ZONE 'UTC'
FROM date_trunc('month', moment AT TIME ZONE 'UTC') AS month$$;

COMMENT ON FUNCTION lango.month_after(timestamptz, integer) IS 'The same time on that day of the next month, or on its last one where it is shorter; in UTC.';

REVOKE ALL ON FUNCTION lango.month_after(timestamptz, integer) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.month_after(timestamptz, integer) TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE FUNCTION lango.open_subscription(developer uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE
    AS $$BEGIN
    INSERT INTO usage.subscription_limits (plan, monthly_api_calls, requests_per_minute)
    VALUES ('free', 1000, 60) ON CONFLICT DO NOTHING;
    -- Nobody knows a referral code of 48 random bits beforehand; where one is another's, there is a next one.
    WHILE NOT EXISTS (SELECT FROM usage.user_subscriptions s WHERE s.user_id = developer) LOOP
        INSERT INTO usage.user_subscriptions (
            user_id, referral_code, usage_resets_at, resets_on_day, usage_began_at
        ) VALUES (
            developer, upper(right(replace(gen_random_uuid()::text, '-', ''), 12)),
            lango.month_after(now(), extract(day FROM now() AT TIME ZONE 'UTC')::int),
            extract(day FROM now() AT TIME ZONE 'UTC'), now()
        ) ON CONFLICT DO NOTHING;
    END LOOP;
END$$;

COMMENT ON FUNCTION lango.open_subscription(uuid) IS 'Makes a developer''s subscription, of the plan `free`, where there is none.';

REVOKE ALL ON FUNCTION lango.open_subscription(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.open_subscription(uuid) TO lango_rules, lango_worker;

CREATE FUNCTION lango.begin_usage_month(developer uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    AS $$DECLARE
    began timestamptz;
    resets timestamptz;
    day integer;
BEGIN
    -- Whoever waits for the row sees here that its month has begun meanwhile.
    SELECT s.usage_resets_at, coalesce(s.resets_on_day, extract(day FROM s.usage_resets_at AT TIME ZONE 'UTC'))
    INTO resets, day
    FROM usage.user_subscriptions s
    WHERE s.user_id = developer AND s.usage_resets_at <= clock_timestamp() FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    WHILE resets <= clock_timestamp() LOOP
        began := resets;
        resets := lango.month_after(resets, day);
    END LOOP;
    UPDATE usage.user_subscriptions s
    SET calls_this_month = 0, bonus_calls_this_month = 0, usage_resets_at = resets, resets_on_day = day,
        usage_began_at = began
    WHERE s.user_id = developer;
    RETURN true;
END$$;

COMMENT ON FUNCTION lango.begin_usage_month(uuid) IS 'Begins a developer''s next month, once, if the last one is over; months without a call are passed over.';

REVOKE ALL ON FUNCTION lango.begin_usage_month(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.begin_usage_month(uuid) TO lango_rules, lango_worker;

CREATE FUNCTION lango.charge_api_calls(developer uuid, calls integer, scope text, operations text[], keys text[]) RETURNS text
    LANGUAGE plpgsql VOLATILE
    AS $$DECLARE
    subscription usage.user_subscriptions;
    monthly integer;
    of_plan integer;
    of_bonus integer;
    refused boolean;
BEGIN
    -- A count may be lost with the server: each would otherwise hold up the owner's next call until it is on
    -- the disk.
    PERFORM set_config('synchronous_commit', 'off', true);
    IF cardinality(keys) > 0 AND (
        SELECT count(*) FROM unnest(operations, keys) AS c (operation, key)
        JOIN platform.idempotency_keys i
            ON i.scope = charge_api_calls.scope AND i.operation = c.operation AND i.key = c.key
        WHERE i.outcome IS NOT NULL AND i.expires_at > now()
    ) = cardinality(keys) THEN
        calls := 0;
    END IF;
    -- Lock first: what is left is read when nobody else can take it.
    PERFORM FROM usage.user_subscriptions s WHERE s.user_id = developer FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM lango.open_subscription(developer);
    END IF;
    PERFORM lango.begin_usage_month(developer);
    SELECT s.* INTO subscription FROM usage.user_subscriptions s
    WHERE s.user_id = developer FOR NO KEY UPDATE;
    SELECT l.monthly_api_calls INTO monthly FROM usage.subscription_limits l WHERE l.plan = subscription.plan;
    of_plan := CASE WHEN monthly < 0 THEN calls
                    ELSE LEAST(calls, GREATEST(monthly - subscription.calls_this_month, 0)) END;
    of_bonus := calls - of_plan;
    refused := of_bonus > subscription.bonus_credits;
    IF calls > 0 AND NOT refused THEN
        UPDATE usage.user_subscriptions s
        SET calls_this_month = s.calls_this_month + of_plan, bonus_credits = s.bonus_credits - of_bonus,
            bonus_calls_this_month = s.bonus_calls_this_month + of_bonus
        WHERE s.user_id = developer
        RETURNING s.* INTO subscription;
    END IF;
    RETURN jsonb_build_object(
        'refused', refused, 'of_plan', CASE WHEN refused THEN 0 ELSE of_plan END,
        'of_bonus', CASE WHEN refused THEN 0 ELSE of_bonus END,
        'calls', subscription.calls_this_month, 'limit', monthly,
        'bonus_calls', subscription.bonus_calls_this_month, 'bonus_credits', subscription.bonus_credits,
        'resets_at', subscription.usage_resets_at, 'at', clock_timestamp()
    )::text;
END$$;

COMMENT ON FUNCTION lango.charge_api_calls(uuid, integer, text, text[], text[]) IS 'Counts API calls against a developer''s plan, and then against their bonus credits: all, or none where not all are left, or where every mutation has been answered under its idempotency key. What holds then, as JSON.';

REVOKE ALL ON FUNCTION lango.charge_api_calls(uuid, integer, text, text[], text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.charge_api_calls(uuid, integer, text, text[], text[]) TO lango_rules;

CREATE FUNCTION lango.admit_api_call(rates text[], most integer[], seconds integer[], developer uuid, calls integer, scope text, operations text[], keys text[]) RETURNS text
    LANGUAGE plpgsql VOLATILE
    AS $$DECLARE
    windows jsonb := lango.take_rate_limits(rates, most, seconds);
    counted jsonb;
BEGIN
    IF NOT (windows ->> 'refused')::boolean THEN
        counted := lango.charge_api_calls(developer, calls, scope, operations, keys)::jsonb;
        IF (counted ->> 'refused')::boolean THEN
            -- What is refused counts nowhere. Nobody else has changed these rows since they were taken.
            UPDATE security.rate_limits r SET taken = r.taken - 1 WHERE r.key = ANY (rates);
        END IF;
    END IF;
    RETURN jsonb_build_object('rates', windows, 'usage', counted)::text;
END$$;

COMMENT ON FUNCTION lango.admit_api_call(text[], integer[], integer[], uuid, integer, text, text[], text[]) IS 'Counts a request by an API key under its rates, and its API calls against its owner''s plan: under all of them or under none. What `take_rate_limits` and `charge_api_calls` say; null for the second where a rate refuses.';

REVOKE ALL ON FUNCTION lango.admit_api_call(text[], integer[], integer[], uuid, integer, text, text[], text[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.admit_api_call(text[], integer[], integer[], uuid, integer, text, text[], text[]) TO lango_rules;

CREATE FUNCTION lango.refund_api_calls(developer uuid, of_plan integer, of_bonus integer, resets_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    AS $$BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    -- What was counted before a reset is forgotten with the rest.
    UPDATE usage.user_subscriptions s
    SET calls_this_month = s.calls_this_month - of_plan, bonus_credits = s.bonus_credits + of_bonus,
        bonus_calls_this_month = s.bonus_calls_this_month - of_bonus
    WHERE s.user_id = developer AND s.calls_this_month >= of_plan AND s.bonus_calls_this_month >= of_bonus
        AND s.usage_resets_at = resets_at;
    RETURN FOUND;
END$$;

COMMENT ON FUNCTION lango.refund_api_calls(uuid, integer, integer, timestamptz) IS 'Takes back what was counted for a request of which nothing was done, if that month is not over.';

REVOKE ALL ON FUNCTION lango.refund_api_calls(uuid, integer, integer, timestamptz) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.refund_api_calls(uuid, integer, integer, timestamptz) TO lango_rules;

COMMENT ON COLUMN security.api_keys.key_prefix IS 'What the key begins with, to tell it from others.';

COMMENT ON COLUMN security.api_keys.permissions IS 'What it may be used for, a list: `read:Pot`, `mutate:redeemQrCode`, `subscribe:potUpdated`, or `*` in the place of a name.';

COMMENT ON COLUMN security.api_keys.rate_limit IS 'How many requests it may make in an hour; null without a limit.';

COMMENT ON COLUMN security.api_keys.last_used_at IS 'When it was last used, to the minute; null before the first time.';

DROP TRIGGER audit ON security.api_keys;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OF id, user_id, name, key_hash, key_prefix, permissions, rate_limit, ip_whitelist, enabled, expires_at, revoked_at, revoked_reason, created_at, updated_at, deleted_at OR DELETE ON security.api_keys FOR EACH ROW EXECUTE FUNCTION lango.audit('api_key', 'id', 'key_hash', 'ip_whitelist,last_used_ip', '');

ALTER TABLE usage.user_subscriptions DROP CONSTRAINT ck_user_subscriptions_times_are_finite;

ALTER TABLE usage.user_subscriptions ADD COLUMN resets_on_day INTEGER, ADD COLUMN usage_began_at TIMESTAMP WITH TIME ZONE, ADD COLUMN bonus_calls_this_month INTEGER DEFAULT 0 NOT NULL, ADD COLUMN bonus_credits_granted INTEGER DEFAULT 0 NOT NULL;

ALTER TABLE usage.user_subscriptions ADD CONSTRAINT ck_user_subscriptions_bonus_calls_are_not_negative CHECK (bonus_calls_this_month >= 0);

ALTER TABLE usage.user_subscriptions ADD CONSTRAINT ck_user_subscriptions_resets_on_a_day CHECK (resets_on_day BETWEEN 1 AND 31);

ALTER TABLE usage.user_subscriptions ADD CONSTRAINT ck_user_subscriptions_times_are_finite CHECK (usage_resets_at >= '0001-01-01' AND usage_resets_at < '9999-01-01' AND created_at >= '0001-01-01' AND created_at < '9999-01-01' AND updated_at >= '0001-01-01' AND updated_at < '9999-01-01' AND usage_began_at >= '0001-01-01' AND usage_began_at < '9999-01-01');

CREATE INDEX ix_user_subscriptions_usage_resets_at ON usage.user_subscriptions (usage_resets_at);

COMMENT ON COLUMN usage.user_subscriptions.bonus_credits IS 'API calls beyond the plan''s, earned by referrals or given by staff; spent when the plan''s are.';

COMMENT ON COLUMN usage.user_subscriptions.resets_on_day IS 'The day of the month of every reset, 31 for the last one of shorter months too; null before the first.';

COMMENT ON COLUMN usage.user_subscriptions.usage_began_at IS 'Since when `callsThisMonth` has been counted: the last reset; null before the first.';

COMMENT ON COLUMN usage.user_subscriptions.bonus_calls_this_month IS 'API calls paid by bonus credits since the last reset.';

COMMENT ON COLUMN usage.user_subscriptions.bonus_credits_granted IS 'Bonus credits of all times, those that are spent as well.';

GRANT SELECT (resets_on_day, usage_began_at, bonus_calls_this_month, bonus_credits_granted) ON usage.user_subscriptions TO lango_anonymous;

GRANT SELECT (resets_on_day, usage_began_at, bonus_calls_this_month, bonus_credits_granted) ON usage.user_subscriptions TO lango_member;

GRANT SELECT (resets_on_day, usage_began_at, bonus_calls_this_month, bonus_credits_granted) ON usage.user_subscriptions TO lango_staff;

DROP TRIGGER audit ON usage.user_subscriptions;

CREATE TRIGGER audit AFTER INSERT OR UPDATE OF user_id, plan, referral_code, total_referrals, usage_resets_at, created_at, updated_at, resets_on_day, usage_began_at, bonus_credits_granted OR DELETE ON usage.user_subscriptions FOR EACH ROW EXECUTE FUNCTION lango.audit('user_subscription', 'user_id', '', '', '');

ALTER TABLE usage.api_usage ADD COLUMN api_key_id UUID;

CREATE INDEX ix_api_usage_api_key_id ON usage.api_usage (api_key_id);

COMMENT ON COLUMN usage.api_usage.api_key_id IS 'The key it was made with; null where that is not known.';

GRANT SELECT (api_key_id) ON usage.api_usage TO lango_anonymous;

GRANT SELECT (api_key_id) ON usage.api_usage TO lango_member;

GRANT SELECT (api_key_id) ON usage.api_usage TO lango_staff;

ALTER TABLE usage.api_usage ADD CONSTRAINT fk_api_usage_api_key_id FOREIGN KEY(api_key_id) REFERENCES security.api_keys (id);
