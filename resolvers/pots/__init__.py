"""Birthday pots: planned, opened, shared, cancelled."""
