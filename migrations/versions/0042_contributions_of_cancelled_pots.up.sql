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
WHERE d.status = 'succeeded' AND p.status <> 'cancelled' AND ((SELECT lango.is_staff()) OR (p.deleted_at IS NULL AND ((p.visibility = 'public') OR (p.id = ANY ((SELECT lango.shared_pots(lango.share_tokens()))::uuid[])) OR (p.id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (p.owner_user_id = ANY ((SELECT lango.my_people())::uuid[])) OR (p.id IN (SELECT unnest(lango.my_friends_pots()))))));
