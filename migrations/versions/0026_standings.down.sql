DROP FUNCTION lango.standings(uuid[], uuid[]);
