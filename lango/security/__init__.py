"""Who calls, and with which keys: access tokens, accounts, signing keys and encrypted columns."""
