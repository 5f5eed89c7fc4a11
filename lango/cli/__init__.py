"""The command line of `lango`: a command a module."""
