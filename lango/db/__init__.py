"""PostgreSQL: connections, transactions, reads in one round trip, roles and migrations."""
