"""What may happen: the rules, a folder a table group. They take a transaction, rows to act on, and narrow values."""
