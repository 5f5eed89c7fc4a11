"""Events: the outbox as it is read, and the subscribers that they are fanned out to."""
