DROP FUNCTION lango.account_of(text);
DROP FUNCTION lango.fail(text, text, anyelement);
