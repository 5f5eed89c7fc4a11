"""What developers use, and are given to use."""
