"""A twin of Wave inside the process: it speaks Wave's own protocol, and moves no money."""
