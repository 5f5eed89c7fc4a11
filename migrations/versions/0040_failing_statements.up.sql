CREATE FUNCTION lango.fail(state text, message text, nothing anyelement) RETURNS anyelement
    LANGUAGE plpgsql VOLATILE
    AS $$BEGIN
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
END$$;
COMMENT ON FUNCTION lango.fail(text, text, anyelement) IS 'Ends a statement with an error, where a value was to be: never returns.';
REVOKE ALL ON FUNCTION lango.fail(text, text, anyelement) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.fail(text, text, anyelement) TO lango_rules, lango_worker;

CREATE FUNCTION lango.account_of(account_code text) RETURNS uuid
    LANGUAGE plpgsql VOLATILE
    AS $$BEGIN
    RETURN (SELECT id FROM ledger.ledger_accounts WHERE code = account_code);
END$$;
COMMENT ON FUNCTION lango.account_of(text) IS 'The account of that code as it is there now, also where it was opened after the statement began.';
REVOKE ALL ON FUNCTION lango.account_of(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lango.account_of(text) TO lango_rules, lango_worker;
