"""What may happen: the rules, one module a table group. They take a session, the caller and narrow values."""
