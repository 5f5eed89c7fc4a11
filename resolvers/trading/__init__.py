"""Peer-to-peer trades of coins: offers, escrows, disputes, wallets and what traders are paid by."""
