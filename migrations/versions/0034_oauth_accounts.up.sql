DROP TRIGGER audit ON security.oauth_connections;
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON security.oauth_connections FOR EACH ROW
    EXECUTE FUNCTION lango.audit('oauth_account', 'id', 'access_token,refresh_token', 'provider_user_id,provider_email,provider_username,profile_data', '');
