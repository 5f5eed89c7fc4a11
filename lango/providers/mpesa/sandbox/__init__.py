"""A twin of M-Pesa inside the process: it speaks Daraja's own protocol, and moves no money."""
