"""The gateway over HTTP: the application, its endpoint, and what surrounds every request."""
