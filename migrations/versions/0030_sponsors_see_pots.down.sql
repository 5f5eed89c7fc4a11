CREATE OR REPLACE FUNCTION lango.my_friends_pots() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$SELECT ARRAY(
    SELECT i.pot_id FROM pots.pot_invitations i WHERE i.invited_user_id = ANY ((SELECT lango.my_people())::uuid[])
    UNION
    SELECT d.pot_id FROM donations.donations d WHERE d.donor_user_id = ANY ((SELECT lango.my_people())::uuid[]) AND d.status = 'succeeded'
)$$;

COMMENT ON FUNCTION lango.my_friends_pots() IS 'The pots to which the caller is invited or has given.';
