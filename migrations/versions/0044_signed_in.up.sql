-- Whoever has just signed in sees the session that came of it.
CREATE POLICY lango_anonymous ON identity.user_sessions FOR SELECT TO lango_anonymous USING (((id = ANY ((SELECT lango.opened_rows())::uuid[]))));

DROP POLICY lango_member ON identity.user_sessions;

CREATE POLICY lango_member ON identity.user_sessions FOR SELECT TO lango_member USING (((id = ANY ((SELECT lango.opened_rows())::uuid[])) OR (user_id = ANY ((SELECT lango.my_people())::uuid[]))));

-- By what is over, and by the tries of a contact that is nobody's.
CREATE INDEX ix_user_sessions_expires_at ON identity.user_sessions (expires_at) WHERE NOT is_revoked;

CREATE INDEX ix_login_attempts_identifier_created_at ON security.login_attempts (identifier, created_at);
