"""The functions in the schema `lango`: the caller's context, what is the caller's own, and what triggers do.

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
]

OWN = [
    Function(
        "my_people",
        """
        SELECT CASE WHEN lango.user_id() IS NULL THEN '{}'::uuid[] ELSE lango.user_id() || ARRAY(
            SELECT p.user_id FROM profiles.profiles p
            WHERE p.guardian_user_id = lango.user_id() AND p.guardian_accepted_at IS NOT NULL
              AND p.date_of_birth > (CURRENT_DATE - INTERVAL '18 years')
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
        "The pots that these share tokens open.",
        arguments="tokens text[]",
    ),
    Function(
        "my_friends_pots",
        f"""
        SELECT ARRAY(
            SELECT i.pot_id FROM pots.pot_invitations i WHERE i.invited_user_id = ANY ({ME})
            UNION
            SELECT d.pot_id FROM donations.donations d WHERE d.donor_user_id = ANY ({ME}) AND d.status = 'succeeded'
        )
        """,
        "The pots to which the caller is invited or has given.",
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

FUNCTIONS = [*CONTEXT, *OWN, *TRIGGERS, *PARTITIONS]
