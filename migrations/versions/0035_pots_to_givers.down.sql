DROP INDEX donations.ix_refunds_failed;

DROP VIEW donations.point_contributions;

CREATE OR REPLACE FUNCTION lango.my_friends_pots() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT i.pot_id FROM pots.pot_invitations i WHERE i.invited_user_id = ANY ((SELECT lango.my_people())::uuid[])
    UNION
    SELECT d.pot_id FROM donations.donations d WHERE d.donor_user_id = ANY ((SELECT lango.my_people())::uuid[]) AND d.status = 'succeeded'
    UNION
    SELECT p.id FROM referrals.referrals r JOIN pots.pots p ON p.created_from_referral_id = r.id
    WHERE r.sponsor_user_id = ANY ((SELECT lango.my_people())::uuid[]) AND r.status = 'accepted' AND p.visibility = 'friends_only'
)$$;

COMMENT ON FUNCTION lango.my_friends_pots() IS 'The pots to which the caller is invited or has given, and those that came with invitations of the caller''s.';

COMMENT ON COLUMN pots.pots.show_donor_names IS 'Whether others see who gave; those who give anonymously are never named.';

COMMENT ON COLUMN pots.pots.enable_messages IS 'Whether others see what donors wrote.';

ALTER POLICY lango_anonymous ON pots.pots USING (deleted_at IS NULL AND ((visibility = 'public') OR (id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[]))));

ALTER POLICY lango_member ON pots.pots USING (deleted_at IS NULL AND ((visibility = 'public') OR (id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR ((visibility = 'friends_only') AND (id IN (SELECT unnest(lango.my_friends_pots()))))));

DROP TRIGGER guard_transition ON pots.pots;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON pots.pots FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'funded>cancelled', 'funded>closed', 'funded>expired', 'open>cancelled', 'open>closed', 'open>expired', 'open>funded', 'scheduled>cancelled', 'scheduled>open');

ALTER POLICY lango_member ON pots.pot_invitations USING (((pot_id = ANY ((SELECT lango.my_pots())::uuid[])) OR (invited_by_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR invited_user_id = ANY ((SELECT lango.my_people())::uuid[]))));

COMMENT ON COLUMN donations.donations.show_amount IS 'Whether others see how much it is.';

ALTER POLICY lango_member ON donations.donations USING (((donor_user_id = ANY ((SELECT lango.my_people())::uuid[]))));

ALTER POLICY lango_member ON donations.refunds USING (((donation_id = ANY ((SELECT lango.my_donations())::uuid[]))));

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

COMMENT ON VIEW donations.contributions IS 'A succeeded donation as whoever sees the pot may see it: without what the donor or the pot keeps to itself.';

COMMENT ON COLUMN donations.contributions.amount_cfa IS 'The amount in CFA francs; null where the donor hides it.';

COMMENT ON COLUMN donations.contributions.donor_name IS 'Who gave; null for an anonymous donor, or where the pot shows no names.';

COMMENT ON COLUMN donations.contributions.message IS 'What the donor wrote; null where the pot takes no messages.';

DROP POLICY lango_anonymous ON pots.pot_invitations;

DROP POLICY lango_anonymous ON donations.donations;

DROP POLICY lango_anonymous ON donations.refunds;

DROP FUNCTION lango.opened_rows();

-- What came back stays with the sponsor, under the name of what it came back from.
UPDATE referrals.points_ledger SET event_type = 'conversion' WHERE event_type = 'conversion_returned';

ALTER TABLE referrals.points_ledger DROP COLUMN points_conversion_id, DROP CONSTRAINT ck_points_ledger_event_type_is_known, ADD CONSTRAINT ck_points_ledger_event_type_is_known CHECK (event_type IN ('referral_accepted', 'pot_opened', 'first_donation', 'conversion'));
