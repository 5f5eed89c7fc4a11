"""Packs, the partners that offer them, and the campaigns that boost them."""
