DROP INDEX security.ix_login_attempts_identifier_created_at;

DROP INDEX identity.ix_user_sessions_expires_at;

DROP POLICY lango_anonymous ON identity.user_sessions;

DROP POLICY lango_member ON identity.user_sessions;

CREATE POLICY lango_member ON identity.user_sessions FOR SELECT TO lango_member USING (((user_id = ANY ((SELECT lango.my_people())::uuid[]))));
