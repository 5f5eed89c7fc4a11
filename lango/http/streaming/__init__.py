"""Answers that stay open: WebSockets, server-sent events, and the subscriptions that they carry."""
