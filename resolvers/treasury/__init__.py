"""DAOs and their money, mobile money, swaps, payments that recur, and what the ledger says of them."""
