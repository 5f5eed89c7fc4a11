"""How fast lango is beside others that do the same work: `make bench`."""
