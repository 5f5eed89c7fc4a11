"""The versions, in order; each executes the frozen SQL beside it."""
