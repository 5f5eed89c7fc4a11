"""Points that sponsors earn."""
