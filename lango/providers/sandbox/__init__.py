"""Twins of outside services inside the process: each speaks its provider's own protocol, and moves no money."""
