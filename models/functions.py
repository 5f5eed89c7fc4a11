"""The functions that policies ask, in the schema `lango`: the caller's context, and what is the caller's own.

Those that look into tables are SECURITY DEFINER, owned by `lango_owner`, with a pinned search_path: policies ask them
about tables on which the caller has no grant. They are revoked from PUBLIC and granted to the roles that serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

SERVING = ("lango_anonymous", "lango_member", "lango_staff", "lango_rules", "lango_worker")
ME = "(SELECT lango.my_people())::uuid[]"


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the schema `lango`, to be rendered once and called by policies, views and triggers."""

    name: str
    body: str
    doc: str
    arguments: str = ""
    returns: str = "uuid[]"
    language: str = "sql"
    definer: bool = True
    volatility: str = "STABLE PARALLEL SAFE"
    granted_to: tuple[str, ...] = SERVING

    @property
    def signature(self) -> str:
        types = ", ".join(argument.split()[1] for argument in self.arguments.split(", ") if argument)
        return f"lango.{self.name}({types})"

    def statements(self) -> list[str]:
        guard = " SECURITY DEFINER SET search_path = pg_catalog, pg_temp" if self.definer else ""
        head = f"CREATE FUNCTION lango.{self.name}({self.arguments}) RETURNS {self.returns}"
        body = dedent(self.body).strip()
        granted = (
            [f"GRANT EXECUTE ON FUNCTION {self.signature} TO {', '.join(self.granted_to)}"] if self.granted_to else []
        )
        return [
            f"{head}\n    LANGUAGE {self.language} {self.volatility}{guard}\n    AS $${body}$$",
            f"COMMENT ON FUNCTION {self.signature} IS {literal(self.doc)}",
            f"REVOKE ALL ON FUNCTION {self.signature} FROM PUBLIC",
            *granted,
        ]


def literal(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def mine(name: str, table: str, condition: str, doc: str, *, key: str = "id") -> Function:
    """An array of the keys of a table's rows that are the caller's in some way."""
    return Function(name, f"SELECT ARRAY(SELECT r.{key} FROM {table} r WHERE {condition})", doc)


CONTEXT = [
    Function(
        "user_id",
        "SELECT nullif(current_setting('lango.user_id', true), '')::uuid",
        "The caller; null for nobody.",
        returns="uuid",
        definer=False,
    ),
    Function(
        "has_role",
        "SELECT coalesce(role = ANY (string_to_array(current_setting('lango.roles', true), ',')), false)",
        "Whether the caller has a role that the database confirmed.",
        arguments="role text",
        returns="boolean",
        definer=False,
    ),
    Function(
        "is_staff",
        "SELECT lango.has_role('admin') OR lango.has_role('super_admin')",
        "Whether the caller is staff.",
        returns="boolean",
        definer=False,
    ),
    Function(
        "share_tokens",
        "SELECT string_to_array(nullif(current_setting('lango.share_tokens', true), ''), ',')",
        "The share tokens of pots that the caller has shown in this operation.",
        returns="text[]",
        definer=False,
    ),
    Function(
        "opened_rows",
        "SELECT string_to_array(nullif(current_setting('lango.opened_rows', true), ''), ',')::uuid[]",
        "The rows that a mutation has opened to its caller, by a token say, for its own answer.",
        definer=False,
    ),
    Function(
        "is_minor",
        """
        SELECT born > CURRENT_DATE - INTERVAL '18 years 2 days'
            AND born > (now() AT TIME ZONE coalesce(zone, 'Africa/Dakar'))::date - INTERVAL '18 years'
        """,
        "Whether somebody born on that day is under 18 now: majority begins at midnight of the eighteenth birthday in "
        "their time zone.",
        arguments="born date, zone text",
        returns="boolean",
        definer=False,
    ),
    Function(
        "confirmed_roles",
        """
        SELECT ARRAY(
            SELECT r FROM identity.users u, unnest(u.roles) r
            WHERE u.id = user_id AND u.is_active AND u.deleted_at IS NULL AND r = ANY (claimed)
        )
        """,
        "Those of the claimed roles that an active user really has.",
        arguments="user_id uuid, claimed text[]",
        returns="text[]",
        granted_to=("lango_member",),
    ),
    Function(
        "standings",
        """
        SELECT ARRAY(
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
        )
        """,
        "How users and their sessions stand, in the order given: `active`, `unknown` (no such user), `inactive` "
        "(suspended or closed) or `ended` (the session is revoked, has expired, or is another user's). Without a "
        "session, or with one that is not kept here, the user alone counts.",
        arguments="user_ids uuid[], session_ids uuid[]",
        returns="text[]",
        granted_to=("lango_member",),
    ),
]

OWN = [
    Function(
        "my_people",
        """
        SELECT CASE WHEN lango.user_id() IS NULL THEN '{}'::uuid[] ELSE lango.user_id() || ARRAY(
            SELECT p.user_id FROM profiles.profiles p
            WHERE p.guardian_user_id = lango.user_id() AND p.guardian_accepted_at IS NOT NULL
              AND lango.is_minor(p.date_of_birth, p.timezone)
        ) END
        """,
        "The caller, and the minors whose accepted guardian the caller is.",
    ),
    mine("my_pots", "pots.pots", f"r.owner_user_id = ANY ({ME})", "The pots the caller owns."),
    Function(
        "shared_pots",
        """
        SELECT ARRAY(SELECT p.id FROM pots.pots p WHERE p.share_token = ANY (tokens) AND p.deleted_at IS NULL)
        """,
        "The pots that these share tokens open; null, without a look, for null.",
        arguments="tokens text[]",
        volatility="STABLE STRICT PARALLEL SAFE",
    ),
    Function(
        "my_friends_pots",
        f"""
        SELECT ARRAY(
            SELECT i.pot_id FROM pots.pot_invitations i JOIN pots.pots p ON p.id = i.pot_id
            WHERE i.invited_user_id = ANY ({ME}) AND p.visibility = 'friends_only'
            UNION
            SELECT d.pot_id FROM donations.donations d WHERE d.donor_user_id = ANY ({ME}) AND d.status = 'succeeded'
            UNION
            SELECT p.id FROM referrals.referrals r JOIN pots.pots p ON p.created_from_referral_id = r.id
            WHERE r.sponsor_user_id = ANY ({ME}) AND r.status = 'accepted' AND p.visibility = 'friends_only'
        )
        """,
        "The pots to which the caller has given, and those for friends to which the caller is invited, or that came"
        " with invitations of the caller's.",
    ),
    mine("my_donations", "donations.donations", f"r.donor_user_id = ANY ({ME})", "The caller's donations."),
    mine(
        "my_partners",
        "packs.partner_members",
        "r.user_id = (SELECT lango.user_id())",
        "The partners the caller acts for.",
        key="partner_id",
    ),
    mine(
        "my_managed_partners",
        "packs.partner_members",
        "r.user_id = (SELECT lango.user_id()) AND r.role IN ('owner', 'manager')",
        "The partners whose owner or manager the caller is.",
        key="partner_id",
    ),
    Function(
        "my_partner_invitations",
        """
        SELECT ARRAY(
            SELECT i.id FROM packs.partner_invitations i JOIN identity.users u ON u.phone = i.phone
            WHERE u.id = lango.user_id() AND u.deleted_at IS NULL AND (i.answered_by IS NULL OR i.answered_by = u.id)
            UNION
            SELECT i.id FROM packs.partner_invitations i JOIN identity.users u ON u.email = i.email
            WHERE u.id = lango.user_id() AND u.deleted_at IS NULL AND (i.answered_by IS NULL OR i.answered_by = u.id)
        )
        """,
        "The invitations of partners to the phone number or the email address of the caller.",
    ),
    Function(
        "my_codes_packs",
        """
        SELECT ARRAY(
            SELECT DISTINCT c.pack_id FROM redemption.qr_codes c
            WHERE c.pot_id = ANY ((SELECT lango.my_pots())::uuid[]) AND c.status IN ('issued', 'redeemed')
        )
        """,
        "The packs of the codes that the caller holds or has redeemed.",
    ),
    mine(
        "my_daos",
        "treasury.dao_members",
        "r.user_id = (SELECT lango.user_id()) AND r.status = 'approved'",
        "The DAOs whose approved member the caller is.",
        key="dao_id",
    ),
    mine(
        "my_administered_daos",
        "treasury.dao_members",
        "r.user_id = (SELECT lango.user_id()) AND r.status = 'approved' AND r.role = 'admin'",
        "The DAOs the caller administers.",
        key="dao_id",
    ),
    mine(
        "my_dao_treasuries",
        "treasury.dao_treasuries",
        "r.dao_id = ANY ((SELECT lango.my_daos())::uuid[])",
        "The treasuries of the caller's DAOs.",
    ),
    mine(
        "my_treasury_transfers",
        "treasury.treasury_transfers",
        "r.treasury_id = ANY ((SELECT lango.my_dao_treasuries())::uuid[])",
        "The transfers from the treasuries of the caller's DAOs.",
    ),
    mine(
        "my_signer_changes",
        "treasury.signer_changes",
        "r.treasury_id = ANY ((SELECT lango.my_dao_treasuries())::uuid[])",
        "The changes of signers at the treasuries of the caller's DAOs.",
    ),
    Function(
        "counting_signers",
        """
        SELECT t.id, m.user_id
        FROM treasury.dao_treasuries t
        JOIN treasury.dao_members m ON m.dao_id = t.dao_id AND m.user_id = ANY (t.signers) AND m.status = 'approved'
        JOIN identity.users u ON u.id = m.user_id AND u.is_active AND u.deleted_at IS NULL
        WHERE t.id = ANY (treasuries)
          AND (lango.is_staff() OR t.id = ANY ((SELECT lango.my_dao_treasuries())::uuid[]))
        """,
        "The signers whose decisions count now, of those of these treasuries that the caller sees: approved members"
        " whose account is active.",
        arguments="treasuries uuid[]",
        returns="TABLE (treasury_id uuid, user_id uuid)",
    ),
    mine(
        "my_card_accounts",
        "cards.account_members",
        "r.user_id = (SELECT lango.user_id())",
        "The card accounts the caller is on.",
        key="account_id",
    ),
    mine(
        "my_supervised_card_accounts",
        "cards.account_members",
        "r.user_id = (SELECT lango.user_id()) AND r.role IN ('owner', 'admin', 'analyst')",
        "The card accounts of which the caller sees every card.",
        key="account_id",
    ),
    mine(
        "my_managed_card_accounts",
        "cards.account_members",
        "r.user_id = (SELECT lango.user_id()) AND r.role IN ('owner', 'admin')",
        "The card accounts whose owner or admin the caller is.",
        key="account_id",
    ),
    mine(
        "my_spending_profiles",
        "cards.spending_profiles",
        "r.account_id = ANY ((SELECT lango.my_card_accounts())::uuid[]) AND r.deleted_at IS NULL",
        "The spending profiles of the caller's card accounts.",
    ),
    Function(
        "my_counterparties",
        f"""
        SELECT ARRAY(
            SELECT t.seller_id FROM trading.crypto_trades t
            WHERE t.buyer_id = ANY ({ME}) AND t.status = 'in_escrow' AND t.seller_id IS NOT NULL
            UNION
            SELECT t.buyer_id FROM trading.crypto_trades t
            WHERE t.seller_id = ANY ({ME}) AND t.status = 'in_escrow' AND t.buyer_id IS NOT NULL
        )
        """,
        "The users with whom the caller has a trade in escrow.",
    ),
    Function(
        "my_colleagues",
        """
        SELECT ARRAY(
            SELECT m.user_id FROM packs.partner_members m
            WHERE m.partner_id = ANY ((SELECT lango.my_partners())::uuid[])
            UNION
            SELECT m.user_id FROM treasury.dao_members m
            WHERE m.dao_id = ANY ((SELECT lango.my_daos())::uuid[]) AND m.status = 'approved'
            UNION
            SELECT m.user_id FROM cards.account_members m
            WHERE m.account_id = ANY ((SELECT lango.my_card_accounts())::uuid[])
        )
        """,
        "Those who are on the same partner, DAO or card account as the caller.",
    ),
    mine(
        "my_ledger_accounts",
        "ledger.ledger_accounts",
        f"(r.owner_type = 'user' AND r.owner_id = ANY ({ME}))"
        " OR (r.owner_type = 'dao' AND r.owner_id = ANY ((SELECT lango.my_daos())::uuid[]))"
        " OR (r.owner_type = 'card_account' AND r.owner_id = ANY ((SELECT lango.my_card_accounts())::uuid[]))"
        " OR (r.owner_type = 'partner' AND r.owner_id = ANY ((SELECT lango.my_managed_partners())::uuid[]))",
        "The ledger accounts the caller may see.",
    ),
    Function(
        "my_ledger_transactions",
        """
        SELECT ARRAY(
            SELECT DISTINCT e.transaction_id FROM ledger.ledger_entries e
            WHERE e.account_id = ANY ((SELECT lango.my_ledger_accounts())::uuid[])
        )
        """,
        "The ledger transactions of which the caller sees an entry.",
    ),
]

# What the rules' own statements call.
WRITING = [
    Function(
        "fail",
        """
        BEGIN
            RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
        END
        """,
        "Ends a statement with an error, where a value was to be: never returns.",
        arguments="state text, message text, nothing anyelement",
        returns="anyelement",
        language="plpgsql",
        definer=False,
        volatility="VOLATILE",
        granted_to=("lango_rules", "lango_worker"),
    ),
    Function(
        "account_of",
        """
        BEGIN
            RETURN (SELECT id FROM ledger.ledger_accounts WHERE code = account_code);
        END
        """,
        "The account of that code as it is there now, also where it was opened after the statement began.",
        arguments="account_code text",
        returns="uuid",
        language="plpgsql",
        definer=False,
        volatility="VOLATILE",
        granted_to=("lango_rules", "lango_worker"),
    ),
    Function(
        "take_rate_limits",
        """
        DECLARE
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
        END
        """,
        "Counts one more under each of these keys, or under none where one of them has its `most` in the `seconds` of"
        " its window. Says whether that was refused, and of each key in the order given what is left and in how many"
        " seconds its window ends.",
        arguments="keys text[], most integer[], seconds integer[]",
        returns="jsonb",
        language="plpgsql",
        volatility="VOLATILE",
        granted_to=("lango_rules", "lango_worker"),
    ),
]
