"""The ground of the gateway: it knows PostgreSQL and HTTP, and no table."""
