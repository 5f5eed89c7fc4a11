"""Answers that go on: WebSockets, server-sent events, and the subscriptions that they carry."""
