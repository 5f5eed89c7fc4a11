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
