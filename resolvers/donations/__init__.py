"""Donations: paid, held, and given back."""
