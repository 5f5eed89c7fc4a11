"""Who people are: their profiles, guardians, addresses, and the documents that prove it."""
