ALTER TABLE referrals.points_ledger ADD COLUMN points_conversion_id UUID, ADD CONSTRAINT uq_points_ledger_points_conversion_id_event_type UNIQUE (points_conversion_id, event_type), DROP CONSTRAINT ck_points_ledger_event_type_is_known, ADD CONSTRAINT ck_points_ledger_event_type_is_known CHECK (event_type IN ('referral_accepted', 'pot_opened', 'first_donation', 'conversion', 'conversion_returned'));

GRANT SELECT (points_conversion_id) ON referrals.points_ledger TO lango_anonymous, lango_member, lango_staff;

CREATE FUNCTION lango.opened_rows() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT string_to_array(nullif(current_setting('lango.opened_rows', true), ''), ',')::uuid[]$$;

COMMENT ON FUNCTION lango.opened_rows() IS 'The rows that a mutation has opened to its caller, by a token say, for its own answer.';

REVOKE ALL ON FUNCTION lango.opened_rows() FROM PUBLIC;

GRANT EXECUTE ON FUNCTION lango.opened_rows() TO lango_anonymous, lango_member, lango_staff, lango_rules, lango_worker;

CREATE OR REPLACE FUNCTION lango.my_friends_pots() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT i.pot_id FROM pots.pot_invitations i JOIN pots.pots p ON p.id = i.pot_id
    WHERE i.invited_user_id = ANY ((SELECT lango.my_people())::uuid[]) AND p.visibility = 'friends_only'
    UNION
    SELECT d.pot_id FROM donations.donations d WHERE d.donor_user_id = ANY ((SELECT lango.my_people())::uuid[]) AND d.status = 'succeeded'
    UNION
    SELECT p.id FROM referrals.referrals r JOIN pots.pots p ON p.created_from_referral_id = r.id
    WHERE r.sponsor_user_id = ANY ((SELECT lango.my_people())::uuid[]) AND r.status = 'accepted' AND p.visibility = 'friends_only'
)$$;

COMMENT ON FUNCTION lango.my_friends_pots() IS 'The pots to which the caller has given, and those for friends to which the caller is invited, or that came with invitations of the caller''s.';

COMMENT ON COLUMN pots.pots.show_donor_names IS 'Whether others than its owner see who gave; those who give anonymously are never named.';

COMMENT ON COLUMN pots.pots.enable_messages IS 'Whether others than its owner see what donors wrote.';

ALTER POLICY lango_anonymous ON pots.pots USING (deleted_at IS NULL AND ((visibility = 'public') OR (id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (id = ANY ((SELECT lango.opened_rows())::uuid[]))));

ALTER POLICY lango_member ON pots.pots USING (deleted_at IS NULL AND ((visibility = 'public') OR (id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR (id IN (SELECT unnest(lango.my_friends_pots())))));

DROP TRIGGER guard_transition ON pots.pots;

CREATE TRIGGER guard_transition BEFORE UPDATE OF status ON pots.pots FOR EACH ROW EXECUTE FUNCTION lango.guard_transition('status', 'funded>cancelled', 'funded>closed', 'funded>expired', 'funded>open', 'open>cancelled', 'open>closed', 'open>expired', 'open>funded', 'scheduled>cancelled', 'scheduled>open');

CREATE POLICY lango_anonymous ON pots.pot_invitations FOR SELECT TO lango_anonymous USING (((id = ANY ((SELECT lango.opened_rows())::uuid[]))));

ALTER POLICY lango_member ON pots.pot_invitations USING (((id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (pot_id = ANY ((SELECT lango.my_pots())::uuid[])) OR (invited_by_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR invited_user_id = ANY ((SELECT lango.my_people())::uuid[]))));

COMMENT ON COLUMN referrals.points_ledger.points_conversion_id IS 'The conversion they were spent on, or came back from; null for points that were earned, and where it is not known.';

ALTER TABLE referrals.points_ledger ADD CONSTRAINT fk_points_ledger_points_conversion_id FOREIGN KEY(points_conversion_id) REFERENCES referrals.points_conversions (id);

COMMENT ON COLUMN donations.donations.show_amount IS 'Whether others see how much it is. The pot''s total stays exact, and its owner is told the amount: who watches the total can infer what is hidden.';

CREATE POLICY lango_anonymous ON donations.donations FOR SELECT TO lango_anonymous USING (((id = ANY ((SELECT lango.opened_rows())::uuid[]))));

ALTER POLICY lango_member ON donations.donations USING (((id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (donor_user_id = ANY ((SELECT lango.my_people())::uuid[]))));

CREATE POLICY lango_anonymous ON donations.refunds FOR SELECT TO lango_anonymous USING (((id = ANY ((SELECT lango.opened_rows())::uuid[]))));

ALTER POLICY lango_member ON donations.refunds USING (((id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (donation_id = ANY ((SELECT lango.my_donations())::uuid[]))));

CREATE OR REPLACE VIEW donations.contributions WITH (security_barrier) AS
SELECT d.id, d.pot_id,
       CASE WHEN d.show_amount THEN d.amount_cfa END AS amount_cfa,
       CASE WHEN (p.show_donor_names OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR (SELECT lango.is_staff()))) AND NOT d.is_anonymous THEN coalesce(
           d.donor_name,
           (SELECT f.full_name FROM profiles.public_profiles f WHERE f.user_id = d.donor_user_id)
       ) END AS donor_name,
       CASE WHEN p.enable_messages OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR (SELECT lango.is_staff())) THEN d.donation_message END AS message,
       d.created_at
FROM donations.donations d JOIN pots.pots p ON p.id = d.pot_id
WHERE d.status = 'succeeded' AND ((SELECT lango.is_staff()) OR (p.deleted_at IS NULL AND ((p.visibility = 'public') OR (p.id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (p.id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR (p.id IN (SELECT unnest(lango.my_friends_pots()))))));

COMMENT ON VIEW donations.contributions IS 'A succeeded donation as whoever sees the pot may see it: without what the donor or the pot keeps to itself. What the pot keeps to itself its owner, the guardian of a minor who owns it, and staff see all the same.';

COMMENT ON COLUMN donations.contributions.amount_cfa IS 'The amount in CFA francs; null where the donor hides it, whoever looks.';

COMMENT ON COLUMN donations.contributions.donor_name IS 'Who gave; null for an anonymous donor, and for others than its owner where the pot shows no names.';

COMMENT ON COLUMN donations.contributions.message IS 'What the donor wrote; null where nothing, and for others than its owner where the pot shows no messages.';

CREATE VIEW donations.point_contributions WITH (security_barrier) AS
SELECT c.id, p.id AS pot_id, c.credits_issued AS amount_cfa,
       CASE WHEN p.show_donor_names OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[]) OR (SELECT lango.is_staff())) THEN
           (SELECT f.full_name FROM profiles.public_profiles f WHERE f.user_id = c.sponsor_user_id)
       END AS sponsor_name,
       c.created_at
FROM referrals.points_conversions c JOIN pots.pots p ON p.id = c.applied_to_pot_id
WHERE p.status <> 'cancelled' AND ((SELECT lango.is_staff()) OR (p.deleted_at IS NULL AND ((p.visibility = 'public') OR (p.id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (p.id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR (p.id IN (SELECT unnest(lango.my_friends_pots()))))));

COMMENT ON VIEW donations.point_contributions IS 'Points that a sponsor turned into money for a pot, as whoever sees the pot may see it. What is called off with its pot is no longer among them: the sponsor has the points back.';

COMMENT ON COLUMN donations.point_contributions.id IS 'The row''s key.';

COMMENT ON COLUMN donations.point_contributions.pot_id IS 'The pot that received the money.';

COMMENT ON COLUMN donations.point_contributions.amount_cfa IS 'What the pot received for the points, in CFA francs.';

COMMENT ON COLUMN donations.point_contributions.sponsor_name IS 'Whose points they were; null without a public profile, and for others than its owner where the pot shows no names.';

COMMENT ON COLUMN donations.point_contributions.created_at IS 'When they were turned into money.';

GRANT SELECT (id, pot_id, amount_cfa, sponsor_name, created_at) ON donations.point_contributions TO lango_anonymous, lango_member, lango_staff;

CREATE INDEX ix_refunds_failed ON donations.refunds (created_at) WHERE wave_refund_status = 'failed';
