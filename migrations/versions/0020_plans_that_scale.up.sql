CREATE OR REPLACE FUNCTION lango.shared_pots(tokens text[]) RETURNS uuid[]
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(SELECT p.id FROM pots.pots p WHERE p.share_token = ANY (tokens) AND p.deleted_at IS NULL)$$;

COMMENT ON FUNCTION lango.shared_pots(text[]) IS 'The pots that these share tokens open; null, without a look, for null.';

ALTER POLICY lango_member ON pots.pots USING (deleted_at IS NULL AND ((visibility = 'public') OR (id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((visibility = 'friends_only') AND (id IN (SELECT unnest(lango.my_friends_pots()))))));

CREATE OR REPLACE VIEW donations.contributions WITH (security_barrier) AS
SELECT d.id, d.pot_id,
       CASE WHEN d.show_amount THEN d.amount_cfa END AS amount_cfa,
       CASE WHEN p.show_donor_names AND NOT d.is_anonymous THEN coalesce(
           d.donor_name,
           (SELECT f.full_name FROM profiles.public_profiles f WHERE f.user_id = d.donor_user_id)
       ) END AS donor_name,
       CASE WHEN p.enable_messages THEN d.donation_message END AS message,
       d.created_at
FROM donations.donations d JOIN pots.pots p ON p.id = d.pot_id
WHERE d.status = 'succeeded' AND (
    (SELECT lango.is_staff()) OR (p.deleted_at IS NULL AND ((p.visibility = 'public') OR (p.id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((p.visibility = 'friends_only') AND (p.id IN (SELECT unnest(lango.my_friends_pots()))))))
);

DROP INDEX pots.ix_pots_owner_user_id;

CREATE INDEX ix_pots_owner_user_id_created_at_id ON pots.pots (owner_user_id, created_at, id);

CREATE INDEX ix_donations_created_at_id ON donations.donations (created_at, id);

CREATE INDEX ix_notifications_created_at_id ON notifications.notifications (created_at, id);

CREATE INDEX ix_ledger_entries_created_at_id ON ledger.ledger_entries (created_at, id);
