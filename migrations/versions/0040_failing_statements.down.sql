DROP FUNCTION lango.fail(text, text, anyelement);
DROP FUNCTION lango.account_of(text);
