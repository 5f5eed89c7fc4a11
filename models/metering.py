"""The functions of API keys: whose a key is, and what its requests count as in its owner's month (docs/adr/0040)."""

from __future__ import annotations

from models.functions import Function

# What a plan allows of which nobody has said anything.
FREE_CALLS, FREE_RATE = 1_000, 60

METERING = [
    Function(
        "api_keys",
        f"""
        SELECT coalesce(jsonb_agg(
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
                'requests_per_minute', coalesce(l.requests_per_minute, free.requests_per_minute, {FREE_RATE})
            ) END ORDER BY c.place
        ), '[]')::text
        FROM unnest(key_ids, hashes) WITH ORDINALITY AS c (key_id, hash, place)
        LEFT JOIN security.api_keys k ON k.id = c.key_id AND k.key_hash = coalesce(c.hash, k.key_hash)
        LEFT JOIN identity.users u ON u.id = k.user_id
        LEFT JOIN usage.user_subscriptions s ON s.user_id = k.user_id
        LEFT JOIN usage.subscription_limits l ON l.plan = s.plan
        LEFT JOIN usage.subscription_limits free ON free.plan = 'free'
        """,
        "How API keys stand, as a JSON array in the order given: null for one that there is not, or whose hash is"
        " another; without a hash any will do.",
        arguments="key_ids uuid[], hashes text[]",
        returns="text",
        granted_to=("lango_member",),
    ),
    Function(
        "month_after",
        """
        SELECT (
            month + interval '1 month'
            + (LEAST(day, extract(day FROM month + interval '2 months' - interval '1 day')) - 1) * interval '1 day'
            + (moment AT TIME ZONE 'UTC')::time
        ) AT TIME ZONE 'UTC'
        FROM date_trunc('month', moment AT TIME ZONE 'UTC') AS month
        """,
        "The same time on that day of the next month, or on its last one where it is shorter; in UTC.",
        arguments="moment timestamptz, day integer",
        returns="timestamptz",
        definer=False,
        volatility="STABLE PARALLEL SAFE",
    ),
    Function(
        "open_subscription",
        f"""
        BEGIN
            INSERT INTO usage.subscription_limits (plan, monthly_api_calls, requests_per_minute)
            VALUES ('free', {FREE_CALLS}, {FREE_RATE}) ON CONFLICT DO NOTHING;
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
        END
        """,
        "Makes a developer's subscription, of the plan `free`, where there is none.",
        arguments="developer uuid",
        returns="void",
        language="plpgsql",
        definer=False,
        volatility="VOLATILE",
        granted_to=("lango_rules", "lango_worker"),
    ),
    Function(
        "begin_usage_month",
        """
        DECLARE
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
        END
        """,
        "Begins a developer's next month, once, if the last one is over; months without a call are passed over.",
        arguments="developer uuid",
        returns="boolean",
        language="plpgsql",
        definer=False,
        volatility="VOLATILE",
        granted_to=("lango_rules", "lango_worker"),
    ),
    Function(
        "charge_api_calls",
        """
        DECLARE
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
        END
        """,
        "Counts API calls against a developer's plan, and then against their bonus credits: all, or none where not all"
        " are left, or where every mutation has been answered under its idempotency key. What holds then, as JSON.",
        arguments="developer uuid, calls integer, scope text, operations text[], keys text[]",
        returns="text",
        language="plpgsql",
        definer=False,
        volatility="VOLATILE",
        granted_to=("lango_rules",),
    ),
    Function(
        "admit_api_call",
        """
        DECLARE
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
        END
        """,
        "Counts a request by an API key under its rates, and its API calls against its owner's plan: under all of them"
        " or under none. What `take_rate_limits` and `charge_api_calls` say; null for the second where a rate refuses.",
        arguments="rates text[], most integer[], seconds integer[], developer uuid, calls integer, scope text, "
        "operations text[], keys text[]",
        returns="text",
        language="plpgsql",
        definer=False,
        volatility="VOLATILE",
        granted_to=("lango_rules",),
    ),
    Function(
        "refund_api_calls",
        """
        BEGIN
            PERFORM set_config('synchronous_commit', 'off', true);
            -- What was counted before a reset is forgotten with the rest.
            UPDATE usage.user_subscriptions s
            SET calls_this_month = s.calls_this_month - of_plan, bonus_credits = s.bonus_credits + of_bonus,
                bonus_calls_this_month = s.bonus_calls_this_month - of_bonus
            WHERE s.user_id = developer AND s.calls_this_month >= of_plan AND s.bonus_calls_this_month >= of_bonus
                AND s.usage_resets_at = resets_at;
            RETURN FOUND;
        END
        """,
        "Takes back what was counted for a request of which nothing was done, if that month is not over.",
        arguments="developer uuid, of_plan integer, of_bonus integer, resets_at timestamptz",
        returns="boolean",
        language="plpgsql",
        definer=False,
        volatility="VOLATILE",
        granted_to=("lango_rules",),
    ),
]
