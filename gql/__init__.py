"""How it looks from outside: one module a table group, and `kit`, which knows no table."""
