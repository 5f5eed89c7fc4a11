"""How the database came to be: Alembic's environment and the versions, run by `lango migrate` as lango_owner."""
