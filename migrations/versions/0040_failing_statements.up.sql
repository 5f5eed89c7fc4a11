CREATE FUNCTION lango.fail(state text, message text, nothing anyelement) RETURNS anyelement
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
END
$$;
COMMENT ON FUNCTION lango.fail IS 'Ends a statement with an error, where a value was to be: never returns.';
REVOKE ALL ON FUNCTION lango.fail FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.fail TO lango_rules, lango_worker;

CREATE FUNCTION lango.account_of(account_code text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    RETURN (SELECT id FROM ledger.ledger_accounts WHERE code = account_code);
END
$$;
COMMENT ON FUNCTION lango.account_of IS
    'The account of that code as it is there now, also where it was opened after the statement began.';
REVOKE ALL ON FUNCTION lango.account_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.account_of TO lango_rules, lango_worker;
