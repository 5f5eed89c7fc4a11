"""Referrals: sponsors invite people."""
