"""Messages about signing in: codes, links and security notices, by SMS and email."""
