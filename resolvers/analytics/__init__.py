"""Analytics events: appended one by one, and counted later."""
