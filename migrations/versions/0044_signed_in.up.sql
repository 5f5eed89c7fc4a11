CREATE POLICY lango_anonymous ON identity.user_sessions FOR SELECT TO lango_anonymous USING (((id = ANY ((SELECT lango.opened_rows())::uuid[]))));

DROP POLICY lango_member ON identity.user_sessions;

CREATE POLICY lango_member ON identity.user_sessions FOR SELECT TO lango_member USING (((id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (user_id = ANY ((SELECT lango.my_people())::uuid[]))));
